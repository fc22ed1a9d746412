// What the binding files of the arena share: its object, the view of an order, and the reading of options.
//
// An Order is a view: a strong reference to its arena, a slot, and the handle that the slot had. The memory
// of views comes from a pool in the arena, as CPython keeps free lists for its own small types: create()
// takes a block and makes an object of it, the view's tp_dealloc gives the block back. So creating an order
// asks no allocator for anything. Live views keep the arena alive; the arena refers to no live view, so there
// are no cycles, and when the arena goes every block is back in its pool.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bind/types.h"
#include "latency/block_pool.h"
#include "latency/order_arena.h"

#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/ndarraytypes.h>

namespace latencykit::bind {

struct ArenaObject {
  PyObject ob_base;
  OrderArena arena;
  BlockPool views;
  PyTypeObject* order_type;
  PyArray_Descr* dtype;
  PagePolicy pages;
  std::size_t views_added;  // How often the pool of views was empty.
};

struct OrderObject {
  PyObject ob_base;
  ArenaObject* owner;
  OrderSlot* slot;
  std::uint64_t handle;
};

constexpr std::size_t kViewBytes = sizeof(OrderObject);

inline ArenaObject* as_arena(PyObject* self) { return reinterpret_cast<ArenaObject*>(self); }
inline OrderObject* as_order(PyObject* self) { return reinterpret_cast<OrderObject*>(self); }
inline PyObject* as_object(ArenaObject* arena) { return reinterpret_cast<PyObject*>(arena); }

// ---- order_view.cpp

extern PyType_Spec order_spec;

inline bool is_alive(const OrderObject* order) { return order->slot->handle == order->handle; }

// Raises that the order of this view is over.
PyObject* refuse_stale(PyObject* view);

// ---- order_create.cpp

PyObject* arena_create(PyObject* arena, PyObject* const* arguments, Py_ssize_t count, PyObject* names);

// A new view of a slot in use; null with an error.
PyObject* view_of(ArenaObject* self, OrderSlot* slot);

// ---- order_arena.cpp

// Raises what the arena found in a free slot.
PyObject* refuse_damaged(ArenaObject* self);

// ---- arena_options.cpp

struct NewArena {
  std::size_t capacity = 0;
  WhenExhausted when_exhausted = WhenExhausted::kRaise;
  ArenaOptions options;
};

// Reads the arguments of OrderArena(). False with an error.
bool read_new_arena(ModuleState* state, PyObject* args, PyObject* kwargs, NewArena* wanted);

// Raises why there is no memory for the arena.
PyObject* refuse_memory(ModuleState* state, const NewArena& wanted, const CommitResult& why);

const char* policy_name(WhenExhausted policy);
const char* huge_pages_name(HugePages choice);

}  // namespace latencykit::bind

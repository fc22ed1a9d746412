// What the binding files of the order book share: its two objects, and how both show figures and rows.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "bind/types.h"
#include "latency/book_figures.h"
#include "latency/order_book.h"
#include "latency/shared_book.h"

namespace latencykit::bind {

// What a book that may never be written to looks at.
inline constexpr std::atomic<bool> kMayNotWrite{false};
// The same of the memory of a book that nobody can cut short.
inline constexpr std::atomic<bool> kIsNotCut{false};

// A book, or what is left of one after close(): its name, symbol and depth.
struct BookObject {
  PyObject ob_base;
  const std::atomic<bool>* may_write;  // The claim on shared memory, which a fork ends; or a constant.
  const std::atomic<bool>* is_cut;     // Whether the memory was cut short, so that what was read last means nothing.
  std::optional<BookWriter> writer;
  std::optional<BookReader> reader;      // Empty once closed.
  std::shared_ptr<void> memory;          // Held also by the live arrays.
  std::shared_ptr<SharedMemory> shared;  // The same memory, if it is shared.
  PyTypeObject* snapshot_type;
  PyObject* symbol;
  PyObject* name;  // None if the memory is not shared.
  std::size_t depth;
};

// A copy of a book, its rows at the object's own end.
struct SnapshotObject {
  PyVarObject ob_base;
  PyObject* symbol;
  std::size_t depth;
  BookCopy copy;
  BookLevel rows[1];  // Twice the depth.
};

inline BookObject* as_book(PyObject* self) { return reinterpret_cast<BookObject*>(self); }
inline SnapshotObject* as_snapshot(PyObject* self) { return reinterpret_cast<SnapshotObject*>(self); }

// A number that both objects show as a property; the property's closure.
enum class Figure : std::uintptr_t {
  kBestBid,
  kBestBidQuantity,
  kBestAsk,
  kBestAskQuantity,
  kSpread,
  kMid,
  kMicroPrice,
  kCrossed,
  kLocked
};

inline void* closure_of(Figure figure) { return reinterpret_cast<void*>(figure); }
inline Figure figure_of(void* closure) { return static_cast<Figure>(reinterpret_cast<std::uintptr_t>(closure)); }

// The figure as a Python object.
PyObject* figure_from(const BookTop& top, Figure figure);

// The one argument of imbalance(levels=1).
bool read_levels(PyTypeObject* type, PyObject* const* arguments, Py_ssize_t count, PyObject* names,
                 std::size_t* levels);

// The one optional argument of a call, by position or under `name`; nullptr in *argument if it is not given.
bool read_optional(PyTypeObject* type, PyObject* const* arguments, Py_ssize_t count, PyObject* names,
                   const char* method, const char* name, PyObject** argument);

// A read-only array of rows over memory that `base` keeps alive; steals the reference to `base`.
PyObject* array_of_levels(PyTypeObject* type, const void* rows, std::size_t count, PyObject* base);

// An empty snapshot. A new reference.
PyObject* new_snapshot(PyTypeObject* type, std::size_t depth, PyObject* symbol);

// OrderBook.apply(records).
PyObject* book_apply(PyObject* self, PyObject* records);

// What an access to the memory found or wrote means nothing if this is true afterwards: then there is an exception.
[[gnu::cold]] void raise_book_cut(BookObject* self);
inline bool refuse_if_cut(BookObject* self) {
  if (!self->is_cut->load(std::memory_order_relaxed)) [[likely]]
    return false;
  raise_book_cut(self);
  return true;
}

// Refuses to write: the book is closed, only attached, or inherited by a fork.
PyObject* refuse_write(PyObject* self);

// OrderBook(symbol, depth), create(), attach() and remove().
PyObject* book_new(PyTypeObject* type, PyObject* args, PyObject* kwargs);
PyObject* book_create(PyObject* type, PyObject* args, PyObject* kwargs);
PyObject* book_attach(PyObject* type, PyObject* name);
PyObject* book_remove(PyObject* type, PyObject* name);
PyObject* book_unlink(PyObject* self, PyObject*);
PyObject* book_has_writer(PyObject* self, void*);

int add_book_snapshot(PyObject* module);

}  // namespace latencykit::bind

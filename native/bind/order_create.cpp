// OrderArena.create() for Python, the hot path: arguments read into registers, a slot, a view.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>

#include "bind/numbers.h"
#include "bind/order_arena.h"

namespace latencykit::bind {
namespace {

// Whoever holds views of orders that are over makes the pool grow: it doubles, up to so many views at a time.
constexpr std::size_t kMostViewsAdded = 65'536;

[[gnu::noinline]] void* take_view_of_new_memory(ArenaObject* self) {
  try {
    self->views.add(std::min(self->views.capacity(), kMostViewsAdded));
  } catch (const std::bad_alloc&) {
    return PyErr_Format(state_of(Py_TYPE(as_object(self)))->capacity,
                        "the system refused memory for more than %zu views; drop views of orders that are over",
                        self->views.capacity());
  }
  ++self->views_added;
  return self->views.take();
}

// Memory for a view, not yet an object; null with an error.
void* take_view(ArenaObject* self) {
  void* view = self->views.take();
  return view != nullptr ? view : take_view_of_new_memory(self);
}

// PyObject_Init without the call of it. Builds that keep books on objects get the whole of it.
void init_object(PyObject* object, PyTypeObject* type) {
#if defined(Py_REF_DEBUG) || defined(Py_TRACE_REFS) || defined(Py_GIL_DISABLED)
  PyObject_Init(object, type);
#else
  Py_INCREF(reinterpret_cast<PyObject*>(type));
  Py_SET_TYPE(object, type);
  Py_SET_REFCNT(object, 1);
#endif
}

PyObject* make_view(ArenaObject* self, void* memory, OrderSlot* slot) {
  auto* order = static_cast<OrderObject*>(memory);
  init_object(&order->ob_base, self->order_type);
  Py_INCREF(as_object(self));
  order->owner = self;
  order->slot = slot;
  order->handle = slot->handle;
  return &order->ob_base;
}

// ---- create
// -------------------------------------------------------------------------------------------------------

struct Fields {
  std::int64_t symbol_id;
  std::int64_t side;
  std::int64_t quantity;
  double price;
};

// What nearly every caller passes: no call, and the values stay in registers.
bool read_plain(PyObject* const* arguments, Fields* fields) {
  if (!read_small_int(arguments[0], &fields->symbol_id) || !read_small_int(arguments[1], &fields->side) ||
      !read_small_int(arguments[2], &fields->quantity) || !PyFloat_CheckExact(arguments[3])) {
    return false;
  }
  fields->price = PyFloat_AS_DOUBLE(arguments[3]);
  return true;
}

bool read_any(ArenaObject* self, PyObject* const* arguments, Fields* fields) {
  PyTypeObject* type = Py_TYPE(as_object(self));
  return read_int(type, arguments[0], "symbol_id", &fields->symbol_id) &&
         read_int(type, arguments[1], "side", &fields->side) &&
         read_int(type, arguments[2], "quantity", &fields->quantity) &&
         read_double(type, arguments[3], "price", &fields->price);
}

[[gnu::noinline]] PyObject* refuse_order(ArenaObject* self, OrderFault fault, PyObject* const* arguments) {
  PyObject* error = state_of(Py_TYPE(as_object(self)))->invalid_value;
  switch (fault) {
    case OrderFault::kSymbol:
      return PyErr_Format(error, "symbol_id %R is out of range; use an int from 0 to 4294967295", arguments[0]);
    case OrderFault::kSide:
      return PyErr_Format(error, "side %R is unknown; use BUY (0) or SELL (1)", arguments[1]);
    case OrderFault::kQuantity:
      return PyErr_Format(error, "quantity %R is not positive; the side says which way an order goes", arguments[2]);
    default:
      return PyErr_Format(error, "price %R is not a finite number above 0; give the order's limit price", arguments[3]);
  }
}

[[gnu::noinline]] PyObject* refuse_exhausted(ArenaObject* self) {
  PyObject* error = state_of(Py_TYPE(as_object(self)))->capacity;
  const OrderArena& arena = self->arena;
  if (arena.damage()) return refuse_damaged(self);
  if (arena.when_exhausted() == WhenExhausted::kRaise) {
    return PyErr_Format(error,
                        "all %zu slots of the arena are in use; release orders, ask for a larger capacity, or choose "
                        "on_exhausted='grow' or 'recycle'",
                        arena.capacity());
  }
  return PyErr_Format(error,
                      "the arena of %zu slots cannot grow (limit %zu, or too little memory is left); release "
                      "orders or start with a larger capacity",
                      arena.capacity(), arena.max_capacity());
}

// The parameters of create() in their order.
constexpr const char* kParameters[] = {"symbol_id", "side", "quantity", "price"};
constexpr Py_ssize_t kParameterCount = 4;

Py_ssize_t parameter_named(PyObject* name) {
  for (Py_ssize_t i = 0; i < kParameterCount; ++i) {
    if (PyUnicode_CompareWithASCIIString(name, kParameters[i]) == 0) return i;
  }
  return -1;
}

// Puts arguments given by name in their place; borrowed. False with an error, also if there are not just four.
bool sort_arguments(ArenaObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names,
                    PyObject** sorted) {
  PyObject* error = state_of(Py_TYPE(as_object(self)))->invalid_type;
  const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  if (count + named != kParameterCount) {
    PyErr_Format(error, "create() takes symbol_id, side, quantity and price, not %zd arguments", count + named);
    return false;
  }
  for (Py_ssize_t i = 0; i < kParameterCount; ++i) sorted[i] = i < count ? arguments[i] : nullptr;
  for (Py_ssize_t i = 0; i < named; ++i) {
    PyObject* name = PyTuple_GET_ITEM(names, i);
    const Py_ssize_t at = parameter_named(name);
    if (at < 0) {
      PyErr_Format(error, "create() has no parameter %R; it takes symbol_id, side, quantity and price", name);
      return false;
    }
    if (sorted[at] != nullptr) {
      PyErr_Format(error, "create() was given %s twice, by position and by name; give it once", kParameters[at]);
      return false;
    }
    sorted[at] = arguments[count + i];
  }
  return true;
}

PyObject* create_order(ArenaObject* self, const Fields& fields, PyObject* const* arguments) {
  const OrderFault fault = check_order(fields.symbol_id, fields.side, fields.quantity, fields.price);
  if (fault != OrderFault::kNone) return refuse_order(self, fault, arguments);
  void* view = take_view(self);
  if (view == nullptr) return nullptr;
  OrderSlot* slot = self->arena.acquire();
  if (slot == nullptr) {
    self->views.give(view);
    return refuse_exhausted(self);
  }
  slot->price = fields.price;
  slot->quantity = fields.quantity;
  slot->symbol_id = static_cast<std::uint32_t>(fields.symbol_id);
  slot->side = static_cast<Side>(fields.side);
  return make_view(self, view, slot);
}

// Of any arguments. Reading may run the caller's __index__, so everything is read before the arena is touched.
[[gnu::noinline]] PyObject* create_of_any(ArenaObject* self, PyObject* const* arguments, Py_ssize_t count,
                                          PyObject* names) {
  PyObject* sorted[kParameterCount];
  Fields fields;
  if (!sort_arguments(self, arguments, count, names, sorted) || !read_any(self, sorted, &fields)) return nullptr;
  return create_order(self, fields, sorted);
}

}  // namespace

PyObject* view_of(ArenaObject* self, OrderSlot* slot) {
  void* memory = take_view(self);
  return memory == nullptr ? nullptr : make_view(self, memory, slot);
}

PyObject* arena_create(PyObject* object, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Fields fields;
  if (count == kParameterCount && names == nullptr && read_plain(arguments, &fields)) [[likely]] {
    return create_order(as_arena(object), fields, arguments);
  }
  return create_of_any(as_arena(object), arguments, count, names);
}

}  // namespace latencykit::bind

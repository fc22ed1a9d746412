// OrderArena and Order for Python.
//
// An Order is a view: a strong reference to its arena, a slot, and the handle that the slot had. The memory
// of views comes from a pool in the arena, as CPython keeps free lists for its own small types: create()
// takes a block and makes an object of it, the view's tp_dealloc gives the block back. So creating an order
// asks no allocator for anything. Live views keep the arena alive; the arena refers to no live view, so there
// are no cycles, and when the arena goes every block is back in its pool.
#include "latency/order_arena.h"

#include "bind/types.h"
#include "latency/block_pool.h"

#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <new>
#include <utility>

namespace latencykit::bind {
namespace {

struct ArenaObject {
  PyObject ob_base;
  OrderArena arena;
  BlockPool views;
  PyTypeObject* order_type;
  PyArray_Descr* dtype;
  std::size_t more_views;   // How many to add when the pool is empty.
  std::size_t views_added;  // How often that happened.
};

struct OrderObject {
  PyObject ob_base;
  ArenaObject* owner;
  OrderSlot* slot;
  std::uint64_t handle;
};

// A stale view is an error that the caller can avoid by holding on to few of them; 4096 blocks are 192 KiB.
constexpr std::size_t kMostViewsAdded = 4096;

ArenaObject* as_arena(PyObject* self) { return reinterpret_cast<ArenaObject*>(self); }
OrderObject* as_order(PyObject* self) { return reinterpret_cast<OrderObject*>(self); }
PyObject* as_object(ArenaObject* arena) { return reinterpret_cast<PyObject*>(arena); }

// ---- views
// --------------------------------------------------------------------------------------------------------

bool is_alive(const OrderObject* order) { return order->slot->handle == order->handle; }

bool more_views(ArenaObject* self) {
  try {
    self->views.add(self->more_views);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
    return false;
  }
  ++self->views_added;
  return true;
}

// A view of a slot in use. The pool must not be empty.
PyObject* new_view(ArenaObject* self, OrderSlot* slot) {
  auto* order = static_cast<OrderObject*>(self->views.take());
  PyObject_Init(&order->ob_base, self->order_type);
  Py_INCREF(as_object(self));
  order->owner = self;
  order->slot = slot;
  order->handle = slot->handle;
  return &order->ob_base;
}

void order_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  ArenaObject* owner = as_order(self)->owner;
  owner->views.give(self);
  Py_DECREF(as_object(owner));  // May free the arena and with it the block that was just given back.
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}

PyObject* refuse_stale(PyObject* self) {
  PyErr_Format(state_of(Py_TYPE(self))->invalid_state,
               "order %llu is over: it was released, or recycled for a newer one; ask .alive before using it",
               static_cast<unsigned long long>(as_order(self)->handle));
  return nullptr;
}

PyObject* order_handle(PyObject* self, void*) { return PyLong_FromUnsignedLongLong(as_order(self)->handle); }

PyObject* order_alive(PyObject* self, void*) { return PyBool_FromLong(is_alive(as_order(self))); }

PyObject* order_symbol_id(PyObject* self, void*) {
  if (!is_alive(as_order(self))) return refuse_stale(self);
  return PyLong_FromUnsignedLong(as_order(self)->slot->symbol_id);
}

PyObject* order_side(PyObject* self, void*) {
  if (!is_alive(as_order(self))) return refuse_stale(self);
  return PyLong_FromLong(static_cast<long>(as_order(self)->slot->side));
}

PyObject* order_quantity(PyObject* self, void*) {
  if (!is_alive(as_order(self))) return refuse_stale(self);
  return PyLong_FromLongLong(as_order(self)->slot->quantity);
}

PyObject* order_price(PyObject* self, void*) {
  if (!is_alive(as_order(self))) return refuse_stale(self);
  return PyFloat_FromDouble(as_order(self)->slot->price);
}

PyObject* order_repr(PyObject* self) {
  const OrderObject* order = as_order(self);
  const auto handle = static_cast<unsigned long long>(order->handle);
  if (!is_alive(order)) return PyUnicode_FromFormat("<Order handle=%llu, over>", handle);
  PyObject* price = PyFloat_FromDouble(order->slot->price);
  if (price == nullptr) return nullptr;
  PyObject* text = PyUnicode_FromFormat("<Order handle=%llu symbol_id=%lu side=%s quantity=%lld price=%R>", handle,
                                        static_cast<unsigned long>(order->slot->symbol_id),
                                        order->slot->side == Side::kBuy ? "BUY" : "SELL",
                                        static_cast<long long>(order->slot->quantity), price);
  Py_DECREF(price);
  return text;
}

// Two views are equal if they are of the same order, over or not.
PyObject* order_compare(PyObject* self, PyObject* other, int operation) {
  if ((operation != Py_EQ && operation != Py_NE) || Py_TYPE(other) != Py_TYPE(self)) Py_RETURN_NOTIMPLEMENTED;
  const bool same = as_order(self)->slot == as_order(other)->slot && as_order(self)->handle == as_order(other)->handle;
  return PyBool_FromLong(same == (operation == Py_EQ));
}

Py_hash_t order_hash(PyObject* self) { return static_cast<Py_hash_t>(as_order(self)->handle); }

// ---- create
// -------------------------------------------------------------------------------------------------------

// The value of an exact int of one digit, which needs no call; everything else takes the slow way.
bool small_int(PyObject* object, std::int64_t* value) {
  if (!PyLong_CheckExact(object)) return false;
  auto* number = reinterpret_cast<PyLongObject*>(object);
#if PY_VERSION_HEX >= 0x030C0000
  if (!PyUnstable_Long_IsCompact(number)) return false;
  *value = PyUnstable_Long_CompactValue(number);
#else
  const Py_ssize_t size = Py_SIZE(object);  // The number of digits, with the sign of the number.
  if (size < -1 || size > 1) return false;
  *value = size * static_cast<std::int64_t>(number->ob_digit[0]);
#endif
  return true;
}

[[gnu::noinline]] bool read_int_slowly(ArenaObject* self, PyObject* object, const char* name, std::int64_t* value) {
  ModuleState* state = state_of(Py_TYPE(as_object(self)));
  if (!PyIndex_Check(object)) {
    PyErr_Format(state->invalid_type, "%s must be an int, not %R", name, object);
    return false;
  }
  PyObject* number = PyNumber_Index(object);
  if (number == nullptr) return false;
  int overflow = 0;
  *value = PyLong_AsLongLongAndOverflow(number, &overflow);
  Py_DECREF(number);
  if (overflow != 0) PyErr_Format(state->invalid_value, "%s %R does not fit in 64 bits", name, object);
  return overflow == 0 && !(*value == -1 && PyErr_Occurred());
}

bool read_int(ArenaObject* self, PyObject* object, const char* name, std::int64_t* value) {
  return small_int(object, value) || read_int_slowly(self, object, name, value);
}

[[gnu::noinline]] bool read_price_slowly(ArenaObject* self, PyObject* object, double* value) {
  ModuleState* state = state_of(Py_TYPE(as_object(self)));
  *value = PyFloat_AsDouble(object);
  if (*value != -1.0 || !PyErr_Occurred()) return true;
  if (PyErr_ExceptionMatches(PyExc_TypeError)) {
    PyErr_Format(state->invalid_type, "price must be a number, not %R", object);
  } else if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
    PyErr_SetString(state->invalid_value, "price is an int too large for a float; give a finite price above 0");
  }
  return false;
}

bool read_price(ArenaObject* self, PyObject* object, double* value) {
  if (!PyFloat_CheckExact(object)) return read_price_slowly(self, object, value);
  *value = PyFloat_AS_DOUBLE(object);
  return true;
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
  if (arena.when_exhausted() == WhenExhausted::kRaise) {
    return PyErr_Format(error,
                        "all %zu slots of the arena are in use; release orders, ask for a larger capacity, or choose "
                        "on_exhausted='grow' or 'recycle'",
                        arena.capacity());
  }
  return PyErr_Format(error,
                      "the arena of %zu slots cannot grow (limit %zu, or the system refused memory); release "
                      "orders or start with a larger capacity",
                      arena.capacity(), arena.max_capacity());
}

PyObject* arena_create(PyObject* object, PyObject* const* arguments, Py_ssize_t count) {
  ArenaObject* self = as_arena(object);
  if (count != 4) {
    return PyErr_Format(state_of(Py_TYPE(object))->invalid_type,
                        "create() takes symbol_id, side, quantity and price, not %zd arguments", count);
  }
  // Reading may run the caller's __index__, so everything is read before the arena is touched.
  std::int64_t symbol_id, side, quantity;
  double price;
  if (!read_int(self, arguments[0], "symbol_id", &symbol_id) || !read_int(self, arguments[1], "side", &side) ||
      !read_int(self, arguments[2], "quantity", &quantity) || !read_price(self, arguments[3], &price)) {
    return nullptr;
  }
  const OrderFault fault = check_order(symbol_id, side, quantity, price);
  if (fault != OrderFault::kNone) return refuse_order(self, fault, arguments);
  if (self->views.empty() && !more_views(self)) return nullptr;
  OrderSlot* slot = self->arena.acquire();
  if (slot == nullptr) return refuse_exhausted(self);
  slot->price = price;
  slot->quantity = quantity;
  slot->symbol_id = static_cast<std::uint32_t>(symbol_id);
  slot->side = static_cast<Side>(side);
  return new_view(self, slot);
}

// ---- release and view
// ---------------------------------------------------------------------------------------------

PyObject* arena_release(PyObject* object, PyObject* argument) {
  ArenaObject* self = as_arena(object);
  if (Py_TYPE(argument) != self->order_type) {
    return PyErr_Format(state_of(Py_TYPE(object))->invalid_type,
                        "release() takes an order, not %R; get it from its handle with .view(handle)", argument);
  }
  OrderObject* order = as_order(argument);
  if (order->owner != self) {
    return PyErr_Format(state_of(Py_TYPE(object))->invalid_value, "%R belongs to another arena; release it there",
                        argument);
  }
  if (!is_alive(order)) return refuse_stale(argument);
  self->arena.release(order->slot);
  Py_RETURN_NONE;
}

bool read_handle(PyObject* self, PyObject* argument, std::uint64_t* handle) {
  ModuleState* state = state_of(Py_TYPE(self));
  if (!PyIndex_Check(argument)) {
    PyErr_Format(state->invalid_type, "a handle is an int, not %R; take it from order.handle", argument);
    return false;
  }
  PyObject* number = PyNumber_Index(argument);
  if (number == nullptr) return false;
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
  Py_DECREF(number);
  if (value == -1 && PyErr_Occurred()) return false;
  *handle = overflow != 0 || value < 0 ? 0 : static_cast<std::uint64_t>(value);  // 0 is never issued.
  return true;
}

PyObject* arena_view(PyObject* object, PyObject* argument) {
  ArenaObject* self = as_arena(object);
  std::uint64_t handle = 0;
  if (!read_handle(object, argument, &handle)) return nullptr;
  const HandleState state = self->arena.state_of(handle);
  if (state == HandleState::kNeverIssued) {
    return PyErr_Format(state_of(Py_TYPE(object))->invalid_value,
                        "handle %R was never issued by this arena; take it from order.handle", argument);
  }
  if (state == HandleState::kStale) {
    return PyErr_Format(state_of(Py_TYPE(object))->invalid_state,
                        "the order of handle %R is over: it was released, or recycled for a newer one", argument);
  }
  if (self->views.empty() && !more_views(self)) return nullptr;
  return new_view(self, self->arena.slot_of(handle));
}

// ---- the arena as a whole
// -----------------------------------------------------------------------------------------

// The public fields of a slot where they are; the links between slots are not shown.
PyArray_Descr* order_dtype() {
  PyObject* fields = Py_BuildValue(
      "{s:[ssssss], s:[ssssss], s:[nnnnnn], s:n}", "names", "handle", "price", "quantity", "symbol_id", "side",
      "in_use", "formats", "u8", "f8", "i8", "u4", "u1", "?", "offsets",
      static_cast<Py_ssize_t>(offsetof(OrderSlot, handle)), static_cast<Py_ssize_t>(offsetof(OrderSlot, price)),
      static_cast<Py_ssize_t>(offsetof(OrderSlot, quantity)), static_cast<Py_ssize_t>(offsetof(OrderSlot, symbol_id)),
      static_cast<Py_ssize_t>(offsetof(OrderSlot, side)), static_cast<Py_ssize_t>(offsetof(OrderSlot, in_use)),
      "itemsize", static_cast<Py_ssize_t>(sizeof(OrderSlot)));
  if (fields == nullptr) return nullptr;
  PyArray_Descr* dtype = nullptr;
  const int converted = PyArray_DescrConverter(fields, &dtype);
  Py_DECREF(fields);
  return converted ? dtype : nullptr;
}

// Read-only: what holds for an order was checked when it was created, and the arena's links lie between the fields.
PyObject* arena_orders(PyObject* object, void*) {
  ArenaObject* self = as_arena(object);
  npy_intp length = static_cast<npy_intp>(self->arena.capacity());
  Py_INCREF(reinterpret_cast<PyObject*>(self->dtype));
  PyObject* orders = PyArray_NewFromDescr(&PyArray_Type, self->dtype, 1, &length, nullptr, self->arena.slots(),
                                          NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED, nullptr);
  if (orders == nullptr) return nullptr;
  Py_INCREF(object);
  if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(orders), object) < 0) {
    Py_DECREF(orders);
    return nullptr;
  }
  return orders;
}

PyObject* arena_in_use(PyObject* self, void*) { return PyLong_FromSize_t(as_arena(self)->arena.in_use()); }
PyObject* arena_high_water(PyObject* self, void*) { return PyLong_FromSize_t(as_arena(self)->arena.high_water()); }
PyObject* arena_capacity(PyObject* self, void*) { return PyLong_FromSize_t(as_arena(self)->arena.capacity()); }
PyObject* arena_allocations(PyObject* self, void*) {
  return PyLong_FromSize_t(as_arena(self)->arena.growths() + as_arena(self)->views_added);
}

const char* policy_name(WhenExhausted policy) {
  switch (policy) {
    case WhenExhausted::kGrow:
      return "grow";
    case WhenExhausted::kRecycle:
      return "recycle";
    default:
      return "raise";
  }
}

bool read_policy(ModuleState* state, PyObject* argument, WhenExhausted* policy) {
  for (WhenExhausted candidate : {WhenExhausted::kRaise, WhenExhausted::kGrow, WhenExhausted::kRecycle}) {
    if (argument != nullptr && PyUnicode_Check(argument) &&
        PyUnicode_CompareWithASCIIString(argument, policy_name(candidate)) == 0) {
      *policy = candidate;
      return true;
    }
  }
  PyErr_Format(state->invalid_value, "on_exhausted=%R is unknown; use 'raise', 'grow' or 'recycle'", argument);
  return false;
}

bool read_capacity(ModuleState* state, PyObject* argument, std::size_t* capacity) {
  if (!PyIndex_Check(argument)) {
    PyErr_Format(state->invalid_type, "capacity must be an int, not %R", argument);
    return false;
  }
  const Py_ssize_t value = PyNumber_AsSsize_t(argument, nullptr);  // Clips what is too large.
  if (value == -1 && PyErr_Occurred()) return false;
  if (value < 1 || static_cast<std::size_t>(value) > OrderArena::kMaxCapacity) {
    PyErr_Format(state->invalid_value, "capacity %R is out of range; use 1 to %zu orders", argument,
                 OrderArena::kMaxCapacity);
    return false;
  }
  *capacity = static_cast<std::size_t>(value);
  return true;
}

PyObject* new_arena(PyTypeObject* type, std::size_t capacity, WhenExhausted policy) {
  ModuleState* state = state_of(type);
  try {
    OrderArena arena(capacity, policy);
    BlockPool views(sizeof(OrderObject), capacity);
    PyArray_Descr* dtype = order_dtype();
    if (dtype == nullptr) return nullptr;
    PyObject* self = type->tp_alloc(type, 0);
    if (self == nullptr) {
      Py_DECREF(reinterpret_cast<PyObject*>(dtype));
      return nullptr;
    }
    ArenaObject* made = as_arena(self);
    ::new (&made->arena) OrderArena(std::move(arena));
    ::new (&made->views) BlockPool(std::move(views));
    Py_INCREF(reinterpret_cast<PyObject*>(state->order));
    made->order_type = state->order;
    made->dtype = dtype;
    made->more_views = std::min(capacity, kMostViewsAdded);
    made->views_added = 0;
    return self;
  } catch (const std::bad_alloc&) {
    return PyErr_Format(state->capacity,
                        "the system refused the memory for an arena of %zu orders (%zu bytes); ask "
                        "for fewer",
                        capacity, capacity * (sizeof(OrderSlot) + sizeof(OrderObject)));
  }
}

PyObject* arena_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"capacity", "on_exhausted", nullptr};
  PyObject* capacity_argument = nullptr;
  PyObject* policy_argument = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:OrderArena", const_cast<char**>(names), &capacity_argument,
                                   &policy_argument)) {
    return nullptr;
  }
  std::size_t capacity = 0;
  WhenExhausted policy = WhenExhausted::kRaise;
  if (!read_capacity(state_of(type), capacity_argument, &capacity)) return nullptr;
  if (policy_argument != nullptr && !read_policy(state_of(type), policy_argument, &policy)) return nullptr;
  return new_arena(type, capacity, policy);
}

void arena_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  ArenaObject* self = as_arena(object);
  self->views.~BlockPool();
  self->arena.~OrderArena();
  Py_DECREF(reinterpret_cast<PyObject*>(self->dtype));
  Py_DECREF(reinterpret_cast<PyObject*>(self->order_type));
  type->tp_free(object);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}

PyObject* arena_repr(PyObject* object) {
  const OrderArena& arena = as_arena(object)->arena;
  return PyUnicode_FromFormat("<OrderArena capacity=%zu in_use=%zu on_exhausted='%s'>", arena.capacity(),
                              arena.in_use(), policy_name(arena.when_exhausted()));
}

// ---- types
// --------------------------------------------------------------------------------------------------------

PyMethodDef arena_methods[] = {
    {"create", as_method(arena_create), METH_FASTCALL,
     "create($self, symbol_id, side, quantity, price, /)\n--\n\nCreate an order in a free slot and return a "
     "view of "
     "it."},
    {"release", arena_release, METH_O, "release($self, order, /)\n--\n\nEnd an order and free its slot."},
    {"view", arena_view, METH_O, "view($self, handle, /)\n--\n\nReturn a view of the order that a handle names."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef arena_properties[] = {
    {"orders", arena_orders, nullptr, "The slots as a read-only structured array over the arena's memory.", nullptr},
    {"in_use", arena_in_use, nullptr, "How many orders exist now.", nullptr},
    {"high_water", arena_high_water, nullptr, "The most orders that existed at once.", nullptr},
    {"capacity", arena_capacity, nullptr, "How many slots there are now.", nullptr},
    {"allocations", arena_allocations, nullptr,
     "How often the arena had to ask for memory since it was built; 0 on the hot path.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot arena_slots[] = {
    {Py_tp_doc, const_cast<char*>("OrderArena(capacity, on_exhausted='raise')\n--\n\n"
                                  "Orders in preallocated slots, created and released without an allocation.")},
    {Py_tp_new, reinterpret_cast<void*>(arena_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(arena_dealloc)},
    {Py_tp_repr, reinterpret_cast<void*>(arena_repr)},
    {Py_tp_methods, arena_methods},
    {Py_tp_getset, arena_properties},
    {0, nullptr},
};

PyType_Spec arena_spec = {"latencykit._core.OrderArena", sizeof(ArenaObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, arena_slots};

PyGetSetDef order_properties[] = {
    {"handle", order_handle, nullptr, "The order's number, unique in its arena for ever; readable when it is over.",
     nullptr},
    {"alive", order_alive, nullptr, "Whether the order still exists.", nullptr},
    {"symbol_id", order_symbol_id, nullptr, "The instrument's number.", nullptr},
    {"side", order_side, nullptr, "BUY or SELL.", nullptr},
    {"quantity", order_quantity, nullptr, "How many units, above 0.", nullptr},
    {"price", order_price, nullptr, "The limit price, above 0.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot order_slots[] = {
    {Py_tp_doc, const_cast<char*>("A view of one order in an OrderArena; made by its create() and view().")},
    {Py_tp_dealloc, reinterpret_cast<void*>(order_dealloc)},
    {Py_tp_repr, reinterpret_cast<void*>(order_repr)},
    {Py_tp_richcompare, reinterpret_cast<void*>(order_compare)},
    {Py_tp_hash, reinterpret_cast<void*>(order_hash)},
    {Py_tp_getset, order_properties},
    {0, nullptr},
};

PyType_Spec order_spec = {"latencykit._core.Order", sizeof(OrderObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                          order_slots};

}  // namespace

int add_order_arena(PyObject* module) {
  ModuleState* state = state_of_module(module);
  if (add_type(module, &order_spec, &state->order) < 0) return -1;
  if (add_type(module, &arena_spec, &state->order_arena) < 0) return -1;
  if (PyModule_AddIntConstant(module, "BUY", static_cast<long>(Side::kBuy)) < 0) return -1;
  if (PyModule_AddIntConstant(module, "SELL", static_cast<long>(Side::kSell)) < 0) return -1;
  PyArray_Descr* dtype = order_dtype();
  if (dtype == nullptr) return -1;
  const int added = PyModule_AddObjectRef(module, "ORDER_DTYPE", reinterpret_cast<PyObject*>(dtype));
  Py_DECREF(reinterpret_cast<PyObject*>(dtype));
  return added;
}

}  // namespace latencykit::bind

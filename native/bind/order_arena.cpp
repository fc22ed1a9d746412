// OrderArena for Python: create, release, look up; see bind/order_arena.h for how views are made.
#include "bind/order_arena.h"

#include <numpy/arrayobject.h>

#include <algorithm>
#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <new>
#include <utility>

namespace latencykit::bind {
namespace {

// Whoever holds views of orders that are over makes the pool grow: it doubles, up to so many views at a time.
constexpr std::size_t kMostViewsAdded = 65'536;

// ---- views
// --------------------------------------------------------------------------------------------------------

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

bool read_int(ArenaObject* self, PyObject* object, const char* name, std::int64_t* value) {
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

bool read_price(ArenaObject* self, PyObject* object, double* value) {
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

struct Fields {
  std::int64_t symbol_id;
  std::int64_t side;
  std::int64_t quantity;
  double price;
};

// What nearly every caller passes: no call, and the values stay in registers.
bool read_plain(PyObject* const* arguments, Fields* fields) {
  if (!small_int(arguments[0], &fields->symbol_id) || !small_int(arguments[1], &fields->side) ||
      !small_int(arguments[2], &fields->quantity) || !PyFloat_CheckExact(arguments[3])) {
    return false;
  }
  fields->price = PyFloat_AS_DOUBLE(arguments[3]);
  return true;
}

bool read_any(ArenaObject* self, PyObject* const* arguments, Fields* fields) {
  return read_int(self, arguments[0], "symbol_id", &fields->symbol_id) &&
         read_int(self, arguments[1], "side", &fields->side) &&
         read_int(self, arguments[2], "quantity", &fields->quantity) && read_price(self, arguments[3], &fields->price);
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

[[gnu::noinline]] PyObject* refuse_damaged(ArenaObject* self) {
  const SlotDamage& damage = *self->arena.damage();
  PyObject* error = state_of(Py_TYPE(as_object(self)))->invalid_state;
  const auto slot = static_cast<std::size_t>(damage.slot - self->arena.slots());
  char bits[64];  // Python's own formatting knows no %llx before 3.12.
  std::snprintf(bits, sizeof bits, "0x%" PRIx64 " and not 0x%" PRIx64, damage.found, damage.expected);
  PyObject* price = PyFloat_FromDouble(damage.slot->price);
  if (price == nullptr) return nullptr;
  PyErr_Format(error,
               "slot %zu was written to while no order was in it: the bits of %s are %s, and its price reads %R; find "
               "who keeps a pointer to the slot of a released order. The arena creates no more orders",
               slot, damage.field, bits, price);
  Py_DECREF(price);
  return nullptr;
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

PyObject* arena_create(PyObject* object, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Fields fields;
  if (count == kParameterCount && names == nullptr && read_plain(arguments, &fields)) [[likely]] {
    return create_order(as_arena(object), fields, arguments);
  }
  return create_of_any(as_arena(object), arguments, count, names);
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
  void* view = take_view(self);
  if (view == nullptr) return nullptr;
  return make_view(self, view, self->arena.slot_of(handle));
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

PyObject* arena_verify(PyObject* object, PyObject*) {
  ArenaObject* self = as_arena(object);
  if (!self->arena.poisons()) {
    PyErr_SetString(state_of(Py_TYPE(object))->invalid_state,
                    "the arena marks no free slots, so there is nothing to verify; make it with poison=True");
    return nullptr;
  }
  const std::size_t seen = self->arena.verify();
  return self->arena.damage() ? refuse_damaged(self) : PyLong_FromSize_t(seen);
}

PyObject* arena_on_exhausted(PyObject* self, void*) {
  return PyUnicode_FromString(policy_name(as_arena(self)->arena.when_exhausted()));
}
PyObject* arena_prefault(PyObject* self, void*) { return PyBool_FromLong(as_arena(self)->pages.prefault); }
PyObject* arena_huge_pages(PyObject* self, void*) {
  return PyUnicode_FromString(huge_pages_name(as_arena(self)->pages.huge_pages));
}
PyObject* arena_numa_node(PyObject* self, void*) {
  const int node = as_arena(self)->pages.numa_node;
  if (node < 0) Py_RETURN_NONE;
  return PyLong_FromLong(node);
}
PyObject* arena_poison(PyObject* self, void*) { return PyBool_FromLong(as_arena(self)->arena.poisons()); }

PyObject* build_arena(PyTypeObject* type, const NewArena& wanted) {
  const PagePolicy& pages = wanted.options.pages;
  const CommitResult left = ReservedPages::check_left(wanted.capacity * (sizeof(OrderSlot) + kViewBytes), pages);
  if (!left.ok()) throw PagesRefused(left);
  OrderArena arena(wanted.capacity, wanted.when_exhausted, wanted.options);
  BlockPool views(kViewBytes, wanted.capacity, pages);
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
  made->order_type = state_of(type)->order;
  Py_INCREF(reinterpret_cast<PyObject*>(made->order_type));
  made->dtype = dtype;
  made->pages = pages;
  made->views_added = 0;
  return self;
}

PyObject* arena_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  NewArena wanted;
  if (!read_new_arena(state_of(type), args, kwargs, &wanted)) return nullptr;
  try {
    return build_arena(type, wanted);
  } catch (const PagesRefused& refused) {
    return refuse_memory(state_of(type), wanted, refused.result);
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
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
    {"create", as_method(arena_create), METH_FASTCALL | METH_KEYWORDS,
     "create($self, symbol_id, side, quantity, price)\n--\n\nCreate an order in a free slot and return a view of "
     "it."},
    {"release", arena_release, METH_O, "release($self, order, /)\n--\n\nEnd an order and free its slot."},
    {"view", arena_view, METH_O, "view($self, handle, /)\n--\n\nReturn a view of the order that a handle names."},
    {"verify", arena_verify, METH_NOARGS,
     "verify($self, /)\n--\n\nLook at every free slot for writes that should not have been; return how many there "
     "are."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef arena_properties[] = {
    {"orders", arena_orders, nullptr, "The slots as a read-only structured array over the arena's memory.", nullptr},
    {"in_use", arena_in_use, nullptr, "How many orders exist now.", nullptr},
    {"high_water", arena_high_water, nullptr, "The most orders that existed at once.", nullptr},
    {"capacity", arena_capacity, nullptr, "How many slots there are now.", nullptr},
    {"allocations", arena_allocations, nullptr,
     "How often the arena had to ask for memory since it was built; 0 on the hot path.", nullptr},
    {"on_exhausted", arena_on_exhausted, nullptr, "What happens when every slot is in use.", nullptr},
    {"prefault", arena_prefault, nullptr, "Whether memory is touched before it is needed.", nullptr},
    {"huge_pages", arena_huge_pages, nullptr, "Which pages were asked for: 'advise', 'off' or 'require'.", nullptr},
    {"numa_node", arena_numa_node, nullptr, "The NUMA node that the memory was asked from, or None.", nullptr},
    {"poison", arena_poison, nullptr, "Whether free slots are marked and checked.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot arena_slots[] = {
    {Py_tp_doc, const_cast<char*>("OrderArena(capacity, on_exhausted='raise', *, prefault=True, huge_pages='advise', "
                                  "numa_node=None, poison=False)\n--\n\n"
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

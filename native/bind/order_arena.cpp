// OrderArena for Python: the type, release, look-up, properties; see bind/order_arena.h for how views are made.
#include "bind/order_arena.h"

#include <numpy/arrayobject.h>

#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <new>
#include <utility>

namespace latencykit::bind {
namespace {

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
  return view_of(self, self->arena.slot_of(handle));
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

PyObject* refuse_damaged(ArenaObject* self) {
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

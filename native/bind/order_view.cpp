// Order for Python: a view of one slot of an arena.
#include "bind/order_arena.h"

namespace latencykit::bind {
namespace {

void order_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  ArenaObject* owner = as_order(self)->owner;
  owner->views.give(self);
  Py_DECREF(as_object(owner));  // May free the arena and with it the block that was just given back.
  Py_DECREF(reinterpret_cast<PyObject*>(type));
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

}  // namespace

PyType_Spec order_spec = {"latencykit._core.Order", sizeof(OrderObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                          order_slots};

PyObject* refuse_stale(PyObject* view) {
  PyErr_Format(state_of(Py_TYPE(view))->invalid_state,
               "order %llu is over: it was released, or recycled for a newer one; ask .alive before using it",
               static_cast<unsigned long long>(as_order(view)->handle));
  return nullptr;
}

}  // namespace latencykit::bind

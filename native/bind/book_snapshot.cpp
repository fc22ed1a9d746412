// BookSnapshot for Python: a consistent copy of an order book in one object, refilled in place if the caller wants.
//
// The rows are the object's own memory, and arrays over them hold the object: nothing is copied a second time and
// nothing dangles. A refill changes what such arrays show.
#include "bind/book.h"

#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include <cstddef>
#include <new>

namespace latencykit::bind {

PyObject* figure_from(const BookTop& top, Figure figure) {
  switch (figure) {
    case Figure::kBestBid:
      return PyFloat_FromDouble(top.bid.price);
    case Figure::kBestBidQuantity:
      return PyLong_FromLongLong(top.bid.quantity);
    case Figure::kBestAsk:
      return PyFloat_FromDouble(top.ask.price);
    case Figure::kBestAskQuantity:
      return PyLong_FromLongLong(top.ask.quantity);
    case Figure::kSpread:
      return PyFloat_FromDouble(top.spread());
    case Figure::kMid:
      return PyFloat_FromDouble(top.mid());
    case Figure::kMicroPrice:
      return PyFloat_FromDouble(top.micro_price());
    case Figure::kCrossed:
      return PyBool_FromLong(top.crossed());
    default:
      return PyBool_FromLong(top.locked());
  }
}

bool read_optional(PyTypeObject* type, PyObject* const* arguments, Py_ssize_t count, PyObject* names,
                   const char* method, const char* name, PyObject** argument) {
  const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  if (count + named > 1 || (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), name) != 0)) {
    PyErr_Format(state_of(type)->invalid_type, "%s() takes one argument at most, %s", method, name);
    return false;
  }
  *argument = count + named == 1 ? arguments[0] : nullptr;
  return true;
}

bool read_levels(PyTypeObject* type, PyObject* const* arguments, Py_ssize_t count, PyObject* names,
                 std::size_t* levels) {
  *levels = 1;
  PyObject* argument = nullptr;
  if (!read_optional(type, arguments, count, names, "imbalance", "levels", &argument)) return false;
  if (argument == nullptr) return true;
  if (!PyIndex_Check(argument)) {
    PyErr_Format(state_of(type)->invalid_type, "levels must be an int, not %R", argument);
    return false;
  }
  const Py_ssize_t value = PyNumber_AsSsize_t(argument, nullptr);  // Clips what is too large.
  if (value == -1 && PyErr_Occurred()) return false;
  if (value < 1) PyErr_Format(state_of(type)->invalid_value, "levels %R is too few; count 1 or more", argument);
  *levels = static_cast<std::size_t>(value);
  return value >= 1;
}

PyObject* array_of_levels(PyTypeObject* type, const void* rows, std::size_t count, PyObject* base) {
  if (base == nullptr) return nullptr;
  auto* dtype = reinterpret_cast<PyArray_Descr*>(Py_NewRef(state_of(type)->book_level_dtype));
  npy_intp length = static_cast<npy_intp>(count);
  PyObject* array = PyArray_NewFromDescr(&PyArray_Type, dtype, 1, &length, nullptr, const_cast<void*>(rows),
                                         NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED, nullptr);
  if (array == nullptr) {
    Py_DECREF(base);
    return nullptr;
  }
  if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(array), base) < 0) {
    Py_DECREF(array);
    return nullptr;
  }
  return array;
}

PyObject* new_snapshot(PyTypeObject* type, std::size_t depth, PyObject* symbol) {
  auto* self = PyObject_NewVar(SnapshotObject, type, static_cast<Py_ssize_t>(2 * depth));
  if (self == nullptr) return nullptr;
  ::new (&self->copy) BookCopy(self->rows, depth);
  self->symbol = Py_NewRef(symbol);
  self->depth = depth;
  return reinterpret_cast<PyObject*>(self);
}

namespace {

void snapshot_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  Py_DECREF(as_snapshot(self)->symbol);
  type->tp_free(self);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}

BookTop top_of_snapshot(const BookCopy& copy) { return top_of(copy.counts, copy.levels); }

PyObject* snapshot_figure(PyObject* self, void* closure) {
  return figure_from(top_of_snapshot(as_snapshot(self)->copy), figure_of(closure));
}

PyObject* snapshot_imbalance(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  std::size_t levels = 0;
  if (!read_levels(Py_TYPE(self), arguments, count, names, &levels)) return nullptr;
  const BookCopy& copy = as_snapshot(self)->copy;
  return PyFloat_FromDouble(imbalance_of(copy.counts, copy.levels, levels));
}

PyObject* snapshot_side(PyObject* self, BookSide side) {
  const BookCopy& copy = as_snapshot(self)->copy;
  const int number = static_cast<int>(side);
  return array_of_levels(Py_TYPE(self), copy.levels[number], copy.counts[number], Py_NewRef(self));
}

PyObject* snapshot_bids(PyObject* self, void*) { return snapshot_side(self, BookSide::kBid); }
PyObject* snapshot_asks(PyObject* self, void*) { return snapshot_side(self, BookSide::kAsk); }
PyObject* snapshot_symbol(PyObject* self, void*) { return Py_NewRef(as_snapshot(self)->symbol); }
PyObject* snapshot_depth(PyObject* self, void*) { return PyLong_FromSize_t(as_snapshot(self)->depth); }

PyObject* snapshot_version(PyObject* self, void*) {
  return PyLong_FromUnsignedLongLong(as_snapshot(self)->copy.version);
}

PyObject* snapshot_repr(PyObject* self) {
  const SnapshotObject* snapshot = as_snapshot(self);
  const BookTop top = top_of_snapshot(snapshot->copy);
  PyObject* bid = PyFloat_FromDouble(top.bid.price);
  PyObject* ask = PyFloat_FromDouble(top.ask.price);
  PyObject* text = nullptr;
  if (bid != nullptr && ask != nullptr) {
    text = PyUnicode_FromFormat("<BookSnapshot %R version=%llu bids=%zu asks=%zu best_bid=%R best_ask=%R>",
                                snapshot->symbol, static_cast<unsigned long long>(snapshot->copy.version),
                                snapshot->copy.counts[0], snapshot->copy.counts[1], bid, ask);
  }
  Py_XDECREF(bid);
  Py_XDECREF(ask);
  return text;
}

PyMethodDef snapshot_methods[] = {
    {"imbalance", as_method(snapshot_imbalance), METH_FASTCALL | METH_KEYWORDS,
     "imbalance($self, levels=1)\n--\n\nReturn (bids - asks) / (bids + asks) of the quantities on the first levels."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef snapshot_properties[] = {
    {"symbol", snapshot_symbol, nullptr, "The symbol of the book.", nullptr},
    {"depth", snapshot_depth, nullptr, "How many levels a side can have.", nullptr},
    {"version", snapshot_version, nullptr, "How many changes the book had published.", nullptr},
    {"bids", snapshot_bids, nullptr, "The bid levels, best first, as an array over this snapshot's memory.", nullptr},
    {"asks", snapshot_asks, nullptr, "The ask levels, best first, as an array over this snapshot's memory.", nullptr},
    {"best_bid", snapshot_figure, nullptr, "The highest bid; NaN if there is none.", closure_of(Figure::kBestBid)},
    {"best_bid_quantity", snapshot_figure, nullptr, "The quantity at the best bid; 0 if there is none.",
     closure_of(Figure::kBestBidQuantity)},
    {"best_ask", snapshot_figure, nullptr, "The lowest ask; NaN if there is none.", closure_of(Figure::kBestAsk)},
    {"best_ask_quantity", snapshot_figure, nullptr, "The quantity at the best ask; 0 if there is none.",
     closure_of(Figure::kBestAskQuantity)},
    {"spread", snapshot_figure, nullptr, "Best ask minus best bid; NaN if a side is empty.",
     closure_of(Figure::kSpread)},
    {"mid", snapshot_figure, nullptr, "The middle of best bid and ask; NaN if a side is empty.",
     closure_of(Figure::kMid)},
    {"micro_price", snapshot_figure, nullptr,
     "The mid weighted by the opposite side's quantity; NaN if a side is empty.", closure_of(Figure::kMicroPrice)},
    {"crossed", snapshot_figure, nullptr, "Whether the best bid is above the best ask.", closure_of(Figure::kCrossed)},
    {"locked", snapshot_figure, nullptr, "Whether the best bid equals the best ask.", closure_of(Figure::kLocked)},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot snapshot_slots[] = {
    {Py_tp_doc, const_cast<char*>("A consistent copy of an order book; made by OrderBook.snapshot().")},
    {Py_tp_dealloc, reinterpret_cast<void*>(snapshot_dealloc)},
    {Py_tp_repr, reinterpret_cast<void*>(snapshot_repr)},
    {Py_tp_methods, snapshot_methods},
    {Py_tp_getset, snapshot_properties},
    {0, nullptr},
};

PyType_Spec snapshot_spec = {"latencykit._core.BookSnapshot", offsetof(SnapshotObject, rows), sizeof(BookLevel),
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             snapshot_slots};

PyObject* level_dtype() {
  PyObject* fields = Py_BuildValue("[(ss)(ss)]", "price", "f8", "quantity", "i8");
  if (fields == nullptr) return nullptr;
  PyArray_Descr* dtype = nullptr;
  const int converted = PyArray_DescrConverter(fields, &dtype);
  Py_DECREF(fields);
  return converted ? reinterpret_cast<PyObject*>(dtype) : nullptr;
}

}  // namespace

int add_book_snapshot(PyObject* module) {
  ModuleState* state = state_of_module(module);
  state->book_level_dtype = level_dtype();
  if (state->book_level_dtype == nullptr) return -1;
  if (PyModule_AddObjectRef(module, "BOOK_LEVEL_DTYPE", state->book_level_dtype) < 0) return -1;
  return add_type(module, &snapshot_spec, &state->book_snapshot);
}

}  // namespace latencykit::bind

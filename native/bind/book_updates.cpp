// OrderBook.apply(): a structured array of updates as one write of the book, checked whole before it begins.
#include "bind/book.h"

#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include <cstring>

namespace latencykit::bind {
namespace {

// One field of the records as numbers of one type, aligned; copied only if the records have it otherwise.
class Column {
 public:
  Column() = default;
  Column(const Column&) = delete;
  Column& operator=(const Column&) = delete;
  // Converting may give up the GIL, and a thread that the exiting interpreter ends there is unwound without it.
  ~Column() {
    if (holds_gil()) Py_XDECREF(reinterpret_cast<PyObject*>(array_));
  }

  // `records` is an ndarray itself: what a subclass of it makes of [name] might be anything, of any length.
  bool take(ModuleState* state, PyObject* records, const char* name, int type) {
    PyObject* field = PyMapping_GetItemString(records, name);
    if (field == nullptr) return false;
    // Without NPY_ARRAY_FORCECAST: only what loses nothing is converted.
    PyObject* array = PyArray_FromArray(reinterpret_cast<PyArrayObject*>(field), PyArray_DescrFromType(type),
                                        NPY_ARRAY_ALIGNED | NPY_ARRAY_NOTSWAPPED);
    if (array == nullptr && PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Clear();
      PyErr_Format(state->invalid_type, "field %s of the records has dtype %S, which %s cannot hold; convert it first",
                   name, reinterpret_cast<PyObject*>(PyArray_DESCR(reinterpret_cast<PyArrayObject*>(field))),
                   type == NPY_DOUBLE ? "float64" : "int64");
    }
    Py_DECREF(field);
    array_ = reinterpret_cast<PyArrayObject*>(array);
    if (array_ == nullptr) return false;
    if (PyArray_NDIM(array_) != 1) {
      PyErr_Format(state->invalid_type, "field %s of the records is an array itself; give one number a record", name);
      return false;
    }
    data_ = PyArray_BYTES(array_);
    stride_ = PyArray_STRIDE(array_, 0);
    return true;
  }

  template <typename T>
  T at(npy_intp i) const {
    T value;
    std::memcpy(&value, data_ + i * stride_, sizeof value);
    return value;
  }

 private:
  PyArrayObject* array_ = nullptr;
  const char* data_ = nullptr;
  npy_intp stride_ = 0;
};

struct Updates {
  Column side, price, quantity;
  npy_intp count = 0;

  std::int64_t side_at(npy_intp i) const { return side.at<std::int64_t>(i); }
  double price_at(npy_intp i) const { return price.at<double>(i); }
  std::int64_t quantity_at(npy_intp i) const { return quantity.at<std::int64_t>(i); }
};

bool are_records(PyObject* object) {
  if (!PyArray_Check(object)) return false;
  PyArrayObject* array = reinterpret_cast<PyArrayObject*>(object);
  if (PyArray_NDIM(array) != 1 || !PyDataType_HASFIELDS(PyArray_DESCR(array))) return false;
  PyObject* fields = PyDataType_FIELDS(PyArray_DESCR(array));
  for (const char* name : {"side", "price", "quantity"}) {
    if (PyMapping_HasKeyString(fields, name) == 0) return false;
  }
  return true;
}

bool take_updates(ModuleState* state, PyObject* records, Updates* updates) {
  if (!are_records(records)) {
    PyErr_Format(state->invalid_type,
                 "apply() takes a structured array of one dimension with the fields side, price and quantity, such as "
                 "numpy.zeros(n, BOOK_UPDATE_DTYPE), not %.200R",
                 records);
    return false;
  }
  PyObject* plain = PyArray_View(reinterpret_cast<PyArrayObject*>(records), nullptr, &PyArray_Type);
  if (plain == nullptr) return false;
  updates->count = PyArray_DIM(reinterpret_cast<PyArrayObject*>(plain), 0);
  const bool taken = updates->side.take(state, plain, "side", NPY_INT64) &&
                     updates->price.take(state, plain, "price", NPY_DOUBLE) &&
                     updates->quantity.take(state, plain, "quantity", NPY_INT64);
  Py_DECREF(plain);
  return taken;
}

void refuse_record(ModuleState* state, const Updates& updates, npy_intp i, UpdateFault fault) {
  const auto row = static_cast<Py_ssize_t>(i);
  if (fault == UpdateFault::kSide) {
    PyErr_Format(state->invalid_value,
                 "records[%zd]: side %lld is unknown; use BUY (0) or SELL (1); no record was applied", row,
                 static_cast<long long>(updates.side_at(i)));
  } else if (fault == UpdateFault::kQuantity) {
    PyErr_Format(state->invalid_value,
                 "records[%zd]: quantity %lld is negative; 0 removes a level; no record was applied", row,
                 static_cast<long long>(updates.quantity_at(i)));
  } else if (PyObject* price = PyFloat_FromDouble(updates.price_at(i))) {
    PyErr_Format(state->invalid_value, "records[%zd]: price %R is not finite; no record was applied", row, price);
    Py_DECREF(price);
  }
}

}  // namespace

PyObject* book_apply(PyObject* self, PyObject* records) {
  ModuleState* state = state_of(Py_TYPE(self));
  Updates updates;
  if (!take_updates(state, records, &updates)) return nullptr;
  for (npy_intp i = 0; i < updates.count; ++i) {
    const UpdateFault fault = check_update(updates.side_at(i), updates.price_at(i), updates.quantity_at(i));
    if (fault != UpdateFault::kNone) {
      refuse_record(state, updates, i, fault);
      return nullptr;
    }
  }
  if (!as_book(self)->may_write->load(std::memory_order_relaxed)) return refuse_write(self);
  if (updates.count == 0) Py_RETURN_NONE;
  as_book(self)->writer->batch([&](auto change) {
    for (npy_intp i = 0; i < updates.count; ++i) {
      // Whoever changes the records meanwhile gets a wrong book, but no access beyond it.
      const BookSide side = updates.side_at(i) == 0 ? BookSide::kBid : BookSide::kAsk;
      change(side, updates.price_at(i), updates.quantity_at(i));
    }
  });
  if (refuse_if_cut(as_book(self))) return nullptr;
  Py_RETURN_NONE;
}

}  // namespace latencykit::bind

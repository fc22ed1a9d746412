// Recording into a Histogram: one duration, the same many times, an array of them, or another histogram.
//
// Histogram.record and all that it runs for an ordinary int are in this file and in headers, for the compiler to inline.
#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include "bind/histogram_object.h"

namespace latencykit::bind {
namespace {

bool read_not_negative(PyObject* self, PyObject* object, const char* what, uint64_t* value) {
  int64_t integer = 0;
  int overflow = 1;
  // An int of 64 bits needs no module state, which a subclass has to look for.
  if (PyLong_Check(object)) [[likely]]
    integer = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow != 0 && !read_integer(state_of_subtype(Py_TYPE(self)), object, what, &integer)) return false;
  if (integer < 0) {
    PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_value, "%s is %R, which is negative; pass 0 or more", what,
                 object);
    return false;
  }
  *value = static_cast<uint64_t>(integer);
  return true;
}

bool has_room(PyObject* self, bool recorded) {
  if (recorded) return true;
  PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_value,
               "the total count would pass 2**62 (it is %llu); use a second histogram",
               static_cast<unsigned long long>(native(self).count()));
  return false;
}

bool has_arguments(PyObject* self, const char* method, Py_ssize_t wanted, Py_ssize_t received) {
  if (wanted == received) return true;
  PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_type, "%s() takes %zd arguments, not %zd", method, wanted,
               received);
  return false;
}

// The array behind an argument, if it is one-dimensional, contiguous, aligned and of native byte order.
PyArrayObject* plain_array(PyObject* self, PyObject* object) {
  if (PyArray_Check(object)) {
    auto* array = reinterpret_cast<PyArrayObject*>(object);
    if (PyArray_NDIM(array) == 1 && PyArray_ISCARRAY_RO(array)) return array;
  }
  PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_type,
               "durations come as a one-dimensional contiguous NumPy array of native byte order, not as %.80s; "
               "convert with numpy.ascontiguousarray(values)",
               Py_TYPE(object)->tp_name);
  return nullptr;
}

bool wrong_dtype(PyObject* self, PyArrayObject* array, const char* wanted) {
  PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_type, "the array's dtype is %S, not %s; convert with .astype()",
               reinterpret_cast<PyObject*>(PyArray_DESCR(array)), wanted);
  return false;
}

// By kind and size, because int64 has two type numbers on some platforms.
bool has_dtype(PyArrayObject* array, char kind) {
  return PyArray_DESCR(array)->kind == kind && PyArray_ITEMSIZE(array) == 8;
}

template <typename T>
bool record_array(PyObject* self, PyArrayObject* array) {
  const T* values = static_cast<const T*>(PyArray_DATA(array));
  const auto size = static_cast<size_t>(PyArray_SIZE(array));
  const size_t bad = first_bad_duration(values, size);
  if (bad < size) {
    PyObject* value = PyArray_GETITEM(array, PyArray_BYTES(array) + bad * sizeof(T));
    if (value == nullptr) return false;
    PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_value,
                 "value %zu of the array is %R, not a duration of 0 ns or more; nothing was recorded", bad, value);
    Py_DECREF(value);
    return false;
  }
  if (!has_room(self, native(self).has_room_for(size))) return false;
  record_all(native(self), values, size);
  if (as_histogram(self)->watches != nullptr) {
    for (size_t i = 0; i < size; ++i) record_into_watches(as_histogram(self), whole_ns(values[i]), 1);
  }
  return true;
}

}  // namespace

void record_into_watches(HistogramObject* object, uint64_t ns, uint64_t times) {
  for (const std::shared_ptr<DurationWatch>& watch : *object->watches) watch->record(ns, times);
}

PyObject* histogram_record(PyObject* self, PyObject* object) {
  uint64_t ns = 0;
  if (!read_not_negative(self, object, "ns", &ns)) return nullptr;
  record_into(as_histogram(self), ns);
  Py_RETURN_NONE;
}

PyObject* histogram_record_n(PyObject* self, PyObject* const* arguments, Py_ssize_t size) {
  uint64_t ns = 0, count = 0;
  if (!has_arguments(self, "record_n", 2, size) || !read_not_negative(self, arguments[0], "ns", &ns) ||
      !read_not_negative(self, arguments[1], "count", &count)) {
    return nullptr;
  }
  if (!has_room(self, native(self).record_n(ns, count))) return nullptr;
  if (as_histogram(self)->watches != nullptr && count > 0) record_into_watches(as_histogram(self), ns, count);
  Py_RETURN_NONE;
}

PyObject* histogram_record_corrected(PyObject* self, PyObject* const* arguments, Py_ssize_t size) {
  uint64_t ns = 0, interval_ns = 0;
  if (!has_arguments(self, "record_corrected", 2, size) || !read_not_negative(self, arguments[0], "ns", &ns) ||
      !read_not_negative(self, arguments[1], "expected_interval_ns", &interval_ns)) {
    return nullptr;
  }
  if (!has_room(self, native(self).record_corrected(ns, interval_ns))) return nullptr;
  // Watches see what happened, not what the correction supposes.
  if (as_histogram(self)->watches != nullptr) record_into_watches(as_histogram(self), ns, 1);
  Py_RETURN_NONE;
}

PyObject* histogram_record_many(PyObject* self, PyObject* object) {
  PyArrayObject* array = plain_array(self, object);
  if (array == nullptr) return nullptr;
  if (has_dtype(array, 'i')) return none_or_error(record_array<int64_t>(self, array));
  if (has_dtype(array, 'u')) return none_or_error(record_array<uint64_t>(self, array));
  if (has_dtype(array, 'f')) return none_or_error(record_array<double>(self, array));
  return none_or_error(wrong_dtype(self, array, "int64, uint64 or float64"));
}

PyObject* histogram_record_ticks(PyObject* self, PyObject* const* arguments, Py_ssize_t size) {
  if (!has_arguments(self, "record_ticks", 2, size)) return nullptr;
  // The number first: to read it may run any code, which must not change the array once it is checked.
  ModuleState* state = state_of_subtype(Py_TYPE(self));
  double ns_per_tick = 0;
  if (!read_number(state, arguments[1], "ns_per_tick", &ns_per_tick)) return nullptr;
  PyArrayObject* array = plain_array(self, arguments[0]);
  if (array == nullptr) return nullptr;
  if (!has_dtype(array, 'u')) return none_or_error(wrong_dtype(self, array, "uint64"));
  if (!(is_duration(ns_per_tick) && ns_per_tick > 0)) {
    PyErr_Format(state->invalid_value, "ns_per_tick is %R, which is not a finite number above 0", arguments[1]);
    return nullptr;
  }
  const auto count = static_cast<size_t>(PyArray_SIZE(array));
  if (!has_room(self, native(self).has_room_for(count))) return nullptr;
  const auto* ticks = static_cast<const uint64_t*>(PyArray_DATA(array));
  record_all_ticks(native(self), ticks, count, ns_per_tick);
  if (as_histogram(self)->watches != nullptr) {
    for (size_t i = 0; i < count; ++i) record_into_watches(as_histogram(self), ticks_as_ns(ticks[i], ns_per_tick), 1);
  }
  Py_RETURN_NONE;
}

PyObject* histogram_merge(PyObject* self, PyObject* other) {
  const Histogram* others = native_histogram(state_of_subtype(Py_TYPE(self)), other);
  if (others == nullptr) return nullptr;
  return none_or_error(has_room(self, native(self).merge(*others)));
}

}  // namespace latencykit::bind

// One-dimensional float arrays as arguments: what is accepted, what is copied, what is refused.
//
// Promises: a contiguous, aligned float64 or float32 array is borrowed without allocation; anything else that
// NumPy can read as numbers is copied once. Refusals raise InvalidTypeError or InvalidValueError with the
// remedy. Include after <numpy/arrayobject.h>.
#pragma once

#include "bind/types.h"

namespace latencykit::bind {

inline PyArrayObject* as_array(PyObject* object) { return reinterpret_cast<PyArrayObject*>(object); }

inline bool is_plain_series(PyObject* object) {
  return PyArray_Check(object) && PyArray_NDIM(as_array(object)) == 1 && PyArray_ISCARRAY_RO(as_array(object)) &&
         (PyArray_TYPE(as_array(object)) == NPY_DOUBLE || PyArray_TYPE(as_array(object)) == NPY_FLOAT);
}

// The float type that values of this type are computed in, or -1.
inline int computed_type(int type) {
  if (type == NPY_DOUBLE || type == NPY_FLOAT) return type;
  return PyTypeNum_ISINTEGER(type) || PyTypeNum_ISBOOL(type) ? NPY_DOUBLE : -1;
}

// `array` as a contiguous, aligned float64 or float32 array of one dimension: a new reference, copied if it
// has to be; nullptr with an exception if it cannot be.
inline PyArrayObject* plain_series(ModuleState* state, PyArrayObject* array, const char* name) {
  const int type = computed_type(PyArray_TYPE(array));
  if (type < 0) {
    PyErr_Format(state->invalid_type,
                 "%s has dtype %S; pass float64, float32 or integers, for example %s.astype(float)", name,
                 reinterpret_cast<PyObject*>(PyArray_DESCR(array)), name);
    return nullptr;
  }
  if (PyArray_NDIM(array) != 1) {
    PyErr_Format(state->invalid_value, "%s has %d dimensions; pass a series of one, such as a row or %s.ravel()", name,
                 PyArray_NDIM(array), name);
    return nullptr;
  }
  constexpr int plain =
      NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED | NPY_ARRAY_NOTSWAPPED | NPY_ARRAY_ENSUREARRAY | NPY_ARRAY_FORCECAST;
  return as_array(PyArray_FromArray(array, PyArray_DescrFromType(type), plain));
}

// As `plain_series`, from any object that NumPy can read as an array.
inline PyArrayObject* series_from(ModuleState* state, PyObject* object, const char* name) {
  if (is_plain_series(object)) return as_array(Py_NewRef(object));
  PyObject* array = PyArray_FromAny(object, nullptr, 0, 0, 0, nullptr);
  if (array == nullptr) return nullptr;
  PyArrayObject* series = plain_series(state, as_array(array), name);
  Py_DECREF(array);
  return series;
}

}  // namespace latencykit::bind

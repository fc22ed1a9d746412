// Float arrays as arguments: what is accepted, what is copied, what is refused.
//
// Promises: a contiguous, aligned float64 or float32 array is borrowed without allocation; anything else that
// NumPy can read as numbers is copied once. A masked array is refused, because its mask would be lost without a
// word. Refusals raise InvalidTypeError or InvalidValueError with the remedy. The including file says
// first whose table of NumPy functions it uses (PY_ARRAY_UNIQUE_SYMBOL, NO_IMPORT_ARRAY).
#pragma once

#include <numpy/arrayobject.h>

#include "bind/types.h"

namespace latencykit::bind {

inline PyArrayObject* as_array(PyObject* object) { return reinterpret_cast<PyArrayObject*>(object); }
inline PyObject* as_object(PyArrayObject* array) { return reinterpret_cast<PyObject*>(array); }

inline bool is_float(int type) { return type == NPY_DOUBLE || type == NPY_FLOAT; }

// Whether it can be read in place. A subclass may carry a meaning besides its numbers and is looked at further.
inline bool is_plain(PyObject* object) {
  return PyArray_CheckExact(object) && PyArray_ISCARRAY_RO(as_array(object)) &&
         is_float(PyArray_TYPE(as_array(object)));
}

inline bool is_plain_series(PyObject* object) { return is_plain(object) && PyArray_NDIM(as_array(object)) == 1; }

// The float type that values of this type are computed in, or -1.
inline int computed_type(int type) {
  if (is_float(type)) return type;
  return PyTypeNum_ISINTEGER(type) || PyTypeNum_ISBOOL(type) ? NPY_DOUBLE : -1;
}

// 1 if it is a masked array, 0 if not, -1 with an exception.
inline int is_masked(PyObject* object) {
  if (!PyArray_Check(object) || PyArray_CheckExact(object)) return 0;
  PyObject* module = PyImport_ImportModule("numpy.ma");
  PyObject* type = module == nullptr ? nullptr : PyObject_GetAttrString(module, "MaskedArray");
  Py_XDECREF(module);
  if (type == nullptr) return -1;
  const int masked = PyType_Check(type) && PyObject_TypeCheck(object, reinterpret_cast<PyTypeObject*>(type));
  Py_DECREF(type);
  return masked;
}

// As `is_masked`, for an object or one of the items of a list or tuple.
inline int holds_masked(PyObject* object) {
  if (!PyList_Check(object) && !PyTuple_Check(object)) return is_masked(object);
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) {
    PyObject* item = Py_NewRef(PySequence_Fast_GET_ITEM(object, i));
    const int masked = is_masked(item);
    Py_DECREF(item);
    if (masked != 0) return masked;
  }
  return 0;
}

// Gives NumPy's complaint about an object, such as rows of unequal length, our type and the argument's name.
inline void rename_complaint(ModuleState* state, const char* name) {
  if (!PyErr_ExceptionMatches(PyExc_ValueError)) return;
  PyObject *type, *why, *trace;
  PyErr_Fetch(&type, &why, &trace);
  PyErr_NormalizeException(&type, &why, &trace);
  PyErr_Format(state->invalid_value, "%s cannot be read as an array: %S; pass a float64 or float32 array", name,
               why == nullptr ? Py_None : why);
  Py_XDECREF(type);
  Py_XDECREF(why);
  Py_XDECREF(trace);
}

// Any object as an array of numbers: a new reference, or nullptr with an exception. May run the object's code.
inline PyArrayObject* numbers_from(ModuleState* state, PyObject* object, const char* name) {
  if (is_plain(object)) return as_array(Py_NewRef(object));
  const int masked = holds_masked(object);
  if (masked != 0) {
    if (masked > 0) {
      PyErr_Format(state->invalid_type, "%s is a masked array, whose mask would be ignored; pass %s.filled(numpy.nan)",
                   name, name);
    }
    return nullptr;
  }
  PyObject* array = PyArray_FromAny(object, nullptr, 0, 0, 0, nullptr);
  if (array == nullptr) {
    rename_complaint(state, name);
    return nullptr;
  }
  if (computed_type(PyArray_TYPE(as_array(array))) >= 0) return as_array(array);
  PyErr_Format(state->invalid_type, "%s has dtype %S; pass float64, float32 or integers, for example %s.astype(float)",
               name, reinterpret_cast<PyObject*>(PyArray_DESCR(as_array(array))), name);
  Py_DECREF(array);
  return nullptr;
}

// `array` as a contiguous, aligned one of that float type: a new reference, copied if it has to be. Runs no code of
// the caller's.
inline PyArrayObject* plain_from(PyArrayObject* array, int type) {
  if (PyArray_TYPE(array) == type && PyArray_ISCARRAY_RO(array)) return as_array(Py_NewRef(as_object(array)));
  constexpr int plain =
      NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED | NPY_ARRAY_NOTSWAPPED | NPY_ARRAY_ENSUREARRAY | NPY_ARRAY_FORCECAST;
  return as_array(PyArray_FromArray(array, PyArray_DescrFromType(type), plain));
}

// A plain series of one dimension from any object that NumPy can read as one.
inline PyArrayObject* series_from(ModuleState* state, PyObject* object, const char* name) {
  PyArrayObject* array = numbers_from(state, object, name);
  PyArrayObject* series = nullptr;
  if (array != nullptr && PyArray_NDIM(array) == 1) {
    series = plain_from(array, computed_type(PyArray_TYPE(array)));
  } else if (array != nullptr) {
    PyErr_Format(state->invalid_value, "%s has %d dimensions; pass a series of one, such as a row or %s.ravel()", name,
                 PyArray_NDIM(array), name);
  }
  Py_XDECREF(array);
  return series;
}

}  // namespace latencykit::bind

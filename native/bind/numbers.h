// Numbers as arguments of hot calls: the common kinds without a call, the rest with a clear refusal.
//
// Promises: a small int and an exact float are read inline; everything with __index__ or __float__ is accepted. A refusal
// is InvalidTypeError or InvalidValueError with the argument's name, the value received and the remedy. Reading may
// run the caller's code, so whatever that code could change is looked at afterwards.
#pragma once

#include <cstdint>

#include "bind/types.h"

namespace latencykit::bind {

// The value of an exact int of one digit, which needs no call; everything else takes the slow way.
inline bool read_small_int(PyObject* object, std::int64_t* value) {
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

[[gnu::noinline]] inline bool read_int_slowly(PyTypeObject* type, PyObject* object, const char* name,
                                              std::int64_t* value) {
  ModuleState* state = state_of(type);
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

// `type` is one of ours, for its exceptions. Only the slow way's own variable has an address, so that the caller's stays
// in a register.
inline bool read_int(PyTypeObject* type, PyObject* object, const char* name, std::int64_t* value) {
  if (read_small_int(object, value)) [[likely]]
    return true;
  std::int64_t slow;
  if (!read_int_slowly(type, object, name, &slow)) return false;
  *value = slow;
  return true;
}

[[gnu::noinline]] inline bool read_double_slowly(PyTypeObject* type, PyObject* object, const char* name,
                                                 double* value) {
  ModuleState* state = state_of(type);
  *value = PyFloat_AsDouble(object);
  if (*value != -1.0 || !PyErr_Occurred()) return true;
  if (PyErr_ExceptionMatches(PyExc_TypeError)) {
    PyErr_Format(state->invalid_type, "%s must be a number, not %R", name, object);
  } else if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
    PyErr_Format(state->invalid_value, "%s is an int too large for a float; give a finite number", name);
  }
  return false;
}

inline bool read_double(PyTypeObject* type, PyObject* object, const char* name, double* value) {
  if (PyFloat_CheckExact(object)) [[likely]] {
    *value = PyFloat_AS_DOUBLE(object);
    return true;
  }
  double slow;
  if (!read_double_slowly(type, object, name, &slow)) return false;
  *value = slow;
  return true;
}

}  // namespace latencykit::bind

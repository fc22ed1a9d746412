// The numbers that a histogram's methods are given, whatever they come as.
#include <cmath>

#include "bind/histogram_object.h"

namespace latencykit::bind {

bool read_integer(ModuleState* state, PyObject* object, const char* what, int64_t* value) {
  int overflow = 0;
  if (PyLong_Check(object)) {
    *value = PyLong_AsLongLongAndOverflow(object, &overflow);
  } else {
    PyObject* integer = PyIndex_Check(object) ? PyNumber_Index(object) : nullptr;
    if (integer == nullptr) {
      if (PyErr_Occurred()) return false;
      PyErr_Format(state->invalid_type, "%s is %R, not a whole number; pass an int, for example round(%s)", what,
                   object, what);
      return false;
    }
    *value = PyLong_AsLongLongAndOverflow(integer, &overflow);
    Py_DECREF(integer);
  }
  if (overflow != 0) *value = overflow < 0 ? INT64_MIN : INT64_MAX;
  return true;
}

bool read_number(ModuleState* state, PyObject* object, const char* what, double* value) {
  *value = PyFloat_AsDouble(object);
  if (*value != -1.0 || !PyErr_Occurred()) return true;
  if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
    PyErr_Clear();
    *value = HUGE_VAL;
    return true;
  }
  if (PyErr_ExceptionMatches(PyExc_TypeError))
    PyErr_Format(state->invalid_type, "%s is %R, not a number", what, object);
  return false;
}

}  // namespace latencykit::bind

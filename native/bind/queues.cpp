// What the queue types share; see queues.h.
#include "bind/queues.h"

#include <cmath>
#include <limits>

namespace latencykit::bind {

bool read_queue_capacity(ModuleState* state, PyObject* argument, std::size_t* capacity) {
  if (!PyIndex_Check(argument)) {
    PyErr_Format(state->invalid_type, "capacity must be an int, not %R", argument);
    return false;
  }
  const Py_ssize_t value = PyNumber_AsSsize_t(argument, nullptr);  // Clips what is too large.
  if (value == -1 && PyErr_Occurred()) return false;
  if (value < 1 || value > kMostQueued) {
    PyErr_Format(state->invalid_value, "capacity %R is out of range; use 1 to %zd, or an UnboundedQueue", argument,
                 kMostQueued);
    return false;
  }
  *capacity = static_cast<std::size_t>(value);
  return true;
}

bool read_wait(ModuleState* state, PyObject* argument, Wait* wait) {
  constexpr struct {
    const char* name;
    Wait wait;
  } kWays[] = {{"spin", Wait::kSpin}, {"yield", Wait::kYield}, {"park", Wait::kPark}};
  for (const auto& way : kWays) {
    if (PyUnicode_Check(argument) && PyUnicode_CompareWithASCIIString(argument, way.name) == 0) {
      *wait = way.wait;
      return true;
    }
  }
  PyErr_Format(state->invalid_value, "wait=%R is unknown; use 'spin', 'yield' or 'park'", argument);
  return false;
}

bool read_timeout(ModuleState* state, PyObject* argument, double* seconds) {
  *seconds = std::numeric_limits<double>::infinity();
  if (argument == Py_None) return true;
  *seconds = PyFloat_AsDouble(argument);
  if (*seconds == -1.0 && PyErr_Occurred()) {
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Format(state->invalid_type, "timeout must be seconds or None, not %R", argument);
    } else if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
      PyErr_SetString(state->invalid_value, "timeout is an int too large for a float; use None to wait for ever");
    }
    return false;
  }
  if (*seconds >= 0) return true;
  PyErr_Format(state->invalid_value, "timeout %R is not a number of seconds from 0 on; use None to wait for ever",
               argument);
  return false;
}

std::uint64_t deadline_after(double seconds) {
  constexpr double kCentury = 3.2e9;
  if (seconds >= kCentury) return ~std::uint64_t{0};
  return monotonic_ns() + static_cast<std::uint64_t>(std::ceil(seconds * 1e9));
}

bool read_most(ModuleState* state, PyObject* argument, std::size_t* most) {
  *most = ~std::size_t{0};
  if (argument == Py_None) return true;
  if (!PyIndex_Check(argument)) {
    PyErr_Format(state->invalid_type, "max_items must be an int or None, not %R", argument);
    return false;
  }
  const Py_ssize_t value = PyNumber_AsSsize_t(argument, nullptr);
  if (value == -1 && PyErr_Occurred()) return false;
  if (value < 0) {
    PyErr_Format(state->invalid_value, "max_items %R is negative; use None for all there are", argument);
    return false;
  }
  *most = static_cast<std::size_t>(value);
  return true;
}

bool read_optional(ModuleState* state, const char* function, const char* name, PyObject* const* arguments,
                   Py_ssize_t count, PyObject* names, PyObject** value) {
  const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  if (count + named > 1) {
    PyErr_Format(state->invalid_type, "%s() takes at most 1 argument, not %zd", function, count + named);
    return false;
  }
  if (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), name) != 0) {
    PyErr_Format(state->invalid_type, "%s() has no argument %R; it takes %s", function, PyTuple_GET_ITEM(names, 0),
                 name);
    return false;
  }
  if (count + named == 1) *value = arguments[0];
  return true;
}

PyObject* refuse_closed(ModuleState* state, const char* what) {
  return PyErr_Format(state->closed, "the queue is closed%s", what);
}

PyObject* refuse_drained(ModuleState* state) { return refuse_closed(state, " and empty; nothing more will come"); }

namespace {

// queue.Full and queue.Empty, which callers of queue.Queue catch. Looked up when raised: waiting took longer.
PyObject* raise_from_queue(const char* name, PyObject* text) {
  if (text == nullptr) return nullptr;
  PyObject* module = PyImport_ImportModule("queue");
  PyObject* error = module == nullptr ? nullptr : PyObject_GetAttrString(module, name);
  if (error != nullptr) PyErr_SetObject(error, text);
  Py_XDECREF(error);
  Py_XDECREF(module);
  Py_DECREF(text);
  return nullptr;
}

}  // namespace

PyObject* raise_full(std::size_t capacity) {
  return raise_from_queue("Full", PyUnicode_FromFormat("all %zu places were taken until the timeout", capacity));
}

PyObject* raise_empty() {
  return raise_from_queue("Empty", PyUnicode_FromString("nothing was pushed until the timeout"));
}

}  // namespace latencykit::bind

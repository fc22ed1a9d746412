// Reading the clocks that are not the processor's counter, which may be any object with a method now_ns().
#include "bind/timer.h"
#include "latency/tsc_clock.h"

namespace latencykit::bind {
namespace {

// The time of a clock that is any Python object. False with an error, the clock's own or ours.
bool read_object(const TimerObject* timer, uint64_t* ns) {
  PyObject* answer = PyObject_CallNoArgs(timer->read);
  if (answer == nullptr) return false;
  const ModuleState* state = state_of(Py_TYPE(timer));
  PyObject* integer = PyIndex_Check(answer) ? PyNumber_Index(answer) : nullptr;
  bool good = integer != nullptr;
  if (good) {
    *ns = PyLong_AsUnsignedLongLong(integer);
    good = *ns != UINT64_MAX || !PyErr_Occurred();
    if (!good && PyErr_ExceptionMatches(PyExc_OverflowError)) {
      PyErr_Clear();
      PyErr_Format(state->invalid_value, "now_ns() of the clock %R returned %R; it must be 0 to 2**64 - 1 nanoseconds",
                   timer->clock, answer);
    }
    Py_DECREF(integer);
  } else if (!PyErr_Occurred()) {
    PyErr_Format(state->invalid_type, "now_ns() of the clock %R returned %R, not a whole number of nanoseconds",
                 timer->clock, answer);
  }
  Py_DECREF(answer);
  return good;
}

}  // namespace

PyObject* reader_of(const ModuleState* state, PyObject* clock) {
  PyObject* read = PyObject_GetAttrString(clock, "now_ns");
  if (read != nullptr && PyCallable_Check(read)) return read;
  if (read == nullptr && !PyErr_ExceptionMatches(PyExc_AttributeError)) return nullptr;
  PyErr_Clear();
  Py_XDECREF(read);
  PyErr_Format(state->invalid_type,
               "clock %R has no method now_ns(); pass an object that has one, or nothing for the machine's clock",
               clock);
  return nullptr;
}

bool read_other(const TimerObject* timer, uint64_t* ns) {
  if (timer->kind == ClockKind::object) return read_object(timer, ns);
  *ns = timer->kind == ClockKind::monotonic ? MonotonicTicks::read() : timer->simulated->read();
  return true;
}

}  // namespace latencykit::bind

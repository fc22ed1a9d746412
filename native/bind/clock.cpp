// Functions on the process's clock, and the SimulatedClock type.
#include "bind/clock.h"

namespace latencykit::bind {
namespace {

PyObject* clock_info(PyObject*, PyObject*) {
  const TscClock& clock = TscClock::instance();
  return Py_BuildValue("{s:s,s:d,s:d,s:O,s:O}", "source", clock.source() == ClockSource::tsc ? "tsc" : "monotonic",
                       "frequency_hz", 1e9 / clock.ns_per_tick(), "resolution_ns", clock.resolution_ns(), "invariant",
                       cpu_has_invariant_tsc() ? Py_True : Py_False, "forced", TscClock::forced() ? Py_True : Py_False);
}

PyObject* now_ns(PyObject*, PyObject*) { return PyLong_FromUnsignedLongLong(TscClock::instance().now_ns()); }

PyObject* ticks(PyObject*, PyObject*) { return PyLong_FromUnsignedLongLong(TscClock::instance().ticks()); }

PyObject* ns_per_tick(PyObject*, PyObject*) { return PyFloat_FromDouble(TscClock::instance().ns_per_tick()); }

PyObject* recalibrate(PyObject*, PyObject*) {
  TscClock::instance().recalibrate();
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {
    {"clock_info", clock_info, METH_NOARGS,
     "Describe the clock: source, frequency_hz, resolution_ns (its step, measured now), invariant."},
    {"now_ns", now_ns, METH_NOARGS, "Return monotonic nanoseconds from the calibrated counter."},
    {"ticks", ticks, METH_NOARGS, "Return the raw counter."},
    {"ns_per_tick", ns_per_tick, METH_NOARGS, "Return the length of a tick in nanoseconds, as last measured."},
    {"recalibrate", recalibrate, METH_NOARGS, "Measure the counter's rate again; now_ns never goes backwards."},
    {nullptr, nullptr, 0, nullptr},
};

SimulatedClockObject* simulated(PyObject* self) { return reinterpret_cast<SimulatedClockObject*>(self); }

// Nanoseconds as 64 bits without a sign; false with our error.
bool read_ns(const ModuleState* state, PyObject* object, const char* what, uint64_t* ns) {
  PyObject* integer = PyIndex_Check(object) ? PyNumber_Index(object) : nullptr;
  if (integer == nullptr) {
    if (!PyErr_Occurred()) {
      PyErr_Format(state->invalid_type, "%s is %R, not a whole number of nanoseconds", what, object);
    }
    return false;
  }
  *ns = PyLong_AsUnsignedLongLong(integer);
  const bool good = *ns != UINT64_MAX || !PyErr_Occurred();
  if (!good) {
    PyErr_Clear();
    PyErr_Format(state->invalid_value, "%s is %R; it must be 0 to 2**64 - 1 nanoseconds", what, object);
  }
  Py_DECREF(integer);
  return good;
}

PyObject* simulated_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  const char* keywords[] = {"step", "read_cost", nullptr};
  PyObject *step_object = nullptr, *read_cost_object = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:SimulatedClock", const_cast<char**>(keywords), &step_object,
                                   &read_cost_object)) {
    return nullptr;
  }
  const ModuleState* state = state_of(type);
  uint64_t step = 1, read_cost = 0;
  if (step_object != nullptr && !read_ns(state, step_object, "step", &step)) return nullptr;
  if (read_cost_object != nullptr && !read_ns(state, read_cost_object, "read_cost", &read_cost)) return nullptr;
  if (step == 0) {
    PyErr_SetString(state->invalid_value, "step 0 would stop the clock; give 1 or more nanoseconds");
    return nullptr;
  }
  PyObject* self = type->tp_alloc(type, 0);
  if (self != nullptr) simulated(self)->ticks = SimulatedTicks{0, step, read_cost};
  return self;
}

void simulated_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* simulated_advance(PyObject* self, PyObject* argument) {
  const ModuleState* state = state_of(Py_TYPE(self));
  uint64_t ns = 0;
  if (!read_ns(state, argument, "ns", &ns)) return nullptr;
  uint64_t& now = simulated(self)->ticks.now;
  if (ns > UINT64_MAX - now) {
    PyErr_Format(state->invalid_value, "advancing by %R ns would take the clock past 2**64 ns; set() it back first",
                 argument);
    return nullptr;
  }
  now += ns;
  Py_RETURN_NONE;
}

PyObject* simulated_set(PyObject* self, PyObject* argument) {
  uint64_t ns = 0;
  if (!read_ns(state_of(Py_TYPE(self)), argument, "ns", &ns)) return nullptr;
  simulated(self)->ticks.now = ns;
  Py_RETURN_NONE;
}

PyObject* simulated_now(PyObject* self, PyObject*) {
  return PyLong_FromUnsignedLongLong(simulated(self)->ticks.read());
}

PyMethodDef simulated_methods[] = {
    {"advance", simulated_advance, METH_O, "advance($self, ns, /)\n--\n\nMove the clock on by so many nanoseconds."},
    {"set", simulated_set, METH_O,
     "set($self, ns, /)\n--\n\nMove the clock to a time, back as well, as for the next event of a replay."},
    {"now_ns", simulated_now, METH_NOARGS,
     "now_ns($self, /)\n--\n\nReturn the time as a reader sees it: in whole steps, and paying read_cost."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot simulated_slots[] = {
    {Py_tp_doc, const_cast<char*>("SimulatedClock(step=1, read_cost=0)\n--\n\n"
                                  "A clock that moves only when told to; readers see it in whole steps.")},
    {Py_tp_new, reinterpret_cast<void*>(simulated_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(simulated_dealloc)},
    {Py_tp_methods, simulated_methods},
    {0, nullptr},
};

PyType_Spec simulated_spec = {
    "latencykit._core.SimulatedClock",
    sizeof(SimulatedClockObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    simulated_slots,
};

}  // namespace

int add_clock(PyObject* module) {
  if (PyModule_AddFunctions(module, functions) < 0) return -1;
  return add_type(module, &simulated_spec, &state_of_module(module)->simulated_clock);
}

}  // namespace latencykit::bind

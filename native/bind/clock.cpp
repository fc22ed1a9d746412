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

PyObject* simulated_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  const char* keywords[] = {"step", "read_cost", nullptr};
  unsigned long long step = 1, read_cost = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|KK", const_cast<char**>(keywords), &step, &read_cost)) {
    return nullptr;
  }
  if (step == 0) {
    PyErr_SetString(state_of(type)->invalid_value, "step 0 would stop the clock; give 1 or more nanoseconds");
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
  const unsigned long long ns = PyLong_AsUnsignedLongLong(argument);
  if (ns == static_cast<unsigned long long>(-1) && PyErr_Occurred()) return nullptr;
  simulated(self)->ticks.now += ns;
  Py_RETURN_NONE;
}

PyObject* simulated_now(PyObject* self, void*) { return PyLong_FromUnsignedLongLong(simulated(self)->ticks.now); }

PyMethodDef simulated_methods[] = {
    {"advance", simulated_advance, METH_O, "advance($self, ns, /)\n--\n\nMove the clock on by so many nanoseconds."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef simulated_getset[] = {
    {"now_ns", simulated_now, nullptr, "The present time in nanoseconds.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot simulated_slots[] = {
    {Py_tp_doc, const_cast<char*>("SimulatedClock(step=1, read_cost=0)\n--\n\n"
                                  "A clock that moves only when told to; readers see it in whole steps.")},
    {Py_tp_new, reinterpret_cast<void*>(simulated_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(simulated_dealloc)},
    {Py_tp_methods, simulated_methods},
    {Py_tp_getset, simulated_getset},
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

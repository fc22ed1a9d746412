// PrecisionTimer: the clock, as Python calls it. The scopes that it makes are in timer_scope.cpp.
#include "bind/timer.h"

#include <cstdint>

#include "bind/clock.h"
#include "bind/types.h"
#include "latency/tsc_clock.h"

namespace latencykit::bind {
namespace {

PyObject* now_ns(PyObject* self, PyObject*) {
  TimerObject* timer = as_timer(self);
  if (timer->machine != nullptr) [[likely]]
    return timer->stamps.box(timer->machine->now_ns());
  uint64_t ns = 0;
  return read_other(timer, &ns) ? timer->stamps.box(ns) : nullptr;
}

PyObject* ticks(PyObject* self, PyObject*) {
  TimerObject* timer = as_timer(self);
  if (timer->machine != nullptr) [[likely]]
    return timer->stamps.box(timer->machine->ticks());
  return now_ns(self, nullptr);
}

PyObject* get_clock(PyObject* self, void*) {
  PyObject* clock = as_timer(self)->clock;
  return Py_NewRef(clock != nullptr ? clock : Py_None);
}

PyObject* timer_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  const char* keywords[] = {"clock", "fenced", nullptr};
  PyObject* clock = Py_None;
  int fenced = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$p:PrecisionTimer", const_cast<char**>(keywords), &clock,
                                   &fenced)) {
    return nullptr;
  }
  ModuleState* state = state_of(type);
  const bool simulated = Py_IS_TYPE(clock, state->simulated_clock);
  PyObject* read = nullptr;
  if (clock != Py_None && !simulated && (read = reader_of(state, clock)) == nullptr) return nullptr;
  PyObject* self = type->tp_alloc(type, 0);
  if (self == nullptr) {
    Py_XDECREF(read);
    return nullptr;
  }
  TimerObject* timer = as_timer(self);
  timer->read = read;
  timer->scope_type = reinterpret_cast<PyTypeObject*>(Py_NewRef(reinterpret_cast<PyObject*>(state->timer_scope)));
  if (clock == Py_None) {
    timer->machine = &TscClock::instance();
    // The rate that a process starts with is from 10 ms, good to some parts per million; here it is from all the time
    // since.
    TscClock::instance().recalibrate();
    timer->kind = timer->machine->source() != ClockSource::tsc ? ClockKind::monotonic
                  : fenced                                     ? ClockKind::tsc_fenced
                                                               : ClockKind::tsc;
  } else {
    timer->clock = Py_NewRef(clock);
    timer->kind = simulated ? ClockKind::simulated : ClockKind::object;
    if (simulated) timer->simulated = &reinterpret_cast<SimulatedClockObject*>(clock)->ticks;
  }
  return self;
}

int traverse_timer(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_timer(self)->clock);
  Py_VISIT(as_timer(self)->read);
  Py_VISIT(as_timer(self)->scope_type);
  return 0;
}

void deallocate_timer(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  TimerObject* timer = as_timer(self);
  PyObject_GC_UnTrack(self);
  timer->stamps.clear();
  while (timer->free_count > 0) PyObject_GC_Del(timer->free[--timer->free_count]);
  Py_XDECREF(timer->clock);
  Py_XDECREF(timer->read);
  Py_XDECREF(reinterpret_cast<PyObject*>(timer->scope_type));
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef timer_methods[] = {
    {"now_ns", now_ns, METH_NOARGS, "now_ns($self, /)\n--\n\nReturn the time in nanoseconds; it never goes back."},
    {"ticks", ticks, METH_NOARGS, "ticks($self, /)\n--\n\nReturn the raw counter."},
    {"measure", timer_measure, METH_O,
     "measure($self, stats, /)\n--\n\nReturn a scope that times `with` blocks and records them in `stats`."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef timer_attributes[] = {
    {"clock", get_clock, nullptr, "The clock that was given, or None for the machine's.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot timer_slots[] = {
    {Py_tp_doc, const_cast<char*>("PrecisionTimer(clock=None, *, fenced=False)\n--\n\n"
                                  "Reads the machine's clock, or another one, and times blocks with it.")},
    {Py_tp_new, reinterpret_cast<void*>(timer_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate_timer)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse_timer)},
    {Py_tp_methods, timer_methods},
    {Py_tp_getset, timer_attributes},
    {0, nullptr},
};

PyType_Spec timer_spec = {
    "latencykit._core.PrecisionTimer",
    sizeof(TimerObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    timer_slots,
};

}  // namespace

int add_timer(PyObject* module) {
  StampBox::look_at_ints();
  if (add_timer_scope(module) < 0) return -1;
  return add_type(module, &timer_spec, &state_of_module(module)->precision_timer);
}

}  // namespace latencykit::bind

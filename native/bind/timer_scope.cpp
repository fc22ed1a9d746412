// TimerScope: the timing of a `with` block, as Python calls it.
//
// A scope is what is called in a `with` block, instead of its methods; self_binder.h has how. Without arguments it is
// its __enter__, with the three of an exception it is its __exit__.
//
// A scope keeps its timer and its statistics alive. The timer keeps the memory of a few dropped scopes for the next.
// All of an ordinary block is in this file and in headers, for the compiler to inline.
#include <cstddef>
#include <cstdint>

#include "bind/histogram.h"
#include "bind/self_binder.h"
#include "bind/timer.h"
#include "bind/types.h"
#include "latency/tsc_clock.h"
#include "structmember.h"

namespace latencykit::bind {
namespace {

struct ScopeObject {
  PyObject_HEAD vectorcallfunc call;
  TimerObject* timer;
  HistogramObject* stats;
  uint64_t begin;
  uint64_t elapsed_ns;
  bool inside;
  bool measured;
};

ScopeObject* as_scope(PyObject* self) { return reinterpret_cast<ScopeObject*>(self); }

// ---- reading the clock

// The ticks where a block begins and where it ends; false with an error. With a clock of the machine's or a simulated
// one they run no Python code and cannot fail.
//
// The end always waits for the timed work. The beginning is not fenced unless the timer was made so: the fence costs
// as much as the read itself. Without it the counter may be read while loads of the code before are still under way,
// and the block is charged what remains of them, as much as a trip to memory; it is never charged too little.
inline bool start(const TimerObject* timer, uint64_t* ticks) {
  if (timer->kind == ClockKind::tsc) [[likely]] {
    *ticks = TscTicks::read();
    return true;
  }
  if (timer->kind == ClockKind::tsc_fenced) {
    *ticks = TscTicks::ordered();
    return true;
  }
  return read_other(timer, ticks);
}

inline bool finish(const TimerObject* timer, uint64_t* ticks) {
  if (timer->kind <= ClockKind::tsc_fenced) [[likely]] {
    *ticks = TscTicks::finished();
    return true;
  }
  return read_other(timer, ticks);
}

// 0 for a clock that went back.
inline uint64_t elapsed(const TimerObject* timer, uint64_t begin, uint64_t end) {
  if (timer->kind <= ClockKind::tsc_fenced) [[likely]]
    return timer->machine->elapsed_ns(begin, end);
  return end > begin ? end - begin : 0;
}

// ---- the block

PyObject* enter(PyObject* self, PyObject*) {
  ScopeObject* scope = as_scope(self);
  if (scope->inside) [[unlikely]] {
    PyErr_SetString(state_of(Py_TYPE(self))->invalid_state,
                    "this scope is inside its block already, and measures one at a time; take a scope for each block "
                    "and for each thread or task with timer.measure(stats)");
    return nullptr;
  }
  scope->inside = true;
  Py_INCREF(self);
  if (!start(scope->timer, &scope->begin)) [[unlikely]] {
    scope->inside = false;
    Py_DECREF(self);
    return nullptr;
  }
  return self;
}

PyObject* leave(PyObject* self) {
  ScopeObject* scope = as_scope(self);
  uint64_t end = 0;
  const bool read = finish(scope->timer, &end);
  const bool was_inside = scope->inside;
  scope->inside = false;
  if (!read) [[unlikely]]
    return nullptr;
  if (!was_inside) [[unlikely]] {
    PyErr_SetString(state_of(Py_TYPE(self))->invalid_state,
                    "this scope is left without having been entered; use it in a with statement");
    return nullptr;
  }
  scope->elapsed_ns = elapsed(scope->timer, scope->begin, end);
  scope->measured = true;
  record_into(scope->stats, scope->elapsed_ns);
  Py_RETURN_NONE;
}

PyObject* not_a_function(PyObject* self) {
  PyErr_SetString(state_of(Py_TYPE(self))->invalid_type,
                  "a scope is not a function; write `with timer.measure(stats):` around what is to be timed");
  return nullptr;
}

PyObject* exit_method(PyObject* self, PyObject* const*, Py_ssize_t count) {
  return count == 3 ? leave(self) : not_a_function(self);
}

PyObject* call_scope(PyObject* self, PyObject* const*, size_t nargsf, PyObject* names) {
  const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
  if (names == nullptr && count == 0) return enter(self, nullptr);
  if (names == nullptr && count == 3) return leave(self);
  return not_a_function(self);
}

PyObject* elapsed_ns(PyObject* self, void*) {
  if (as_scope(self)->measured) return PyLong_FromUnsignedLongLong(as_scope(self)->elapsed_ns);
  PyErr_SetString(state_of(Py_TYPE(self))->invalid_state,
                  "this scope has measured nothing yet; read elapsed_ns after its with block");
  return nullptr;
}

// ---- the object

PyObject* scope_memory(TimerObject* timer) {
  if (timer->free_count > 0) return PyObject_Init(timer->free[--timer->free_count], timer->scope_type);
  return reinterpret_cast<PyObject*>(PyObject_GC_New(ScopeObject, timer->scope_type));
}

int traverse_scope(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_scope(self)->timer);
  Py_VISIT(as_scope(self)->stats);
  return 0;
}

// No tp_clear, for scopes and for timers: what either refers to was complete before it, so that every cycle runs
// through something that can be cleared, and no method has to ask whether its timer is still there.
void deallocate_scope(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  ScopeObject* scope = as_scope(self);
  TimerObject* timer = scope->timer;
  PyObject_GC_UnTrack(self);
  Py_DECREF(reinterpret_cast<PyObject*>(scope->stats));  // May run Python code, which may ask the timer for a scope.
  if (timer->free_count < TimerObject::kMostFree) {
    timer->free[timer->free_count++] = self;
  } else {
    PyObject_GC_Del(self);
  }
  Py_DECREF(reinterpret_cast<PyObject*>(timer));
  Py_DECREF(type);
}

PyMethodDef scope_methods[] = {
    {"__enter__", enter, METH_NOARGS, "__enter__($self, /)\n--\n\nRead the clock and return the scope."},
    {"__exit__", as_method(exit_method), METH_FASTCALL,
     "__exit__($self, kind, error, trace, /)\n--\n\n"
     "Read the clock and record how long the block took, however it ended."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef scope_attributes[] = {
    {"elapsed_ns", elapsed_ns, nullptr, "How long the last block took, in nanoseconds.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMemberDef scope_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(ScopeObject, call), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot scope_slots[] = {
    {Py_tp_doc, const_cast<char*>("Times the block of a with statement; made by PrecisionTimer.measure().")},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate_scope)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse_scope)},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_methods, scope_methods},
    {Py_tp_getset, scope_attributes},
    {Py_tp_members, scope_members},
    {0, nullptr},
};

// Made immutable when its descriptors are in place.
PyType_Spec scope_spec = {
    "latencykit._core.TimerScope",
    sizeof(ScopeObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    scope_slots,
};

}  // namespace

PyObject* timer_measure(PyObject* self, PyObject* stats) {
  if (native_histogram(state_of(Py_TYPE(self)), stats) == nullptr) return nullptr;
  PyObject* made = scope_memory(as_timer(self));
  if (made == nullptr) return nullptr;
  ScopeObject* scope = as_scope(made);
  scope->call = call_scope;
  scope->timer = as_timer(Py_NewRef(self));
  scope->stats = reinterpret_cast<HistogramObject*>(Py_NewRef(stats));
  scope->begin = scope->elapsed_ns = 0;
  scope->inside = scope->measured = false;
  PyObject_GC_Track(made);
  return made;
}

int add_timer_scope(PyObject* module) {
  ModuleState* state = state_of_module(module);
  if (add_type(module, &scope_spec, &state->timer_scope) < 0) return -1;
  const int failed = bind_by_self(module, state->timer_scope, {"__enter__", "__exit__"});
  state->timer_scope->tp_flags |= Py_TPFLAGS_IMMUTABLETYPE;
  return failed;
}

}  // namespace latencykit::bind

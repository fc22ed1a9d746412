// PrecisionTimer and TimerScope: the clock and the timing of a `with` block, as Python calls them.
//
// A `with` statement looks __enter__ and __exit__ up on the type of its object, binds each, and calls it. Binding
// through a method descriptor makes two objects for every block. Here the two attributes are descriptors that give
// the scope itself, and the scope is what is called: without arguments it is its __enter__, with the three of an
// exception it is its __exit__. On the type, as contextlib.ExitStack asks for them, they are ordinary methods.
//
// A scope keeps its timer and its statistics alive. The timer keeps the memory of a few dropped scopes for the next.
#include <cstddef>
#include <cstdint>

#include "bind/clock.h"
#include "bind/histogram.h"
#include "bind/stamps.h"
#include "bind/types.h"
#include "latency/tsc_clock.h"
#include "structmember.h"

namespace latencykit::bind {
namespace {

// Where the ticks come from; with `tsc_fenced`, a scope's first read waits for what the code before it has begun.
enum class Kind { tsc, tsc_fenced, monotonic, simulated, object };

struct TimerObject {
  PyObject_HEAD Kind kind;
  const TscClock* machine;    // The process's clock; null with a clock of the user's.
  SimulatedTicks* simulated;  // Within `clock`, if that is a SimulatedClock.
  PyObject* clock;            // What was given, or null.
  PyObject* read;             // now_ns of any other clock, bound once.
  StampBox stamps;
  // Memory of dropped scopes. It names their type, which must therefore outlive it.
  static constexpr int kMostFree = 8;
  PyTypeObject* scope_type;
  PyObject* free[kMostFree];
  int free_count;
};

struct ScopeObject {
  PyObject_HEAD vectorcallfunc call;
  TimerObject* timer;
  HistogramObject* stats;
  uint64_t begin;
  uint64_t elapsed_ns;
  bool inside;
  bool measured;
};

TimerObject* as_timer(PyObject* self) { return reinterpret_cast<TimerObject*>(self); }
ScopeObject* as_scope(PyObject* self) { return reinterpret_cast<ScopeObject*>(self); }

// ---- reading the clock

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

bool read_other(const TimerObject* timer, uint64_t* ns) {
  if (timer->kind == Kind::object) return read_object(timer, ns);
  *ns = timer->kind == Kind::monotonic ? MonotonicTicks::read() : timer->simulated->read();
  return true;
}

// The ticks where a block begins and where it ends; false with an error. With a clock of the machine's or a simulated
// one they run no Python code and cannot fail.
//
// The end always waits for the timed work. The beginning is not fenced unless the timer was made so: the fence costs
// as much as the read itself. Without it the counter may be read while loads of the code before are still under way,
// and the block is charged what remains of them, as much as a trip to memory; it is never charged too little.
inline bool start(const TimerObject* timer, uint64_t* ticks) {
  if (timer->kind == Kind::tsc) [[likely]] {
    *ticks = TscTicks::read();
    return true;
  }
  if (timer->kind == Kind::tsc_fenced) {
    *ticks = TscTicks::ordered();
    return true;
  }
  return read_other(timer, ticks);
}

inline bool finish(const TimerObject* timer, uint64_t* ticks) {
  if (timer->kind <= Kind::tsc_fenced) [[likely]] {
    *ticks = TscTicks::finished();
    return true;
  }
  return read_other(timer, ticks);
}

// 0 for a clock that went back.
inline uint64_t elapsed(const TimerObject* timer, uint64_t begin, uint64_t end) {
  if (timer->kind <= Kind::tsc_fenced) [[likely]]
    return timer->machine->elapsed_ns(begin, end);
  return end > begin ? end - begin : 0;
}

// ---- TimerScope

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

// ---- the descriptor that gives a scope as its own bound method

struct SelfBinderObject {
  PyObject_HEAD PyObject* method;  // the method descriptor that it stands in for
};

PyObject* binder_method(PyObject* self) { return reinterpret_cast<SelfBinderObject*>(self)->method; }

PyObject* bind_self(PyObject* self, PyObject* object, PyObject* type) {
  PyObject* method = binder_method(self);
  if (object != nullptr && Py_TYPE(object) == PyDescr_TYPE(method)) return Py_NewRef(object);
  return Py_TYPE(method)->tp_descr_get(method, object, type);
}

int traverse_binder(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(binder_method(self));
  return 0;
}

// No tp_clear: the cycle through the type's dictionary is cleared there.
void deallocate_binder(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_DECREF(binder_method(self));
  type->tp_free(self);
  Py_DECREF(type);
}

PyType_Slot binder_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate_binder)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse_binder)},
    {Py_tp_descr_get, reinterpret_cast<void*>(bind_self)},
    {0, nullptr},
};

PyType_Spec binder_spec = {
    "latencykit._core._SelfBinder",
    sizeof(SelfBinderObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    binder_slots,
};

// Puts a binder in the place of one of the scope's methods. 0, or -1 with an error.
int bind_by_self(PyTypeObject* scope_type, PyTypeObject* binder_type, const char* name) {
  PyObject* type = reinterpret_cast<PyObject*>(scope_type);
  PyObject* method = PyObject_GetAttrString(type, name);
  if (method == nullptr) return -1;
  PyObject* binder = binder_type->tp_alloc(binder_type, 0);
  if (binder == nullptr) {
    Py_DECREF(method);
    return -1;
  }
  reinterpret_cast<SelfBinderObject*>(binder)->method = method;
  const int failed = PyObject_SetAttrString(type, name, binder);
  Py_DECREF(binder);
  return failed;
}

int add_scope(PyObject* module) {
  ModuleState* state = state_of_module(module);
  if (add_type(module, &scope_spec, &state->timer_scope) < 0) return -1;
  PyObject* binder = PyType_FromModuleAndSpec(module, &binder_spec, nullptr);
  if (binder == nullptr) return -1;
  PyTypeObject* binder_type = reinterpret_cast<PyTypeObject*>(binder);
  const int failed = bind_by_self(state->timer_scope, binder_type, "__enter__") ||
                     bind_by_self(state->timer_scope, binder_type, "__exit__");
  Py_DECREF(binder);
  state->timer_scope->tp_flags |= Py_TPFLAGS_IMMUTABLETYPE;
  return failed ? -1 : 0;
}

// ---- PrecisionTimer

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

PyObject* scope_memory(TimerObject* timer) {
  if (timer->free_count > 0) return PyObject_Init(timer->free[--timer->free_count], timer->scope_type);
  return reinterpret_cast<PyObject*>(PyObject_GC_New(ScopeObject, timer->scope_type));
}

PyObject* measure(PyObject* self, PyObject* stats) {
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

PyObject* get_clock(PyObject* self, void*) {
  PyObject* clock = as_timer(self)->clock;
  return Py_NewRef(clock != nullptr ? clock : Py_None);
}

// The bound now_ns of a clock that is any object, or nullptr with an error.
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
    timer->kind = timer->machine->source() != ClockSource::tsc ? Kind::monotonic
                  : fenced                                     ? Kind::tsc_fenced
                                                               : Kind::tsc;
  } else {
    timer->clock = Py_NewRef(clock);
    timer->kind = simulated ? Kind::simulated : Kind::object;
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
    {"measure", measure, METH_O,
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
  if (add_scope(module) < 0) return -1;
  return add_type(module, &timer_spec, &state_of_module(module)->precision_timer);
}

}  // namespace latencykit::bind

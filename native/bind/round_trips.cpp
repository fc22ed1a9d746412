// Round trips between two native threads, for the suite of queues and for their limits.
#include "latency/round_trips.h"

#include "bind/types.h"
#include "latency/tsc_clock.h"

#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include <algorithm>
#include <atomic>
#include <system_error>
#include <utility>

namespace latencykit::bind {
namespace {

// How often this process is the child of a fork since the module was imported. An echo's thread stays with the parent.
std::atomic<unsigned> forks{0};

struct EchoObject {
  PyObject ob_base;
  Echo* echo;
  int cpu;
  unsigned made_after;  // So many forks.
};

EchoObject* as_echo(PyObject* object) { return reinterpret_cast<EchoObject*>(object); }

bool read_kind(ModuleState* state, PyObject* argument, ChannelKind* kind) {
  constexpr struct {
    const char* name;
    ChannelKind kind;
  } kKinds[] = {{"cache_line", ChannelKind::kLine}, {"spsc", ChannelKind::kSpsc},
                {"mpmc", ChannelKind::kMpmc},       {"unbounded", ChannelKind::kUnbounded},
                {"mutex", ChannelKind::kMutex},     {"condition", ChannelKind::kCondition}};
  for (const auto& known : kKinds) {
    if (PyUnicode_Check(argument) && PyUnicode_CompareWithASCIIString(argument, known.name) == 0) {
      *kind = known.kind;
      return true;
    }
  }
  PyErr_Format(state->invalid_value,
               "kind %R is unknown; use 'cache_line', 'spsc', 'mpmc', 'unbounded', 'mutex' or 'condition'", argument);
  return false;
}

bool is_inherited(const EchoObject* self) { return self->made_after != forks.load(std::memory_order_relaxed); }

// Ends the other thread. In the child of a fork there is none to be joined, and the memory is left alone.
void end_echo(EchoObject* self) {
  Echo* echo = std::exchange(self->echo, nullptr);
  if (!is_inherited(self)) delete echo;
}

PyObject* refuse_thread(ModuleState* state) {
  PyErr_SetString(state->capacity, "the system refused to start a thread; end some others first");
  return nullptr;
}

PyObject* refuse_cpu(ModuleState* state, int cpu) {
  return PyErr_Format(state->invalid_value, "CPU %d cannot be pinned to; choose one that this process may use", cpu);
}

// An echo on this CPU, or nullptr with an error.
Echo* start_echo(ModuleState* state, ChannelKind kind, int cpu) {
  try {
    std::unique_ptr<Echo> echo = make_echo(kind, cpu);
    if (echo->pinned()) return echo.release();
    refuse_cpu(state, cpu);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::system_error&) {
    refuse_thread(state);
  }
  return nullptr;
}

// A CPU that the process may use beside the one on which it runs now, or -1. Throws std::system_error without a thread.
int another_cpu() {
  const int here = ::sched_getcpu();
  int found = -1;
  // On a thread of its own: the caller's may be pinned to one CPU, and is to stay so.
  std::thread([here, &found] {
    const int most = static_cast<int>(std::min<long>(::sysconf(_SC_NPROCESSORS_CONF), CPU_SETSIZE));
    for (int cpu = 0; cpu < most && found < 0; ++cpu) {
      if (cpu != here && pin_this_thread(cpu)) found = cpu;
    }
  }).join();
  return found;
}

PyObject* echo_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"kind", "cpu", nullptr};
  PyObject *kind_argument = nullptr, *cpu_argument = Py_None;
  ChannelKind kind = ChannelKind::kLine;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O", const_cast<char**>(names), &kind_argument, &cpu_argument) ||
      !read_kind(state_of(type), kind_argument, &kind)) {
    return nullptr;
  }
  int cpu = 0;
  if (cpu_argument == Py_None) {
    try {
      cpu = another_cpu();
    } catch (const std::system_error&) {
      return refuse_thread(state_of(type));
    }
    if (cpu < 0) {
      PyErr_SetString(state_of(type)->unsupported,
                      "there is no second CPU for the echo thread; run on a larger machine");
      return nullptr;
    }
  } else {
    const long number = PyLong_AsLong(cpu_argument);
    if (number == -1 && PyErr_Occurred()) return nullptr;
    cpu = static_cast<int>(std::clamp(number, -1L, static_cast<long>(CPU_SETSIZE)));
  }
  Echo* echo = start_echo(state_of(type), kind, cpu);
  if (echo == nullptr) return nullptr;
  PyObject* object = type->tp_alloc(type, 0);
  if (object == nullptr) {
    delete echo;
    return nullptr;
  }
  as_echo(object)->echo = echo;
  as_echo(object)->cpu = cpu;
  as_echo(object)->made_after = forks.load(std::memory_order_relaxed);
  return object;
}

// Holds the GIL: a trip takes less than giving it up would.
PyObject* echo_trip(PyObject* object, PyObject*) {
  if (as_echo(object)->echo == nullptr) {
    PyErr_SetString(state_of(Py_TYPE(object))->closed, "the echo is closed; make another");
    return nullptr;
  }
  if (is_inherited(as_echo(object))) [[unlikely]] {
    PyErr_SetString(state_of(Py_TYPE(object))->invalid_state,
                    "the echo was inherited by a fork, and its thread stays with the parent; make another here");
    return nullptr;
  }
  as_echo(object)->echo->trip();
  Py_RETURN_NONE;
}

PyObject* echo_close(PyObject* object, PyObject*) {
  end_echo(as_echo(object));
  Py_RETURN_NONE;
}

PyObject* echo_cpu(PyObject* object, void*) { return PyLong_FromLong(as_echo(object)->cpu); }

void echo_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  end_echo(as_echo(object));
  type->tp_free(object);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}

constexpr npy_intp kMostTrips = 100'000'000;
constexpr npy_intp kTripsPerLook = 1 << 16;  // Between two looks at pending signals.

// 0 if every trip was timed, 1 if the CPU was refused, -1 with an error: a signal's handler raised, or no thread.
int time_trips(ModuleState* state, Echo* echo, int cpu, std::uint64_t* ticks, npy_intp count) {
  const bool tsc = TscClock::instance().source() == ClockSource::tsc;
  for (npy_intp done = 0; done < count; done += kTripsPerLook) {
    const auto now = static_cast<std::size_t>(std::min(kTripsPerLook, count - done));
    bool pinned = false, started = true;
    Py_BEGIN_ALLOW_THREADS;
    try {
      pinned = tsc ? time_round_trips<TscTicks>(*echo, cpu, ticks + done, now)
                   : time_round_trips<MonotonicTicks>(*echo, cpu, ticks + done, now);
    } catch (const std::system_error&) {
      started = false;
    }
    Py_END_ALLOW_THREADS;
    if (!started) {
      refuse_thread(state);
      return -1;
    }
    if (!pinned) return 1;
    if (PyErr_CheckSignals() < 0) return -1;
  }
  return 0;
}

PyObject* round_trips(PyObject* module, PyObject* args) {
  ModuleState* state = state_of_module(module);
  PyObject* kind_argument = nullptr;
  Py_ssize_t count = 0;
  int cpu = 0, echo_at = 0;
  ChannelKind kind = ChannelKind::kLine;
  if (!PyArg_ParseTuple(args, "Onii", &kind_argument, &count, &cpu, &echo_at) ||
      !read_kind(state, kind_argument, &kind)) {
    return nullptr;
  }
  if (count < 1 || count > kMostTrips) {
    return PyErr_Format(state->invalid_value, "count %zd is out of range; use 1 to %zd", count, kMostTrips);
  }
  if (::sysconf(_SC_NPROCESSORS_ONLN) < 2) {
    PyErr_SetString(state->unsupported, "there is one CPU; round trips between two need a larger machine");
    return nullptr;
  }
  if (cpu == echo_at) {
    return PyErr_Format(state->invalid_value, "both threads would run on CPU %d; give two different ones", cpu);
  }
  npy_intp length = count;
  PyObject* ticks = PyArray_SimpleNew(1, &length, NPY_UINT64);
  if (ticks == nullptr) return nullptr;
  Echo* echo = start_echo(state, kind, echo_at);
  if (echo == nullptr) {
    Py_DECREF(ticks);
    return nullptr;
  }
  auto* out = static_cast<std::uint64_t*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(ticks)));
  const int failed = time_trips(state, echo, cpu, out, length);
  delete echo;
  if (failed == 0) return ticks;
  Py_DECREF(ticks);
  return failed > 0 ? refuse_cpu(state, cpu) : nullptr;
}

PyMethodDef echo_methods[] = {
    {"trip", echo_trip, METH_NOARGS,
     "trip($self, /)\n--\n\nSend a number to the other thread and wait until it is back."},
    {"close", echo_close, METH_NOARGS, "close($self, /)\n--\n\nEnd the other thread."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef echo_properties[] = {
    {"cpu", echo_cpu, nullptr, "The CPU that the other thread is pinned to.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot echo_slots[] = {
    {Py_tp_doc, const_cast<char*>("Echo(kind, cpu=None)\n--\n\n"
                                  "A native thread, pinned to another CPU, that sends back what it receives.")},
    {Py_tp_new, reinterpret_cast<void*>(echo_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(echo_dealloc)},
    {Py_tp_methods, echo_methods},
    {Py_tp_getset, echo_properties},
    {0, nullptr},
};

PyType_Spec echo_spec = {"latencykit._core.Echo", sizeof(EchoObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
                         echo_slots};

PyMethodDef functions[] = {
    {"round_trips", round_trips, METH_VARARGS,
     "round_trips(kind, count, cpu, echo_cpu, /)\n--\n\n"
     "Time round trips between two native threads; return the ticks of each."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_round_trips(PyObject* module) {
  static const int watching = ::pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
  if (watching != 0) {
    PyErr_NoMemory();
    return -1;
  }
  if (add_type(module, &echo_spec, &state_of_module(module)->echo) < 0) return -1;
  return PyModule_AddFunctions(module, functions);
}

}  // namespace latencykit::bind

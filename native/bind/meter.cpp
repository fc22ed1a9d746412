// spin_meter: how much of a spinning CPU's time somebody else took.
#include "bind/types.h"
#include "latency/hiccup_meter.h"
#include "latency/tsc_clock.h"

namespace latencykit::bind {
namespace {

template <typename Clock>
HiccupReading spin(uint64_t duration, uint64_t threshold) {
  Clock clock;
  return spin_meter(clock, duration, threshold);
}

// An hour: the spin cannot be interrupted.
constexpr unsigned long long kLongestNs = 3'600'000'000'000;

bool read_ns(ModuleState* state, PyObject* object, const char* name, unsigned long long* ns) {
  *ns = PyLong_AsUnsignedLongLong(object);
  const bool failed = *ns == static_cast<unsigned long long>(-1) && PyErr_Occurred();
  if (failed && !PyErr_ExceptionMatches(PyExc_OverflowError)) return false;
  if (!failed && *ns <= kLongestNs) return true;
  PyErr_Format(state->invalid_value, "%s is %R; it must be within 0 and %llu", name, object, kLongestNs);
  return false;
}

PyObject* meter(PyObject* module, PyObject* args) {
  PyObject *duration = nullptr, *threshold = nullptr;
  unsigned long long duration_ns = 0, threshold_ns = 0;
  if (!PyArg_ParseTuple(args, "OO", &duration, &threshold)) return nullptr;
  if (!read_ns(state_of_module(module), duration, "duration_ns", &duration_ns) ||
      !read_ns(state_of_module(module), threshold, "threshold_ns", &threshold_ns)) {
    return nullptr;
  }
  const TscClock& clock = TscClock::instance();
  const double scale = clock.ns_per_tick();
  const auto to_ticks = [scale](uint64_t ns) { return static_cast<uint64_t>(static_cast<double>(ns) / scale); };
  const auto to_ns = [scale](uint64_t ticks) {
    return static_cast<unsigned long long>(static_cast<double>(ticks) * scale);
  };
  HiccupReading r;
  Py_BEGIN_ALLOW_THREADS;
  r = clock.source() == ClockSource::tsc ? spin<TscTicks>(to_ticks(duration_ns), to_ticks(threshold_ns))
                                         : spin<MonotonicTicks>(duration_ns, threshold_ns);
  Py_END_ALLOW_THREADS;
  return Py_BuildValue("(KKKK)", to_ns(r.observed), to_ns(r.lost), static_cast<unsigned long long>(r.count),
                       to_ns(r.longest));
}

PyMethodDef functions[] = {
    {"spin_meter", meter, METH_VARARGS,
     "spin_meter(duration_ns, threshold_ns, /)\n--\n\n"
     "Spin for a while without the GIL and return (observed_ns, lost_ns, hiccups, longest_ns)."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_meter(PyObject* module) { return PyModule_AddFunctions(module, functions); }

}  // namespace latencykit::bind

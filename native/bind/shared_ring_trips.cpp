// Round trips through two shared rings, driven from Python and run by native threads.
#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include "bind/numbers.h"
#include "bind/shared_ring.h"
#include "bind/types.h"
#include "latency/round_trips.h"
#include "latency/shared_ring_trips.h"
#include "latency/tsc_clock.h"

namespace latencykit::bind {
namespace {

struct TripArguments {
  SharedRingObject* to;
  SharedRingObject* from;
  std::int64_t count;
  std::int64_t cpu;
};

bool read_trips(ModuleState* state, PyObject* const* given, Py_ssize_t count, TripArguments* trips) {
  if (count != 4 || Py_TYPE(given[0]) != state->shared_ring || Py_TYPE(given[1]) != state->shared_ring) {
    PyErr_SetString(state->invalid_type,
                    "round trips take the ring to push to, the ring to pop from, a count and a CPU");
    return false;
  }
  trips->to = as_ring(given[0]);
  trips->from = as_ring(given[1]);
  if (!read_int(state->shared_ring, given[2], "count", &trips->count)) return false;
  if (!read_int(state->shared_ring, given[3], "cpu", &trips->cpu)) return false;
  if (trips->count < 0 || trips->count > (std::int64_t{1} << 32)) {
    PyErr_Format(state->invalid_value, "count %R is out of range; use 0 to 2^32", given[2]);
    return false;
  }
  if (trips->to == trips->from || PyDataType_ELSIZE(trips->to->dtype) != PyDataType_ELSIZE(trips->from->dtype)) {
    PyErr_SetString(state->invalid_value, "round trips need two rings with records of one size");
    return false;
  }
  return as_producer(trips->to) != nullptr && as_consumer(trips->from) != nullptr;
}

bool say_end(ModuleState* state, const TripArguments& trips, bool pinned, TripsEnd end) {
  if (!pinned) {
    PyErr_Format(state->invalid_value, "CPU %lld is not one that this process may run on",
                 static_cast<long long>(trips.cpu));
  } else if (end == TripsEnd::kOthersGone) {
    PyErr_Format(state->invalid_state, "the other side of rings %R and %R is gone; start it again", trips.to->name,
                 trips.from->name);
  } else if (end == TripsEnd::kWrongRecord) {
    PyErr_Format(state->data_error, "a record came back through ring %R that was not sent; let one echo run",
                 trips.from->name);
  }
  return pinned && end == TripsEnd::kDone;
}

// Runs f(trips) on a thread of its own on the CPU, without the GIL; Ctrl-C ends it. False with an exception.
template <typename F>
bool run_pinned(ModuleState* state, const TripArguments& trips, F f) {
  const std::shared_ptr<RingPeer> to = trips.to->peer, from = trips.from->peer;
  std::atomic<bool> stop{false};
  bool pinned = false;
  TripsEnd end = TripsEnd::kStopped;
  bool interrupted = false;
  trips.to->lent = trips.from->lent = true;
  const bool ran = caught(state, trips.to->name, [&] {
    std::future<void> running = std::async(std::launch::async, [&] {
      pinned = pin_this_thread(static_cast<int>(std::clamp<std::int64_t>(trips.cpu, -1, CPU_SETSIZE)));
      if (!pinned) return;
      RingTrips both(*to, *from, stop);
      end = f(both);
    });
    for (bool done = false; !done;) {
      Py_BEGIN_ALLOW_THREADS;
      done = running.wait_for(std::chrono::milliseconds(50)) == std::future_status::ready;
      Py_END_ALLOW_THREADS;
      if (!done && !interrupted && PyErr_CheckSignals() < 0) {
        interrupted = true;
        stop.store(true, std::memory_order_relaxed);
      }
    }
    running.get();
  });
  trips.to->lent = trips.from->lent = false;
  if (interrupted) return false;
  if (to->is_cut() || from->is_cut()) {
    PyErr_Clear();
    raise_ring_cut(state, (to->is_cut() ? trips.to : trips.from)->name);
    return false;
  }
  return ran && say_end(state, trips, pinned, end);
}

PyObject* shared_ring_echo(PyObject* module, PyObject* const* given, Py_ssize_t count) {
  ModuleState* state = state_of_module(module);
  TripArguments trips;
  if (!read_trips(state, given, count, &trips)) return nullptr;
  const auto echo = [&](RingTrips& both) { return both.echo(static_cast<std::size_t>(trips.count)); };
  if (!run_pinned(state, trips, echo)) return nullptr;
  Py_RETURN_NONE;
}

PyObject* shared_ring_round_trips(PyObject* module, PyObject* const* given, Py_ssize_t count) {
  ModuleState* state = state_of_module(module);
  TripArguments trips;
  if (!read_trips(state, given, count, &trips)) return nullptr;
  npy_intp length = static_cast<npy_intp>(trips.count);
  PyObject* ticks = PyArray_SimpleNew(1, &length, NPY_UINT64);
  if (ticks == nullptr) return nullptr;
  auto* each = static_cast<std::uint64_t*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(ticks)));
  const auto time = [&](RingTrips& both) { return both.time<TscTicks>(each, static_cast<std::size_t>(trips.count)); };
  if (!run_pinned(state, trips, time)) Py_CLEAR(ticks);
  return ticks;
}

PyMethodDef functions[] = {
    {"shared_ring_echo", as_method(shared_ring_echo), METH_FASTCALL,
     "shared_ring_echo($module, to, from_, count, cpu, /)\n--\n\n"
     "Push each of so many records that come from one ring to the other, spinning on this CPU."},
    {"shared_ring_round_trips", as_method(shared_ring_round_trips), METH_FASTCALL,
     "shared_ring_round_trips($module, to, from_, count, cpu, /)\n--\n\n"
     "Send so many records to an echo, one after the other, spinning on this CPU; the ticks of each trip."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_shared_ring_trips(PyObject* module) { return PyModule_AddFunctions(module, functions); }

}  // namespace latencykit::bind

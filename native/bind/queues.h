// What the queue types share: reading capacities and timeouts, waiting, the end of a queue, and raising.
//
// All methods run with the GIL, so operations on one queue come one after the other whoever calls, and a queue for one
// producer cannot be damaged by two. The GIL is given up only while waiting; native code that looks at a ring meanwhile
// reads nothing but its atomic positions.
#pragma once

#include "bind/types.h"
#include "latency/waiting.h"

namespace latencykit::bind {

// Items that a bounded queue may hold at most: beyond that a capacity is taken for a mistake.
inline constexpr Py_ssize_t kMostQueued = Py_ssize_t{1} << 32;

// One end of a queue, where those sleep who wait at it. All but the gate is touched with the GIL only.
struct QueueEnd {
  Gate<> gate;
  std::uint32_t notice = 0;  // Sleepers here, and 1 for the end of the queue: what an operation must look out for.
};

// What every queue has beside its ring.
struct QueueEnds {
  QueueEnd filled;   // Where consumers wait for pushes.
  QueueEnd emptied;  // Where producers wait for pops.
  Wait wait;
  bool closed;
};

enum class Waited { kLook, kTimeout, kError };

bool read_queue_capacity(ModuleState* state, PyObject* argument, std::size_t* capacity);
bool read_wait(ModuleState* state, PyObject* argument, Wait* wait);

// The moment on CLOCK_MONOTONIC at which so many seconds (or None: never) are over.
bool read_timeout(ModuleState* state, PyObject* argument, std::uint64_t* deadline_ns);

// At most how many: None for all there are.
bool read_most(ModuleState* state, PyObject* argument, std::size_t* most);

// One argument that may be left out and may be given by name; *value stays as it is if it is.
bool read_optional(ModuleState* state, const char* function, const char* name, PyObject* const* arguments,
                   Py_ssize_t count, PyObject* names, PyObject** value);

PyObject* refuse_closed(ModuleState* state, const char* what);
PyObject* raise_full(std::size_t capacity);
PyObject* raise_empty();

// After an item was pushed, or popped. The GIL is the lock that notify_locked() asks for.
inline void notify(QueueEnd& end, std::uint32_t threads) { end.gate.notify_locked(threads); }

// A moment of waiting at a gate. `look` tells, without the GIL, whether it is worth trying again; `recheck` the same
// with the GIL, before going to sleep. The caller tries, and comes back if there is still nothing.
template <typename Look, typename Recheck>
Waited wait_once(QueueEnd& end, Wait wait, std::uint64_t deadline_ns, Look look, Recheck recheck) {
  if (monotonic_ns() >= deadline_ns) return Waited::kTimeout;
  bool found = false;
  // Looks end every 100 ms, as sleeps do, for signals.
  const std::uint64_t signals_at = monotonic_ns() + static_cast<std::uint64_t>(kLongestSleepNs);
  PyThreadState* saved = PyEval_SaveThread();
  found = look_until(look, wait, deadline_ns < signals_at ? deadline_ns : signals_at);
  PyEval_RestoreThread(saved);
  if (PyErr_CheckSignals() < 0) return Waited::kError;
  if (found || wait != Wait::kPark) return Waited::kLook;
  const std::uint64_t now = monotonic_ns();
  if (now >= deadline_ns) return Waited::kLook;  // The caller's last try comes first.
  ++end.notice;
  const std::uint32_t turn = end.gate.enter();
  if (!recheck()) {
    const std::uint64_t left = deadline_ns - now;
    saved = PyEval_SaveThread();
    end.gate.sleep(
        turn, left > static_cast<std::uint64_t>(kLongestSleepNs) ? kLongestSleepNs : static_cast<std::int64_t>(left));
    PyEval_RestoreThread(saved);
  }
  end.gate.leave();
  --end.notice;
  if (PyErr_CheckSignals() < 0) {
    notify(end, 1);  // What it may have been woken for is for another.
    return Waited::kError;
  }
  return Waited::kLook;
}

// Closes: from here on pushes are refused, and whoever waits finds out.
inline void close_ends(QueueEnds& ends) {
  if (ends.closed) return;
  ends.closed = true;
  ++ends.filled.notice;
  notify(ends.filled, ~std::uint32_t{0});
  notify(ends.emptied, ~std::uint32_t{0});
}

}  // namespace latencykit::bind

// What the queue types share: reading capacities and timeouts, waiting, the end of a queue, and raising.
//
// All methods run with the GIL, so operations on one queue come one after the other whoever calls, and a queue for one
// producer cannot be damaged by two. The GIL is given up only while waiting; native code that looks at a ring meanwhile
// reads nothing but its atomic positions.
#pragma once

#include <algorithm>

#include "bind/types.h"
#include "latency/waiting.h"

namespace latencykit::bind {

// Items that a bounded queue may hold at most: beyond that a capacity is taken for a mistake.
inline constexpr Py_ssize_t kMostQueued = Py_ssize_t{1} << 32;

inline constexpr std::size_t kAllWaiters = ~std::size_t{0};

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

// Seconds from 0 on, or None for infinity. Read before anything is done: a wrong one is refused also where it would not
// have been needed, and the code that reading it may run finds the queue as it was.
bool read_timeout(ModuleState* state, PyObject* argument, double* seconds);

// The moment on CLOCK_MONOTONIC at which so many seconds are over.
std::uint64_t deadline_after(double seconds);

// At most how many: None for all there are.
bool read_most(ModuleState* state, PyObject* argument, std::size_t* most);

// One argument that may be left out and may be given by name; *value stays as it is if it is.
bool read_optional(ModuleState* state, const char* function, const char* name, PyObject* const* arguments,
                   Py_ssize_t count, PyObject* names, PyObject** value);

PyObject* refuse_closed(ModuleState* state, const char* what);
PyObject* refuse_drained(ModuleState* state);
PyObject* raise_full(std::size_t capacity);
PyObject* raise_empty();

// After so many items were pushed, or popped. The GIL is the lock that notify_locked() asks for.
inline void notify(QueueEnd& end, std::size_t items) {
  end.gate.notify_locked(static_cast<std::uint32_t>(std::min<std::size_t>(items, ~std::uint32_t{0})));
}

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

// Whether a try is worth it, also without the GIL. `closed` is written with the GIL: a plain flag that only ever turns
// true, seen late at worst.
template <typename Ring>
bool can_push(const Ring& ring, const QueueEnds& ends) {
  return !ring.looks_full() || __atomic_load_n(&ends.closed, __ATOMIC_RELAXED);
}
template <typename Ring>
bool can_pop(const Ring& ring, const QueueEnds& ends) {
  return !ring.looks_empty() || __atomic_load_n(&ends.closed, __ATOMIC_RELAXED);
}

// Tries, and waits for room in between: 1 if pushed, -1 with an error. `push()` is one try: 1, 0 if full, or -1.
template <typename Ring, typename Push>
int push_waiting(const Ring& ring, QueueEnds& ends, double timeout, Push push) {
  int pushed = push();
  if (pushed != 0) return pushed;
  const std::uint64_t deadline = deadline_after(timeout);
  const auto look = [&] { return can_push(ring, ends); };
  while (pushed == 0) {
    const Waited waited = wait_once(ends.emptied, ends.wait, deadline, look, look);
    if (waited == Waited::kError) return -1;
    pushed = push();
    if (pushed == 0 && waited == Waited::kTimeout) {
      raise_full(ring.size());
      return -1;
    }
  }
  return pushed;
}

// Tries, and waits for an item in between; nullptr with an error. `pop()` is one try: nullptr without an error if there
// is nothing.
template <typename Ring, typename Pop>
PyObject* pop_waiting(ModuleState* state, const Ring& ring, QueueEnds& ends, double timeout, Pop pop) {
  PyObject* item = pop();
  if (item != nullptr || PyErr_Occurred()) return item;
  const std::uint64_t deadline = deadline_after(timeout);
  const auto look = [&] { return can_pop(ring, ends); };
  for (;;) {
    if (ends.closed) return refuse_drained(state);
    const Waited waited = wait_once(ends.filled, ends.wait, deadline, look, look);
    if (waited == Waited::kError) return nullptr;
    item = pop();
    if (item != nullptr || PyErr_Occurred()) return item;
    if (waited == Waited::kTimeout && !ends.closed) return raise_empty();
  }
}

// Closes: from here on pushes are refused, and whoever waits finds out.
inline void close_ends(QueueEnds& ends) {
  if (ends.closed) return;
  ends.closed = true;
  ++ends.filled.notice;
  notify(ends.filled, kAllWaiters);
  notify(ends.emptied, kAllWaiters);
}

}  // namespace latencykit::bind

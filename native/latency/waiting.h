// How a thread waits for a queue: it spins, then yields its CPU, then sleeps in the kernel until it is woken.
//
// Gate: where threads sleep, without a wake-up being lost.
//   * A waiter enters the gate, looks at the queue once more, and only then sleeps. Whoever changes the queue looks at
//     the gate afterwards. Each of the two writes first and reads second, so one of them must see the other's write; that
//     takes more than release and acquire, because a store may be delayed past a later load of another word.
//   * notify() therefore reads the number of sleepers by an atomic addition of zero. It and the waiter's own addition
//     come in one order: if the waiter's is first, it is seen and woken; if not, the waiter acquires what the notifier
//     did before, and its second look finds the change. (A fence on both sides would do too, but sanitizers do not know
//     fences.) The addition is a full barrier on x86-64, some nanoseconds, paid on every push and every pop.
//   * notify_locked() is a plain load, for callers that hold a lock which every waiter holds from entering the gate until
//     after its second look. Then the lock orders the two. Calls from Python hold the GIL, which is such a lock: the
//     queues of Python objects pay nothing for their waiters.
//   * The turn, which the kernel compares before it puts a thread to sleep, changes with every notification that finds
//     a sleeper: a notification between the second look and the sleep ends the sleep before it begins. After 2^32
//     notifications within that moment it would be missed; a sleep is therefore never longer than kLongestSleepNs.
//   * Whoever is woken and leaves without taking anything (because of an exception) passes the notification on.
// waiting_test.cpp checks all interleavings, and that the check sees a missing second look, a missing change of turn, and
// notify_locked() without a lock.
//
// Fairness: none. Sleepers are woken in the kernel's order, and a thread that comes just then may be first.
#pragma once

#include <sched.h>

#include <algorithm>
#include <cstdint>

#include "latency/atomics.h"
#include "latency/tsc_clock.h"

namespace latencykit {

// How far a waiter goes: only spins (fastest to notice, takes a CPU), yields as well, or sleeps in the end.
enum class Wait : std::uint8_t { kSpin, kYield, kPark };

// Spinning for longer than a message takes to come back between two cores gains little; yielding bridges the time in
// which a sleep and its wake-up, some 5 microseconds each, would cost more than they save.
inline constexpr std::uint64_t kSpinNs = 10'000;
inline constexpr std::uint64_t kYieldNs = 50'000;
// Also how long a signal may go unnoticed that arrives just before a sleep begins.
inline constexpr std::int64_t kLongestSleepNs = 100'000'000;

template <typename Atomics = HardwareAtomics>
class Gate {
 public:
  // Waiter: from here on notifications are meant for it. The answer goes to sleep().
  std::uint32_t enter() {
    sleepers_.fetch_add(1, std::memory_order_acq_rel);
    return turn_.load(std::memory_order_acquire);
  }

  // Waiter: sleeps until notified, for at most so long; may return for no reason. Look at the queue before and after.
  void sleep(std::uint32_t turn, std::int64_t longest_ns = kLongestSleepNs) {
    Atomics::park(turn_, turn, std::min(longest_ns, kLongestSleepNs));
  }

  void leave() { sleepers_.fetch_sub(1, std::memory_order_relaxed); }

  // After a change that up to `threads` waiters may be waiting for.
  void notify(std::uint32_t threads) {
    if (sleepers_.fetch_add(0, std::memory_order_acq_rel) != 0) wake(threads);
  }

  // The same under a lock that waiters hold between enter() and their second look.
  void notify_locked(std::uint32_t threads) {
    if (sleepers_.load(std::memory_order_relaxed) != 0) [[unlikely]] {
      wake(threads);
    }
  }

 private:
  [[gnu::noinline]] void wake(std::uint32_t threads) {
    turn_.fetch_add(1, std::memory_order_release);
    Atomics::wake(turn_, threads);
  }

  typename Atomics::template Atomic<std::uint32_t> sleepers_{0};
  typename Atomics::template Atomic<std::uint32_t> turn_{0};
};

// Tries until it succeeds, asleep in between. Whoever makes it succeed calls notify().
template <typename Atomics, typename Try>
void sleep_until(Gate<Atomics>& gate, Try attempt) {
  while (!attempt()) {
    const std::uint32_t turn = gate.enter();
    const bool done = attempt();
    if (!done) gate.sleep(turn);
    gate.leave();
    if (done) return;
  }
}

// Whether this thread has one CPU only: whoever it waits for may need that one, and spinning keeps it away.
inline bool has_one_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1;
}

// Looks until `done()` or the deadline (on CLOCK_MONOTONIC), spinning at first and then, unless told to spin only,
// yielding; with Wait::kPark it gives up after a while, when it is time to sleep. Returns whether it is done.
template <typename Done>
bool look_until(Done done, Wait wait, std::uint64_t deadline_ns) {
  constexpr int kLooksPerTime = 32;  // Reading the clock costs as much as many looks.
  const std::uint64_t begin = monotonic_ns();
  const std::uint64_t spin_ns = has_one_cpu() ? 0 : kSpinNs;
  for (;;) {
    for (int i = 0; i < kLooksPerTime; ++i) {
      if (done()) return true;
      relax();
    }
    const std::uint64_t now = monotonic_ns();
    if (now >= deadline_ns) return false;
    if (wait == Wait::kSpin || now - begin < spin_ns) continue;
    if (wait == Wait::kPark && now - begin >= spin_ns + kYieldNs) return false;
    ::sched_yield();
  }
}

}  // namespace latencykit

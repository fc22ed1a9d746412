// Where processes sleep for a ring in shared memory, without a wake-up being lost and without trusting each other.
//
// Promises
//   * notify() makes a system call only if somebody went to sleep since the last call that did. It is an atomic addition
//     of zero otherwise: a waiter writes first and looks second, and so does who notifies, so that one of them must see
//     the other (as in waiting.h, where the reasoning is).
//   * Who dies asleep costs the others one needless wake-up: the mark of sleepers is cleared by who wakes them, and is no
//     count that a dead one could keep above zero.
//   * Who dies between clearing the mark and waking delays the sleepers, but no longer than a sleep may be.
//
// Difference from the gate in waiting.h: that one counts sleepers in and out, which is right where a thread cannot
// vanish, and its futex is private to a process.
//
// Memory order
//   * A waiter reads the turn with acquire, then marks, then looks. Who notifies reads the mark after its change, by an
//     addition that is ordered with the waiter's own; then it clears the mark and moves the turn with release. A waiter
//     that read the new turn marks after the clearing, so its mark stays. A waiter that read the old turn does not fall
//     asleep, because the kernel compares the turn.
//   * The turn wraps after 2^32 wake-ups; to sleep through one, all of them must fall between a look and the sleep.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstdint>

#include "latency/atomics.h"

namespace latencykit {

// HardwareAtomics, with sleeps that end across processes: the kernel finds the sleepers by the page, not by the address.
struct SharedAtomics : HardwareAtomics {
  static void park(const Atomic<std::uint32_t>& word, std::uint32_t value, std::int64_t longest_ns) {
    const timespec longest{static_cast<time_t>(longest_ns / 1'000'000'000),
                           static_cast<long>(longest_ns % 1'000'000'000)};
    ::syscall(SYS_futex, &word, FUTEX_WAIT, value, &longest, nullptr, 0);
  }
  static void wake(const Atomic<std::uint32_t>& word, std::uint32_t) {
    ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free && std::atomic<std::uint64_t>::is_always_lock_free,
              "a lock hidden in a word would be of one process only");

template <typename Atomics = SharedAtomics>
class SharedGate {
 public:
  // How long a signal, a death or a lost wake-up may go unnoticed.
  static constexpr std::int64_t kLongestSleepNs = 50'000'000;

  // Sleeps until notified, unless `changed()`; may also return for no reason.
  template <typename Changed>
  void sleep(Changed changed, std::int64_t longest_ns = kLongestSleepNs) {
    const std::uint32_t turn = turn_.load(std::memory_order_acquire);
    asleep_.fetch_add(1, std::memory_order_acq_rel);
    if (!changed()) Atomics::park(turn_, turn, std::min(longest_ns, kLongestSleepNs));
  }

  // After a change that others may be waiting for.
  void notify() {
    if (asleep_.fetch_add(0, std::memory_order_acq_rel) != 0) [[unlikely]] {
      wake();
    }
  }

 private:
  [[gnu::noinline]] void wake() {
    asleep_.store(0, std::memory_order_relaxed);
    turn_.fetch_add(1, std::memory_order_release);
    Atomics::wake(turn_, UINT32_MAX);
  }

  alignas(kApart) typename Atomics::template Atomic<std::uint32_t> asleep_{0};
  typename Atomics::template Atomic<std::uint32_t> turn_{0};
};

}  // namespace latencykit

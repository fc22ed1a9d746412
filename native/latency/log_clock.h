// The clock of log records: raw ticks on the caller, turned into wall time by the backend.
//
// Promises
//   * log_ticks() is one instruction where the TSC is invariant and CLOCK_MONOTONIC elsewhere. It is not
//   fenced: a read
//     may move by some tens of nanoseconds against its neighbours, which the backend's merge allows for.
//   * WallClock needs no calibration pause. It pairs ticks with CLOCK_MONOTONIC at every wake-up of the
//   backend
//     and converts by the line through two pairs, so what is converted lies between or close to them.
//   * Times handed out never decrease from one call to the next, unless the wall clock itself was stepped.
// A WallClock belongs to one thread.
#pragma once

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

#include "latency/tsc_clock.h"

namespace latencykit {

inline std::int64_t clock_ns(clockid_t clock) {
  timespec now;
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Set by choose_log_clock() before the first record; the same for the whole process, so relaxed is enough.
inline std::atomic<bool> log_ticks_are_tsc{false};

inline void choose_log_clock() {
  static const bool tsc = TscClock::chosen_source() == ClockSource::tsc;
  log_ticks_are_tsc.store(tsc, std::memory_order_relaxed);
}

inline std::uint64_t log_ticks() {
  return log_ticks_are_tsc.load(std::memory_order_relaxed) ? TscTicks::read() : MonotonicTicks::read();
}

// Fenced: no load that comes after it in the program is done before it.
inline std::uint64_t log_ticks_before_loads() {
  return log_ticks_are_tsc.load(std::memory_order_relaxed) ? TscTicks::begin() : MonotonicTicks::begin();
}

// A pair of readings, and what else turns ticks into times; for whoever has to do it in another process.
struct WallClockState {
  std::uint64_t ticks;
  std::int64_t mono_ns;
  std::int64_t offset_ns;  // From CLOCK_MONOTONIC to the wall clock.
  std::int64_t last_mono_ns;
  double ns_per_tick;  // 0 if only one pair was ever taken.
};

// Ticks of a second. The first call may calibrate the process's clock, which takes 10 ms.
inline std::uint64_t log_ticks_in_a_second() {
  if (!log_ticks_are_tsc.load(std::memory_order_relaxed)) return 1'000'000'000;
  return static_cast<std::uint64_t>(1e9 / TscClock::instance().ns_per_tick());
}

class WallClock {
 public:
  // After choose_log_clock().
  WallClock() : base_(take_pair()), middle_(base_), latest_(base_), offset_(take_offset()) {}

  // A clock that stands where another stood; sample() is not to be called.
  explicit WallClock(const WallClockState& state)
      : base_{state.ticks, state.mono_ns},
        middle_(base_),
        latest_(base_),
        offset_(state.offset_ns),
        ns_per_tick_(state.ns_per_tick),
        last_mono_ns_(state.last_mono_ns) {}
  WallClockState state() const { return {latest_.ticks, latest_.mono_ns, offset_, last_mono_ns_, ns_per_tick_}; }

  // Takes a new pair; to be called before a batch is converted.
  void sample() {
    latest_ = take_pair();
    if (latest_.mono_ns - middle_.mono_ns > kWindowNs / 2) {
      base_ = middle_;
      middle_ = latest_;
    }
    const auto ticks = static_cast<double>(latest_.ticks - base_.ticks);
    if (ticks > 0) ns_per_tick_ = static_cast<double>(latest_.mono_ns - base_.mono_ns) / ticks;
    follow_steps(take_offset());
  }

  // Nanoseconds since 1970 (UTC) at these ticks.
  std::int64_t unix_ns(std::uint64_t ticks) {
    const auto ahead = static_cast<std::int64_t>(ticks - latest_.ticks);
    const auto mono = latest_.mono_ns + static_cast<std::int64_t>(static_cast<double>(ahead) * ns_per_tick_);
    last_mono_ns_ = std::max(last_mono_ns_, mono);
    return last_mono_ns_ + offset_;
  }

  // Ticks in `ns`, as far as is known by now; a guess of 5 GHz at first, which errs to the long side.
  std::uint64_t ticks_in(std::int64_t ns) const {
    return static_cast<std::uint64_t>(static_cast<double>(ns) / (ns_per_tick_ > 0 ? ns_per_tick_ : 0.2));
  }

 private:
  struct Pair {
    std::uint64_t ticks;
    std::int64_t mono_ns;
  };
  // Long enough that the 50 ns or so of doubt in a pair do not matter, short enough to follow a slewed clock.
  static constexpr std::int64_t kWindowNs = 8'000'000'000;
  // What two readings in a row may differ by without a step of the wall clock.
  static constexpr std::int64_t kStepNs = 20'000;

  // The tightest of three readings: an interrupt between the two clocks would tilt the line.
  static Pair take_pair() {
    Pair best{};
    std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
    for (int i = 0; i < 3; ++i) {
      const std::uint64_t before = log_ticks();
      const std::int64_t mono = clock_ns(CLOCK_MONOTONIC);
      const std::uint64_t after = log_ticks();
      if (after - before < least) {
        least = after - before;
        best = {before + least / 2, mono};
      }
    }
    return best;
  }

  static std::int64_t take_offset() {
    std::int64_t best = 0;
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    for (int i = 0; i < 3; ++i) {
      const std::int64_t before = clock_ns(CLOCK_MONOTONIC);
      const std::int64_t wall = clock_ns(CLOCK_REALTIME);
      const std::int64_t after = clock_ns(CLOCK_MONOTONIC);
      if (after - before < least) {
        least = after - before;
        best = wall - before - least / 2;
      }
    }
    return best;
  }

  // Both clocks are slewed alike, so the offset changes only when somebody sets the wall clock.
  void follow_steps(std::int64_t offset) {
    if (offset - offset_ > kStepNs || offset_ - offset > kStepNs) offset_ = offset;
  }

  Pair base_, middle_, latest_;
  std::int64_t offset_;
  double ns_per_tick_ = 0;
  std::int64_t last_mono_ns_ = 0;
};

}  // namespace latencykit

// Time from the processor's time-stamp counter, calibrated against CLOCK_MONOTONIC.
//
// Promises:
// - Ticks and nanoseconds are different types of quantity: raw ticks are uint64_t from read(), begin(), end() and
//   their like, nanoseconds come from a TscClock only.
// - now_ns() never goes backwards, in one thread or between threads, also across recalibrate(): a thread that has
//   loaded what another made of its time gets at least as much itself. A recalibration steers the rate towards
//   CLOCK_MONOTONIC, by 500 parts per million at most, it never steps. How that holds while rates change is in
//   timeline.h; what is needed here is that the counter is not read before the loads ahead of it.
// - That holds as long as the counter itself does not go back. Where it was set back behind all that the clock knows, as
//   on waking from a sleep that reset it, the clock starts anew from CLOCK_MONOTONIC at the next read or
//   recalibrate(); a smaller step back passes through to the reader.
// - So one fence stands ahead of the counter in now_ns(), and in begin() and end() for the same reason: an unfenced
//   read is done while loads ahead of it are still waiting for memory, and was seen hundreds of nanoseconds early.
//   ticks() is not fenced.
// - Where the counter is not invariant (its rate changes or stops with power states), or the processor is not
//   x86-64, the source is CLOCK_MONOTONIC and one tick is one nanosecond. Callers ask source() and say so.
// - The first use spins for 10 ms to calibrate; nothing happens at load time.
#pragma once

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include "latency/timeline.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace latencykit {

inline uint64_t monotonic_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

// The counter, as a pair of fenced reads. The first fence lets everything before retire, so that earlier work
// is not timed; the second keeps the timed work from starting before the read. rdtscp waits for the timed
// work itself, and the last fence keeps what follows from slipping into the interval.
//
// ordered() and finished() are begin() and end() without what keeps later work back, each half as dear: for a single
// time, and for scopes that must cost little. What follows such a read may share the processor with it.
struct TscTicks {
#if defined(__x86_64__)
  static uint64_t read() { return __rdtsc(); }
  static uint64_t ordered() {
    _mm_lfence();
    const uint64_t ticks = __rdtsc();
    // For the compiler: a load that it moved ahead of the counter could be any time older, not just reordered.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return ticks;
  }
  static uint64_t finished() {
    unsigned cpu;
    return __rdtscp(&cpu);
  }
  static uint64_t begin() {
    _mm_lfence();
    const uint64_t ticks = __rdtsc();
    _mm_lfence();
    return ticks;
  }
  static uint64_t end() {
    unsigned cpu;
    const uint64_t ticks = __rdtscp(&cpu);
    _mm_lfence();
    return ticks;
  }
#else
  static uint64_t read() { return monotonic_ns(); }
  static uint64_t ordered() { return monotonic_ns(); }
  static uint64_t finished() { return monotonic_ns(); }
  static uint64_t begin() { return monotonic_ns(); }
  static uint64_t end() { return monotonic_ns(); }
#endif
};

// The fallback: a vDSO call, tens of nanoseconds a read; the compiler cannot move work across it.
struct MonotonicTicks {
  static uint64_t read() { return monotonic_ns(); }
  static uint64_t begin() { return monotonic_ns(); }
  static uint64_t end() { return monotonic_ns(); }
};

// A clock that only moves when told to, in steps of `step` ticks as seen by a reader; one tick is one
// nanosecond. For tests and replays: what is measured with it is exact.
struct SimulatedTicks {
  uint64_t now = 0;
  uint64_t step = 1;
  uint64_t read_cost = 0;
  uint64_t read() {
    now += read_cost;
    return now - now % step;
  }
  uint64_t begin() { return read(); }
  uint64_t end() { return read(); }
};

enum class ClockSource { tsc, monotonic };

// True if CPUID says that the counter runs at a constant rate in all power states (Intel SDM vol. 3, 18.17.1).
inline bool cpu_has_invariant_tsc() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(0x80000007u, &a, &b, &c, &d) == 0) return false;
  return (d & (1u << 8)) != 0;
#else
  return false;
#endif
}

// The step by which a clock advances, in ticks: the largest s of which at least 95 % of the differences
// between successive reads are multiples, within one tick (a hypervisor that scales the counter makes uneven steps).
inline uint64_t clock_step(std::vector<uint64_t> differences) {
  std::erase(differences, 0u);
  if (differences.empty()) return 0;
  std::sort(differences.begin(), differences.end());
  const uint64_t typical = differences[differences.size() / 2];
  for (uint64_t step = typical; step > 1; --step) {
    const auto fits = std::count_if(differences.begin(), differences.end(), [step](uint64_t d) {
      const uint64_t rest = d % step;
      return rest <= 1 || step - rest <= 1;
    });
    if (static_cast<double>(fits) >= 0.95 * static_cast<double>(differences.size())) return step;
  }
  return 1;
}

class TscClock {
 public:
  // The process's clock. LATENCYKIT_CLOCK=monotonic forces the fallback.
  static TscClock& instance() {
    static TscClock clock(chosen_source());
    return clock;
  }

  // Whether the environment asks for the fallback.
  static bool forced() {
    const char* wanted = std::getenv("LATENCYKIT_CLOCK");
    return wanted != nullptr && std::strcmp(wanted, "monotonic") == 0;
  }

  // `margin_ns` is how far ahead a change of rate is published; tests that change it all the time shorten it. With
  // `set_back` the clock takes the counter for one that was set back by so many ticks just after; for tests.
  explicit TscClock(ClockSource source, uint64_t margin_ns = 1'000'000, uint64_t set_back = 0)
      : source_(source), anchor_(read_pair()), timeline_(first_piece(set_back)), margin_(ticks_in(margin_ns)) {
    anchor_.ticks += set_back;
  }

  // What instance() uses, without the calibration that making it costs.
  static ClockSource chosen_source() {
    const char* forced = std::getenv("LATENCYKIT_CLOCK");
    if (forced != nullptr && std::strcmp(forced, "monotonic") == 0) return ClockSource::monotonic;
    return cpu_has_invariant_tsc() ? ClockSource::tsc : ClockSource::monotonic;
  }

  ClockSource source() const { return source_; }

  uint64_t ticks() const { return source_ == ClockSource::tsc ? TscTicks::read() : monotonic_ns(); }

  uint64_t now_ns() const {
    if (source_ == ClockSource::monotonic) return monotonic_ns();
    uint64_t ns = 0;
    while (!timeline_.ns_at(TscTicks::ordered(), &ns)) [[unlikely]]
      restart_if_behind();
    return ns;
  }

  // The length of an interval of ticks, saturating: 0 if it ends before it begins, as across a move to a machine
  // whose counter is behind.
  uint64_t elapsed_ns(uint64_t begin, uint64_t end) const { return timeline_.elapsed_ns(begin, end); }

  double ns_per_tick() const {
    return static_cast<double>(timeline_.measured_rate()) / static_cast<double>(Timeline::kUnit);
  }

  // Measures the rate again, over all the time since construction, and steers now_ns() until its offset from
  // CLOCK_MONOTONIC has vanished: for a second, or as long as the steering's limit makes it take. Safe from any
  // thread. False, and nothing changed, if a change of rate is due within the margin, so that calls in quick
  // succession are one, or if there is nothing to calibrate. A forced offset is for tests.
  bool recalibrate(int64_t forced_offset_ns = 0) {
    if (source_ == ClockSource::monotonic) return false;
    const std::lock_guard<std::mutex> lock(writer_);
    const Pair pair = read_pair();
    if (pair.ticks < anchor_.ticks) return restart(pair);
    const uint64_t rate = pair.ns > anchor_.ns ? rate_between(anchor_, pair) : timeline_.measured_rate();
    const uint64_t truth_ns = pair.ns + static_cast<uint64_t>(forced_offset_ns);
    return timeline_.steer({pair.ticks, truth_ns, rate}, margin_, TscTicks::begin);
  }

  // The clock's step in nanoseconds, from 4,096 reads in a row; 0 if it never moved.
  double resolution_ns() const {
    std::vector<uint64_t> differences(4096);
    uint64_t last = ticks();
    for (uint64_t& difference : differences) {
      const uint64_t now = ticks();
      difference = now - last;
      last = now;
    }
    return static_cast<double>(clock_step(std::move(differences))) * ns_per_tick();
  }

 private:
  struct Pair {
    uint64_t ticks, ns;
  };

  // Also for a reader that was only too slow: then nothing changes.
  [[gnu::noinline]] void restart_if_behind() const {
    const std::lock_guard<std::mutex> lock(writer_);
    restart(read_pair());
  }

  // With the writer's lock. The rate measured before the counter was set back is as good after.
  bool restart(const Pair& pair) const {
    const bool restarted = timeline_.restart({pair.ticks, pair.ns, timeline_.measured_rate()}, TscTicks::begin);
    if (restarted) anchor_ = pair;
    return restarted;
  }

  // 10 ms: the ends are read to about 20 ns each, so the rate is good to a few parts per million.
  Timeline::Piece first_piece(uint64_t set_back) const {
    if (source_ == ClockSource::monotonic) return {anchor_.ticks, anchor_.ns, Timeline::kUnit};
    while (monotonic_ns() - anchor_.ns < 10'000'000) {
    }
    return {anchor_.ticks + set_back, anchor_.ns, rate_between(anchor_, read_pair())};
  }

  uint64_t ticks_in(uint64_t ns) const {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(ns) << 32) / timeline_.measured_rate());
  }

  static uint64_t rate_between(const Pair& a, const Pair& b) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(b.ns - a.ns) << 32) / (b.ticks - a.ticks));
  }

  // Both clocks at one moment: the tightest of 32 brackets, so that an interruption cannot pass for an offset.
  Pair read_pair() const {
    Pair best{0, 0};
    uint64_t width = UINT64_MAX;
    for (int i = 0; i < 32; ++i) {
      const uint64_t before = ticks();
      const uint64_t ns = monotonic_ns();
      const uint64_t after = ticks();
      if (after - before < width) {
        width = after - before;
        best = {before + (after - before) / 2, ns};
      }
    }
    return best;
  }

  const ClockSource source_;
  // Mutable: to read the time may find that the counter was set back.
  mutable Pair anchor_;
  mutable Timeline timeline_;
  const uint64_t margin_;
  mutable std::mutex writer_;
};

}  // namespace latencykit

// Time from the processor's time-stamp counter, calibrated against CLOCK_MONOTONIC.
//
// Promises:
// - Ticks and nanoseconds are different types of quantity: raw ticks are uint64_t from read_ticks(), nanoseconds
//   come from a TscClock only.
// - now_ns() never goes backwards, in one thread or between threads, also across recalibrate(): a recalibration
//   continues from the present estimate (rounded up) and steers its rate towards CLOCK_MONOTONIC, it never
//   steps.
// - Readers take a sequence lock: no writer waits for a reader, a reader retries while a writer publishes. All
//   fields are atomics, with acquire and release where the algorithm needs them.
// - now_ns() fences its read of the counter: an unfenced one may be done before a load that precedes it, and
//   was seen microseconds behind a time that another thread had published. ticks() is not fenced.
// - Where the counter is not invariant (its rate changes or stops with power states), or the processor is not
//   x86-64, the source is CLOCK_MONOTONIC and one tick is one nanosecond. Callers ask source() and say so.
// - The first use spins for 10 ms to calibrate; nothing happens at load time.
#pragma once

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

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
struct TscTicks {
#if defined(__x86_64__)
  static uint64_t read() { return __rdtsc(); }
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

  explicit TscClock(ClockSource source) : source_(source) {
    const Pair first = read_pair();
    anchor_ = first;
    if (source_ == ClockSource::monotonic) {
      publish({first.ns, first.ns, kUnit});
      return;
    }
    // 10 ms: the ends are read to about 20 ns each, so the rate is good to a few parts per million.
    while (monotonic_ns() - first.ns < 10'000'000) {
    }
    const Pair second = read_pair();
    publish({second.ticks, second.ns, rate_between(first, second)});
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
    for (;;) {
      const uint64_t before = sequence_.load(std::memory_order_acquire);
      const Calibration c = load();
      const uint64_t now = fenced_ticks();
      if (before == sequence_.load(std::memory_order_relaxed) && before % 2 == 0) return to_ns(c, now);
    }
  }

  double ns_per_tick() const {
    for (;;) {
      const uint64_t before = sequence_.load(std::memory_order_acquire);
      const uint64_t rate = measured_rate_.load(std::memory_order_acquire);
      if (before == sequence_.load(std::memory_order_relaxed) && before % 2 == 0) {
        return static_cast<double>(rate) / static_cast<double>(kUnit);
      }
    }
  }

  // Measures the rate again, over all the time since construction, and steers now_ns() so that its offset
  // from CLOCK_MONOTONIC vanishes within a second. Safe from any thread. A forced offset is for tests.
  void recalibrate(int64_t forced_offset_ns = 0) {
    if (source_ == ClockSource::monotonic) return;
    const std::lock_guard<std::mutex> lock(writer_);
    const Pair pair = read_pair();
    const uint64_t rate = pair.ns > anchor_.ns ? rate_between(anchor_, pair) : load().rate;
    const Calibration old = load();
    const double offset =
        static_cast<double>(static_cast<int64_t>(pair.ns - to_ns(old, pair.ticks)) + forced_offset_ns);
    // At most 500 parts per million, as the kernel's own clock discipline: differences of intervals stay true.
    const double steer = std::clamp(offset / 1e9, -500e-6, 500e-6);
    publish_continuing(old, rate, steer);
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
  static constexpr uint64_t kUnit = uint64_t{1} << 32;  // rates are nanoseconds per tick in 32.32 fixed point

  struct Pair {
    uint64_t ticks, ns;
  };
  struct Calibration {
    uint64_t base_ticks, base_ns, rate;
  };

  static uint64_t to_ns(const Calibration& c, uint64_t ticks) {
    // A reader on another CPU may be a few ticks behind the base; time then stands still rather than wrap.
    const uint64_t elapsed = ticks > c.base_ticks ? ticks - c.base_ticks : 0;
    return c.base_ns + static_cast<uint64_t>((static_cast<unsigned __int128>(elapsed) * c.rate) >> 32);
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

  // Not done before the loads ahead of it, nor after those behind it.
  uint64_t fenced_ticks() const { return source_ == ClockSource::tsc ? TscTicks::begin() : MonotonicTicks::begin(); }

  // Acquire: the sequence is looked at again after them. A reader that sees a new field sees an odd sequence.
  Calibration load() const {
    return {base_ticks_.load(std::memory_order_acquire), base_ns_.load(std::memory_order_acquire),
            rate_.load(std::memory_order_acquire)};
  }

  // Release: the sequence turned odd before them.
  void store(const Calibration& c, uint64_t measured) {
    base_ticks_.store(c.base_ticks, std::memory_order_release);
    base_ns_.store(c.base_ns, std::memory_order_release);
    rate_.store(c.rate, std::memory_order_release);
    measured_rate_.store(measured, std::memory_order_release);
  }

  void publish(const Calibration& c) { store(c, c.rate); }

  // The base is read after the sequence turned odd: every reader that used the old calibration read its ticks
  // before that, so the new one starts at or above all that was ever returned.
  void publish_continuing(const Calibration& old, uint64_t rate, double steer) {
    sequence_.fetch_add(1, std::memory_order_seq_cst);  // On x86-64 a full barrier, which the read waits for.
    const uint64_t now = fenced_ticks();
    const uint64_t steered = static_cast<uint64_t>(std::llround(static_cast<double>(rate) * (1.0 + steer)));
    store({now, to_ns(old, now) + 1, steered}, rate);
    sequence_.fetch_add(1, std::memory_order_release);
  }

  const ClockSource source_;
  Pair anchor_{0, 0};
  std::mutex writer_;
  alignas(64) std::atomic<uint64_t> sequence_{0};
  std::atomic<uint64_t> base_ticks_{0}, base_ns_{0}, rate_{kUnit}, measured_rate_{kUnit};
};

}  // namespace latencykit

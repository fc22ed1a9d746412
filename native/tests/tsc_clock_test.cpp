// The clock: it agrees with CLOCK_MONOTONIC, never goes backwards, and finds its own step.
#include "latency/tsc_clock.h"

#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

#include "tests/check.h"

using namespace latencykit;

namespace {

// Reads of a clock that advances in uneven steps of about `step` ticks, `cost` ticks apart.
std::vector<uint64_t> differences(double step, double cost) {
  std::vector<uint64_t> result;
  uint64_t last = 0;
  for (int i = 1; i < 4096; ++i) {
    const double now = static_cast<double>(i) * cost;
    const auto shown = static_cast<uint64_t>(static_cast<double>(static_cast<uint64_t>(now / step)) * step);
    result.push_back(shown - last);
    last = shown;
  }
  return result;
}

void test_step() {
  CHECK(clock_step({}) == 0);
  CHECK(clock_step({0, 0, 0}) == 0);
  CHECK(clock_step(differences(26.0, 18.0)) == 26);
  const uint64_t scaled = clock_step(differences(25.96, 31.0));
  CHECK(scaled == 26 || scaled == 25);
  CHECK(clock_step(differences(1.0, 23.0)) >= 20);  // what back-to-back reads cannot tell apart
  CHECK(clock_step({18, 20, 22, 18, 20, 22, 24, 20}) <= 3);
}

void test_simulated() {
  SimulatedTicks clock{100, 10, 3};
  CHECK(clock.begin() == 100);
  clock.now += 20;
  CHECK(clock.end() == 120);
}

// Both sources give nanoseconds of CLOCK_MONOTONIC, to the microseconds that a preemption between two reads takes.
void test_agrees(ClockSource source) {
  TscClock clock(source);
  uint64_t best = UINT64_MAX;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t before = monotonic_ns();
    const uint64_t now = clock.now_ns();
    const uint64_t after = monotonic_ns();
    const uint64_t off = now < before ? before - now : now > after ? now - after : 0;
    best = std::min(best, off);
  }
  CHECK(best < 10'000);
  CHECK(clock.ns_per_tick() > 0);
}

// A counter that starts anew behind all that the clock knows: time goes on, and calibrating works as before.
void test_counter_set_back() {
  if (!cpu_has_invariant_tsc()) return;
  constexpr uint64_t kYears = uint64_t{1} << 60;
  TscClock read_first(ClockSource::tsc, 5'000, kYears), calibrated_first(ClockSource::tsc, 5'000, kYears);
  CHECK(calibrated_first.recalibrate());
  for (TscClock* clock : {&read_first, &calibrated_first}) {
    const double rate = clock->ns_per_tick();
    uint64_t last = 0, off = UINT64_MAX;
    for (int i = 0; i < 1000; ++i) {
      const uint64_t before = monotonic_ns(), now = clock->now_ns(), after = monotonic_ns();
      CHECK(now >= last);
      last = now;
      off = std::min(off, now < before ? before - now : now > after ? now - after : 0);
    }
    CHECK(off < 10'000);
    clock->recalibrate();
    CHECK(clock->ns_per_tick() > rate / 2 && clock->ns_per_tick() < rate * 2);
    CHECK(clock->now_ns() >= last);
  }
}

// Threads share the highest time seen; a reader that had it before its own read must not see less. Meanwhile
// the rate is pushed to and fro as far as it goes, as often as it can be: the margin is the shortest that covers what
// a processor reorders.
void test_never_backwards(ClockSource source) {
  TscClock clock(source, 5'000);
  std::atomic<uint64_t> highest{0};
  std::atomic<bool> stop{false};
  std::atomic<int> backwards{0};
  const auto read = [&] {
    for (int i = 0; i < 200'000; ++i) {
      const uint64_t seen = highest.load(std::memory_order_acquire);
      const uint64_t now = clock.now_ns();
      if (now < seen) ++backwards;
      uint64_t expected = seen;
      while (now > expected && !highest.compare_exchange_weak(expected, now)) {
      }
    }
  };
  int changes = 0;
  std::thread writer([&] {
    for (int64_t sign = 1; !stop; sign = -sign) changes += clock.recalibrate(sign * 1'000'000'000);
  });
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) readers.emplace_back(read);
  for (std::thread& reader : readers) reader.join();
  stop = true;
  writer.join();
  CHECK(backwards == 0);
  CHECK(source == ClockSource::monotonic ? changes == 0 : changes > 10);
}

// Steering does not touch the rate that intervals are turned into nanoseconds by.
void test_the_rate_stays_true() {
  TscClock clock(ClockSource::tsc);
  const double before = clock.ns_per_tick();
  CHECK(clock.recalibrate(1'000'000'000));
  const double after = clock.ns_per_tick();
  CHECK(after > before * 0.9999 && after < before * 1.0001);
  CHECK(!clock.recalibrate());  // the change is due in a millisecond
}

// A recalibration does not move the time away from CLOCK_MONOTONIC, neither at once nor when it takes effect.
void test_stays_with_the_truth() {
  TscClock clock(ClockSource::tsc);
  const auto offset = [&] {
    int64_t best = INT64_MAX;
    uint64_t width = UINT64_MAX;
    for (int i = 0; i < 1'000; ++i) {
      const uint64_t before = monotonic_ns();
      const uint64_t now = clock.now_ns();
      const uint64_t after = monotonic_ns();
      if (after - before >= width) continue;
      width = after - before;
      best = static_cast<int64_t>(now - (before + width / 2));
    }
    return best;
  };
  CHECK(clock.recalibrate());
  const uint64_t start = monotonic_ns();
  int64_t furthest = 0;
  while (monotonic_ns() - start < 20'000'000) furthest = std::max<int64_t>(furthest, std::abs(offset()));
  CHECK(furthest < 20'000);
}

void test_intervals() {
  TscClock tsc(ClockSource::tsc), monotonic(ClockSource::monotonic);
  CHECK(monotonic.elapsed_ns(5, 12) == 7);
  CHECK(monotonic.elapsed_ns(12, 5) == 0);
  const uint64_t second = static_cast<uint64_t>(1e9 / tsc.ns_per_tick());
  const auto off = static_cast<int64_t>(tsc.elapsed_ns(1'000, 1'000 + second)) - 1'000'000'000;
  CHECK(std::abs(off) <= 2);
  CHECK(tsc.elapsed_ns(second, 0) == 0);
}

}  // namespace

int main() {
  test_step();
  test_simulated();
  test_counter_set_back();
  test_agrees(ClockSource::monotonic);
  test_never_backwards(ClockSource::monotonic);
  if (!cpu_has_invariant_tsc()) return 0;
  test_agrees(ClockSource::tsc);
  test_never_backwards(ClockSource::tsc);
  test_the_rate_stays_true();
  test_stays_with_the_truth();
  test_intervals();
}

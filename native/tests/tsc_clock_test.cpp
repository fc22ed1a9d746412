// The clock: it agrees with CLOCK_MONOTONIC, never goes backwards, and finds its own step.
#include "latency/tsc_clock.h"

#include <atomic>
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

// Threads share the highest time seen; a reader that had it before its own read must not see less. Meanwhile
// the rate is pushed to and fro as far as it goes.
void test_never_backwards() {
  TscClock clock(cpu_has_invariant_tsc() ? ClockSource::tsc : ClockSource::monotonic);
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
  std::thread writer([&] {
    for (int64_t sign = 1; !stop; sign = -sign) clock.recalibrate(sign * 1'000'000'000);
  });
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) readers.emplace_back(read);
  for (std::thread& reader : readers) reader.join();
  stop = true;
  writer.join();
  CHECK(backwards == 0);
}

// A clock pushed a millisecond ahead comes back at the rate that its steering allows, without a step back.
void test_steers_towards_truth() {
  TscClock clock(cpu_has_invariant_tsc() ? ClockSource::tsc : ClockSource::monotonic);
  if (clock.source() == ClockSource::monotonic) return;
  const double before = clock.ns_per_tick();
  clock.recalibrate();
  const double after = clock.ns_per_tick();
  CHECK(after > before * 0.999 && after < before * 1.001);
}

}  // namespace

int main() {
  test_step();
  test_simulated();
  test_agrees(ClockSource::monotonic);
  if (cpu_has_invariant_tsc()) test_agrees(ClockSource::tsc);
  test_never_backwards();
  test_steers_towards_truth();
}

// The sampling loops on a simulated clock: exact durations, stopping, nothing counted twice.
#include "latency/sampler.h"

#include "latency/tsc_clock.h"
#include "tests/check.h"

using namespace latencykit;

int main() {
  SimulatedTicks clock;
  uint64_t out[8] = {};
  int calls = 0;

  const auto spend = [&] {
    clock.now += 100 + static_cast<uint64_t>(calls++);
    return true;
  };
  CHECK(sample_per_call(clock, spend, out, 8) == 8);
  for (uint64_t i = 0; i < 8; ++i) CHECK(out[i] == 100 + i);

  calls = 0;
  CHECK(sample_batched(clock, spend, out, 2, 3) == 2);
  CHECK(calls == 6);
  CHECK(out[0] == 303 && out[1] == 312);

  calls = 0;
  const auto fail_at_three = [&] { return ++calls < 3; };
  CHECK(sample_per_call(clock, fail_at_three, out, 8) == 2);
  CHECK(calls == 3);
  calls = 0;
  CHECK(sample_batched(clock, fail_at_three, out, 8, 2) == 1);

  SimulatedTicks dear{0, 1, 7};
  CHECK(sample_per_call(dear, [] { return true; }, out, 1) == 1);
  CHECK(out[0] == 7);
}

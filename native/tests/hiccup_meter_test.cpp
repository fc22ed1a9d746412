// The machine meter on a scripted clock: gaps above the threshold are lost time, all others are not.
#include "latency/hiccup_meter.h"

#include <vector>

#include "latency/tsc_clock.h"
#include "tests/check.h"

using namespace latencykit;

namespace {

struct ScriptedClock {
  std::vector<uint64_t> gaps;
  size_t at = 0;
  uint64_t now = 0;
  uint64_t read() {
    const uint64_t present = now;
    now += gaps[at++ % gaps.size()];
    return present;
  }
};

}  // namespace

int main() {
  ScriptedClock quiet{{10}};
  const HiccupReading calm = spin_meter(quiet, 10'000, 100);
  CHECK(calm.count == 0 && calm.lost == 0 && calm.longest == 10 && calm.observed == 10'000);

  ScriptedClock stolen{{10, 10, 10, 500, 10, 10, 10, 1'450}};
  const HiccupReading rough = spin_meter(stolen, 20'000, 100);
  CHECK(rough.longest == 1'450);
  CHECK(rough.count == 20);
  CHECK(rough.lost == 10 * 1'950);

  ScriptedClock border{{100}};
  CHECK(spin_meter(border, 1'000, 100).count == 0);

  TscTicks real;
  CHECK(spin_meter(real, 100'000, 1'000).observed >= 100'000);
}

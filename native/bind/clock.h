// The simulated clock, as the samplers see it.
#pragma once

#include "bind/types.h"
#include "latency/tsc_clock.h"

namespace latencykit::bind {

struct SimulatedClockObject {
  PyObject_HEAD SimulatedTicks ticks;
};

}  // namespace latencykit::bind

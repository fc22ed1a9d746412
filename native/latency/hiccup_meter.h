// A machine meter: spins on the clock and counts the time that somebody else had the processor.
//
// A spinning thread that is never interrupted sees a gap of some tens of nanoseconds between two reads. Every
// gap above the threshold is a hiccup: an interrupt, another thread, the hypervisor. No syscall, no allocation.
#pragma once

#include <algorithm>
#include <cstdint>

namespace latencykit {

struct HiccupReading {
  uint64_t observed = 0;  // ticks spun
  uint64_t lost = 0;      // ticks inside gaps above the threshold
  uint64_t count = 0;     // gaps above the threshold
  uint64_t longest = 0;   // the longest gap, also if below the threshold
};

template <typename Clock>
HiccupReading spin_meter(Clock& clock, uint64_t duration, uint64_t threshold) {
  HiccupReading reading;
  const uint64_t start = clock.read();
  uint64_t last = start;
  while (last - start < duration) {
    const uint64_t now = clock.read();
    const uint64_t gap = now - last;
    last = now;
    reading.longest = std::max(reading.longest, gap);
    if (gap > threshold) {
      reading.lost += gap;
      ++reading.count;
    }
  }
  reading.observed = last - start;
  return reading;
}

}  // namespace latencykit

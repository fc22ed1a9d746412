// The standard deviation of the last `period` values: of the population (ddof 0) or of a sample (ddof 1).
//
// Promises: those of MovingMoments.
#pragma once

#include "latency/moving_moments.h"
#include "latency/streaming.h"

namespace latencykit {

class MovingDeviation {
 public:
  using Result = double;
  using Window = MovingMoments::Window;

  MovingDeviation(std::size_t period, unsigned ddof) : moments_(period, ddof) {}

  double add(double value) { return moments_.add(value) ? moments_.deviation() : kNoValue; }
  void reset() { moments_.reset(); }
  bool recovers() const { return true; }

 private:
  MovingMoments moments_;
};

using RollingStd = Streaming<MovingDeviation>;

}  // namespace latencykit

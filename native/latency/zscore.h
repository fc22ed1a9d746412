// The standard score of each value among the last `period`: (x - mean) / deviation, NaN where the deviation is 0.
//
// Promises: those of MovingMoments.
#pragma once

#include "latency/moving_moments.h"
#include "latency/streaming.h"

namespace latencykit {

class MovingScore {
 public:
  using Result = double;
  using Window = MovingMoments::Window;

  MovingScore(std::size_t period, unsigned ddof) : moments_(period, ddof) {}

  double add(double value) {
    if (!moments_.add(value)) return kNoValue;
    const double deviation = moments_.deviation();
    return deviation == 0 ? kNoValue : ((value - moments_.pivot()) - moments_.mean_from_pivot()) / deviation;
  }

  void reset() { moments_.reset(); }
  bool recovers() const { return true; }

 private:
  MovingMoments moments_;
};

using Zscore = Streaming<MovingScore>;

}  // namespace latencykit

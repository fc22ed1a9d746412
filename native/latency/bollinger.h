// Bollinger bands: a mean of the last `period` values and a band of `width` deviations around it
// (John Bollinger, Bollinger on Bollinger Bands, 2001).
//
// Promises: those of MovingMoments.
#pragma once

#include "latency/moving_moments.h"
#include "latency/streaming.h"

namespace latencykit {

class DeviationBand {
 public:
  using Result = std::array<double, 3>;  // Upper, middle, lower.
  using Window = MovingMoments::Window;

  DeviationBand(std::size_t period, double width, unsigned ddof) : moments_(period, ddof), width_(width) {}

  Result add(double value) {
    if (!moments_.add(value)) return {kNoValue, kNoValue, kNoValue};
    const double middle = moments_.mean();
    const double reach = width_ * moments_.deviation();
    return {middle + reach, middle, middle - reach};
  }

  void reset() { moments_.reset(); }
  bool recovers() const { return true; }

 private:
  MovingMoments moments_;
  double width_;
};

using Bollinger = Streaming<DeviationBand>;

}  // namespace latencykit

// The relative strength index: the share of rises in the average change, 0 to 100.
//
// rsi = 100 * up / (up + down), 50 where both are 0, with up and down the averages of the rises and of the falls from
// each value to the next, each weighing 1/period (J. Welles Wilder, New Concepts in Technical Trading Systems, 1978).
// The first result comes with the first change, or with the period-th where the averages start from means.
//
// Promises: no memory beside the object, O(1) per value; not thread-safe.
#pragma once

#include <algorithm>

#include "latency/ema.h"

namespace latencykit {

class RelativeStrength {
 public:
  using Result = double;

  RelativeStrength(std::uint64_t period, bool mean_seed)
      : up_(ExponentialAverage::wilder(period, mean_seed)), down_(up_) {}

  double add(double value) {
    const double change = value - previous_;  // NaN with the first value.
    previous_ = value;
    if (std::isnan(change)) [[unlikely]]
      return kNoValue;
    const double up = up_.add(std::max(change, 0.0));
    const double down = down_.add(std::max(-change, 0.0));
    const double both = up + down;
    return both == 0 ? 50 : 100 * up / both;
  }

  void reset() {
    up_.reset();
    down_.reset();
    previous_ = kNoValue;
  }

  bool recovers() const { return false; }

 private:
  ExponentialAverage up_;
  ExponentialAverage down_;
  double previous_ = kNoValue;
};

using Rsi = Streaming<RelativeStrength>;

}  // namespace latencykit

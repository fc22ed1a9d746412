// The average true range: how far prices move from one close to the next, gaps included.
//
// The true range of a row is max(high - low, |high - previous close|, |low - previous close|); its average weighs each
// by 1/period (J. Welles Wilder, New Concepts in Technical Trading Systems, 1978). The first row has none (as in
// TA-Lib): the first result comes with the second row, or with the (period + 1)-th where the average starts from a mean.
//
// Promises: no memory beside the object, O(1) per row; not thread-safe.
#pragma once

#include <algorithm>

#include "latency/ema.h"

namespace latencykit {

class TrueRangeAverage {
 public:
  using Result = double;

  TrueRangeAverage(std::uint64_t period, bool mean_seed) : average_(ExponentialAverage::wilder(period, mean_seed)) {}

  double add(double high, double low, double close) {
    const double before = close_;
    close_ = close;
    if (std::isnan(before)) [[unlikely]]
      return kNoValue;
    return average_.add(std::max({high - low, std::abs(high - before), std::abs(low - before)}));
  }

  void reset() {
    average_.reset();
    close_ = kNoValue;
  }

  bool recovers() const { return false; }

 private:
  ExponentialAverage average_;
  double close_ = kNoValue;
};

using Atr = Streaming<TrueRangeAverage>;

}  // namespace latencykit

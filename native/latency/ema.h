// A streaming exponential moving average: the scalar kernel's recurrence, one value at a time.
//
// Promises: no memory beside the object, O(1) per value; not thread-safe. Fed a series, it gives what the batch
// form gives with the scalar table: bit by bit where the baseline CPU has no fused multiply-add (x86-64),
// within rounding elsewhere.
#pragma once

#include <cstdint>

#include "latency/ema_weight.h"
#include "latency/streaming.h"

namespace latencykit {

class ExponentialAverage {
 public:
  using Result = double;

  // alpha in (0, 1]; the first average is the mean of the first seed_count (at least 1) values.
  ExponentialAverage(double alpha, std::uint64_t seed_count)
      : alpha_(alpha), decay_(1 - alpha), seed_count_(seed_count), lacking_(seed_count) {}

  // As J. Welles Wilder averages (New Concepts in Technical Trading Systems, 1978): each value weighs 1/period.
  static ExponentialAverage wilder(std::uint64_t period, bool mean_seed) {
    return {1 / static_cast<double>(period), mean_seed ? period : 1};
  }

  static ExponentialAverage of_period(std::uint64_t period, bool mean_seed) {
    return {ema_weight(static_cast<double>(period)), mean_seed ? period : 1};
  }

  // The average after this value; NaN while the seed is incomplete.
  double add(double value) {
    if (lacking_ != 0) [[unlikely]]
      return seed(value);
    return average_ = decay_ * average_ + alpha_ * value;
  }

  void reset() {
    average_ = kNoValue;
    sum_ = 0;
    lacking_ = seed_count_;
  }

  bool recovers() const { return false; }
  double alpha() const { return alpha_; }

 private:
  double seed(double value) {
    sum_ += value;
    if (--lacking_ == 0) average_ = sum_ / static_cast<double>(seed_count_);
    return average_;
  }

  double alpha_;
  double decay_;
  double average_ = kNoValue;
  double sum_ = 0;
  std::uint64_t seed_count_;
  std::uint64_t lacking_;
};

using Ema = Streaming<ExponentialAverage>;

}  // namespace latencykit

// A streaming exponential moving average: the scalar kernel's recurrence, one value at a time.
//
// Promises: 48 bytes, no allocation, O(1) per value; not thread-safe. Fed a series, it gives what the batch
// form gives with the scalar table: bit by bit where the baseline CPU has no fused multiply-add (x86-64),
// within rounding elsewhere.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace latencykit {

class Ema {
 public:
  // alpha in (0, 1]; the first average is the mean of the first seed_count (at least 1) finite values.
  Ema(double alpha, std::uint64_t seed_count)
      : alpha_(alpha), decay_(1 - alpha), seed_count_(seed_count), missing_(seed_count) {}

  // The average after this value; NaN while the seed is incomplete. A value that is not finite gives NaN and
  // changes nothing.
  double update(double value) {
    if (!std::isfinite(value)) return std::numeric_limits<double>::quiet_NaN();
    if (missing_ != 0) [[unlikely]]
      return seed(value);
    return average_ = decay_ * average_ + alpha_ * value;
  }

  // The last average; NaN while the seed is incomplete.
  double value() const { return average_; }
  double alpha() const { return alpha_; }

 private:
  double seed(double value) {
    sum_ += value;
    if (--missing_ == 0) average_ = sum_ / static_cast<double>(seed_count_);
    return average_;
  }

  double alpha_;
  double decay_;
  double average_ = std::numeric_limits<double>::quiet_NaN();
  double sum_ = 0;
  std::uint64_t seed_count_;
  std::uint64_t missing_;
};

}  // namespace latencykit

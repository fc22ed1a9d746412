// Moving average convergence/divergence (Gerald Appel, The Moving Average Convergence-Divergence Method, 1979).
//
// line = fast average - slow average, signal = average of the line, histogram = line - signal; an average of period p
// weighs its newest value by 2/(p + 1). Started from first values, all three come with the first value. Started from
// means (as TA-Lib does), the slow average starts as the mean of the first `slow` values, the fast one as the mean of
// the `fast` values that end there, and the signal as the mean of the first `signal` values of the line: the line
// comes with the slow-th value, the others with the (slow + signal - 1)-th.
//
// Promises: no memory beside the object, O(1) per value; not thread-safe.
#pragma once

#include "latency/ema.h"

namespace latencykit {

class ConvergenceDivergence {
 public:
  using Result = std::array<double, 3>;  // Line, signal, histogram.

  // Periods of at least 1; fast is shorter than slow.
  ConvergenceDivergence(std::uint64_t fast, std::uint64_t slow, std::uint64_t signal, bool mean_seed)
      : fast_(ExponentialAverage::of_period(fast, mean_seed)),
        slow_(ExponentialAverage::of_period(slow, mean_seed)),
        signal_(ExponentialAverage::of_period(signal, mean_seed)),
        head_start_(mean_seed ? slow - fast : 0),
        ahead_(head_start_) {}

  Result add(double value) {
    const double slow = slow_.add(value);
    if (ahead_ != 0) [[unlikely]] {  // The fast average's seed ends where the slow one's does.
      --ahead_;
      return {kNoValue, kNoValue, kNoValue};
    }
    const double line = fast_.add(value) - slow;
    const double signal = std::isnan(line) ? kNoValue : signal_.add(line);
    return {line, signal, line - signal};
  }

  void reset() {
    fast_.reset();
    slow_.reset();
    signal_.reset();
    ahead_ = head_start_;
  }

  bool recovers() const { return false; }

 private:
  ExponentialAverage fast_;
  ExponentialAverage slow_;
  ExponentialAverage signal_;
  std::uint64_t head_start_;
  std::uint64_t ahead_;
};

using Macd = Streaming<ConvergenceDivergence>;

}  // namespace latencykit

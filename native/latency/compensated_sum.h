// A sum that keeps what rounding takes off it (A. Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation
// endlicher Summen, 1974).
//
// Promises: 16 bytes, O(1) per value; the error does not grow with the number of values as long as that times the
// machine epsilon is far below 1. Needs arithmetic as written (no -ffast-math).
#pragma once

#include <cmath>

namespace latencykit {

class CompensatedSum {
 public:
  void add(double value) {
    const double next = sum_ + value;
    // What the smaller of the two lost.
    lost_ += std::abs(sum_) >= std::abs(value) ? (sum_ - next) + value : (value - next) + sum_;
    sum_ = next;
  }

  double total() const { return sum_ + lost_; }

 private:
  double sum_ = 0;
  double lost_ = 0;
};

}  // namespace latencykit

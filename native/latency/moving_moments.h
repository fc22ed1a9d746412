// Mean and deviation of the last `period` values.
//
// With d = x - v, v a value of the window, S = sum(d) and Q = sum(d * d):
// mean = v + S / period, variance = max(0, (Q - S * S / period) / (period - ddof))
// (the shifted form in T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms for Computing the Sample Variance, 1983).
// A window of one constant has exactly that mean and the deviation 0.
//
// Promises: those of SlidingWindow, with 16 bytes per value of the period.
#pragma once

#include <algorithm>
#include <cmath>

#include "latency/sliding_window.h"

namespace latencykit {

class MovingMoments {
 public:
  // ddof is less than period.
  MovingMoments(std::size_t period, unsigned ddof)
      : window_(period), period_(static_cast<double>(period)), freedom_(static_cast<double>(period - ddof)) {}

  // Whether the window holds `period` values now.
  bool add(double value) { return window_.add(value); }

  // Of a full window. A mean as its distance from the pivot keeps digits that the mean itself cannot hold.
  double pivot() const { return window_.pivot(); }
  double mean_from_pivot() const { return window_.total().sum / period_; }
  double mean() const { return pivot() + mean_from_pivot(); }

  double deviation() const {
    const Sums total = window_.total();
    return std::sqrt(std::max(0.0, (total.squares - total.sum * total.sum / period_) / freedom_));
  }

  void reset() { window_.reset(); }

 private:
  struct Sums {
    double sum;
    double squares;
  };

  struct Fold {
    using Row = double;
    using Part = Sums;
    static Part none() { return {0, 0}; }
    static Part with(Part part, Row value, Row pivot) {
      const double distance = value - pivot;
      return {part.sum + distance, part.squares + distance * distance};
    }
    static Part joined(Part left, Part right) { return {left.sum + right.sum, left.squares + right.squares}; }
  };

 public:
  using Window = SlidingWindow<Fold>;

 private:
  Window window_;
  double period_;
  double freedom_;
};

}  // namespace latencykit

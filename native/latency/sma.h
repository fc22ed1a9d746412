// The mean of the last `period` values.
//
// mean = v + sum(x - v) / period, with v a value of the window (see sliding_window.h): a window of one constant has
// exactly that mean.
//
// Promises: those of SlidingWindow, with 8 bytes per value of the period.
#pragma once

#include "latency/sliding_window.h"
#include "latency/streaming.h"

namespace latencykit {

class MovingMean {
 public:
  using Result = double;

  explicit MovingMean(std::size_t period) : window_(period), period_(static_cast<double>(period)) {}

  double add(double value) { return window_.add(value) ? window_.pivot() + window_.total() / period_ : kNoValue; }

  void reset() { window_.reset(); }
  bool recovers() const { return true; }

 private:
  struct Sum {
    using Row = double;
    using Part = double;
    static Part none() { return 0; }
    static Part with(Part sum, Row value, Row pivot) { return sum + (value - pivot); }
    static Part joined(Part left, Part right) { return left + right; }
  };

 public:
  using Window = SlidingWindow<Sum>;

 private:
  Window window_;
  double period_;
};

using Sma = Streaming<MovingMean>;

}  // namespace latencykit

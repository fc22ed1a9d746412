// The least and the greatest of the last `period` values.
//
// Promises: those of SlidingWindow, with 8 bytes per value of the period. Exact: each result is a value of the window.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>

#include "latency/sliding_window.h"
#include "latency/streaming.h"

namespace latencykit {

// Before(a, b): a is nearer to the extreme that is looked for.
template <typename Before>
class MovingExtreme {
  struct Extreme {
    using Row = double;
    using Part = double;
    static Part none() {
      constexpr double kInfinity = std::numeric_limits<double>::infinity();
      return Before()(-kInfinity, kInfinity) ? kInfinity : -kInfinity;
    }
    static Part with(Part part, Row value, Row) { return joined(part, value); }
    static Part joined(Part left, Part right) { return Before()(right, left) ? right : left; }
  };

 public:
  using Result = double;
  using Window = SlidingWindow<Extreme>;

  explicit MovingExtreme(std::size_t period) : window_(period) {}

  double add(double value) { return window_.add(value) ? window_.total() : kNoValue; }
  void reset() { window_.reset(); }
  bool recovers() const { return true; }

 private:
  Window window_;
};

using RollingMin = Streaming<MovingExtreme<std::less<>>>;
using RollingMax = Streaming<MovingExtreme<std::greater<>>>;

}  // namespace latencykit

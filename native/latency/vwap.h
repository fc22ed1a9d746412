// The volume-weighted average price: sum(price * volume) / sum(volume), NaN where the volume sums to 0.
//
// Both forms sum (price - v) * volume, with v a price among those averaged, so that one constant price has exactly
// itself as average. Volumes are used as they are, negative ones too.
//
// Promises: from the beginning, no memory beside the object and O(1) per row, with compensated sums; over a period,
// those of SlidingWindow with 16 bytes per row of the period. Not thread-safe.
#pragma once

#include <cstddef>
#include <optional>

#include "latency/compensated_sum.h"
#include "latency/sliding_window.h"
#include "latency/streaming.h"

namespace latencykit {

// From the first row on.
class CumulativePrice {
 public:
  double add(double price, double volume) {
    if (std::isnan(first_)) [[unlikely]]
      first_ = price;
    turnover_.add((price - first_) * volume);
    volume_.add(volume);
    const double volumes = volume_.total();
    return volumes == 0 ? kNoValue : first_ + turnover_.total() / volumes;
  }

 private:
  double first_ = kNoValue;
  CompensatedSum turnover_;
  CompensatedSum volume_;
};

// Over the last `period` rows.
class WindowPrice {
  struct Trade {
    double price;
    double volume;
  };

  struct Sums {
    double turnover;  // Of distances from the pivot's price.
    double volume;
  };

  struct Fold {
    using Row = Trade;
    using Part = Sums;
    static Part none() { return {0, 0}; }
    static Part with(Part part, Row row, Row pivot) {
      return {part.turnover + (row.price - pivot.price) * row.volume, part.volume + row.volume};
    }
    static Part joined(Part left, Part right) { return {left.turnover + right.turnover, left.volume + right.volume}; }
  };

 public:
  using Window = SlidingWindow<Fold>;

  explicit WindowPrice(std::size_t period) : window_(period) {}

  double add(double price, double volume) {
    if (!window_.add({price, volume})) return kNoValue;
    const Sums total = window_.total();
    return total.volume == 0 ? kNoValue : window_.pivot().price + total.turnover / total.volume;
  }

  void reset() { window_.reset(); }

 private:
  Window window_;
};

class VolumeWeightedPrice {
 public:
  using Result = double;
  using Window = WindowPrice::Window;

  // A period of 0 is one from the beginning.
  explicit VolumeWeightedPrice(std::size_t period) {
    if (period != 0) window_.emplace(period);
  }

  double add(double price, double volume) {
    return window_ ? window_->add(price, volume) : cumulative_.add(price, volume);
  }

  void reset() {
    cumulative_ = {};
    if (window_) window_->reset();
  }

  bool recovers() const { return window_.has_value(); }

 private:
  CumulativePrice cumulative_;
  std::optional<WindowPrice> window_;
};

using Vwap = Streaming<VolumeWeightedPrice>;

}  // namespace latencykit

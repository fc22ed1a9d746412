// What is held of one symbol, and when it is to be sold: at its take-profit or above, at its stop or below.
//
// Orders are taken for filled at once and whole. A later entry adds to the position and brings its own take-profit and
// stop. Prices are finite and positive, quantities positive.
#pragma once

#include <cstdint>
#include <limits>

namespace latencykit {

class Position {
 public:
  bool is_at_exit(double price) const { return (units_ > 0) & ((price >= take_profit_) | (price <= stop_)); }

  void buy(std::int64_t quantity, double price, double take_profit, double stop) {
    const auto held = static_cast<double>(units_), more = static_cast<double>(quantity);
    entry_ = (entry_ * held + price * more) / (held + more);
    units_ += quantity;
    take_profit_ = take_profit;
    stop_ = stop;
  }

  // Returns what was gained.
  double sell(std::int64_t quantity, double price) {
    units_ -= quantity;
    return static_cast<double>(quantity) * (price - entry_);
  }

  std::int64_t units() const { return units_; }
  double entry() const { return entry_; }  // The mean price of what is held.

 private:
  std::int64_t units_ = 0;
  double entry_ = 0;
  double take_profit_ = std::numeric_limits<double>::infinity();
  double stop_ = 0;
};

}  // namespace latencykit

// What stands between a decision and an order: limits of size, position, price and rate.
//
// An order passes if
//   size       its quantity is at most max_order_quantity;
//   position   what would then be held of its symbol is at most max_position (a sale only makes it less);
//   collar     its price is within price_collar, as a fraction, of the reference price: a price out of line is a bad
//              print or a bad rule;
//   rate       fewer than max_orders_per_second orders passed within the second before it, in the feed's own time.
// A limit of 0 is none, but for size and position, which are always limited.
//
// Promises: O(1), no allocation after construction; memory is 8 bytes for each of max_orders_per_second. The times are
// the feed's, so that the same feed is judged the same however fast it is replayed. Not thread-safe.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "latency/order_slot.h"

namespace latencykit {

struct RiskSettings {
  std::int64_t max_order_quantity = 1'000;  // units, at least 1
  std::int64_t max_position = 1'000;        // units of one symbol, at least 1
  double price_collar = 0.1;                // fraction of the reference price, at least 0
  std::int64_t max_orders_per_second = 100;
};

// Why an order was refused, if it was. The journal writes the names.
enum class RiskVerdict : std::uint8_t { kPassed, kKilled, kSize, kPosition, kCollar, kRate, kPaused, kExit, kStrategy };

constexpr const char* risk_verdict_name(RiskVerdict verdict) {
  constexpr const char* kNames[] = {"passed", "killed", "size", "position", "collar",
                                    "rate",   "paused", "exit", "strategy"};
  return kNames[static_cast<int>(verdict)];
}

struct Proposal {
  Side side;
  std::int64_t quantity;
  double price;
};

class RiskGate {
 public:
  explicit RiskGate(const RiskSettings& settings)
      : settings_(settings),
        passed_(static_cast<std::size_t>(settings.max_orders_per_second), std::numeric_limits<std::int64_t>::min()) {}

  RiskVerdict judge(const Proposal& order, double reference, std::int64_t position, std::int64_t timestamp_ns) const {
    if (order.quantity > settings_.max_order_quantity) return RiskVerdict::kSize;
    if (order.side == Side::kBuy && order.quantity > settings_.max_position - position) return RiskVerdict::kPosition;
    const double collar = settings_.price_collar * reference;
    // Written so that a reference that is not a number refuses.
    if (collar > 0 || !(reference > 0)) {
      if (!(std::fabs(order.price - reference) <= collar)) return RiskVerdict::kCollar;
    }
    return is_too_soon(timestamp_ns) ? RiskVerdict::kRate : RiskVerdict::kPassed;
  }

  // After an order passed.
  void count(std::int64_t timestamp_ns) {
    if (passed_.empty()) return;
    passed_[at_] = timestamp_ns;
    at_ = at_ + 1 == passed_.size() ? 0 : at_ + 1;
  }

 private:
  static constexpr std::int64_t kSecondNs = 1'000'000'000;

  // The oldest of as many orders as a second may have.
  bool is_too_soon(std::int64_t timestamp_ns) const {
    if (passed_.empty()) return false;
    const std::int64_t oldest = passed_[at_];
    if (oldest == std::numeric_limits<std::int64_t>::min()) return false;
    // As unsigned numbers: a time may be the last there is.
    return timestamp_ns < oldest ||
           static_cast<std::uint64_t>(timestamp_ns) - static_cast<std::uint64_t>(oldest) < std::uint64_t{kSecondNs};
  }

  RiskSettings settings_;
  std::vector<std::int64_t> passed_;
  std::size_t at_ = 0;
};

}  // namespace latencykit

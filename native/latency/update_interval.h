// Holds back the ticks of one symbol that come too soon after its last update; their volume counts towards the next.
//
// Times are the feed's. A tick from before the last update, which the feed gate may be told to accept, is an update.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace latencykit {

class UpdateInterval {
 public:
  // Whether the tick is held. If it is not, *volume is that of the tick and of those held before it.
  bool holds(std::int64_t interval_ns, std::int64_t timestamp_ns, double* volume) {
    // As unsigned numbers, because the times may be as far apart as they like.
    const auto since = static_cast<std::uint64_t>(timestamp_ns) - static_cast<std::uint64_t>(updated_ns_);
    if (has_updated_ && timestamp_ns >= updated_ns_ && since < static_cast<std::uint64_t>(interval_ns)) {
      held_volume_ = sum(held_volume_, *volume);
      return true;
    }
    *volume = sum(*volume, held_volume_);
    held_volume_ = 0;
    updated_ns_ = timestamp_ns;
    has_updated_ = true;
    return false;
  }

 private:
  // Finite: an infinite volume would never leave an average.
  static double sum(double a, double b) { return std::min(a + b, std::numeric_limits<double>::max()); }

  double held_volume_ = 0;
  std::int64_t updated_ns_ = 0;
  bool has_updated_ = false;
};

}  // namespace latencykit

// Whether an engine keeps up, and what it does when it does not.
//
// The engine is degraded from when the mean time of a tick is above the limit until it is below half of it. The mean is
// exponential over the timed ticks, weight 1/32. What then happens is the policy:
//   carry_on  nothing; it is only told
//   reduce    entries are of half the quantity, at least 1
//   pause     no entries; exits go on
// reduce and pause make decisions depend on the machine, so that a replay need not give the same journal.
#pragma once

#include <algorithm>
#include <cstdint>

#include "latency/risk_gate.h"

namespace latencykit {

enum class WhenDegraded : std::uint8_t { carry_on, reduce, pause };

class EngineHealth {
 public:
  EngineHealth(WhenDegraded policy, double limit_ns) : policy_(policy), limit_ns_(limit_ns) {}

  void observe(double tick_ns) {
    mean_ns_ += (tick_ns - mean_ns_) * kWeight;
    const bool was = degraded_;
    degraded_ = mean_ns_ > (degraded_ ? limit_ns_ / 2 : limit_ns_);
    times_ += degraded_ && !was;
  }

  std::int64_t entry_quantity(std::int64_t wanted) const {
    return degraded_ && policy_ == WhenDegraded::reduce ? std::max<std::int64_t>(wanted / 2, 1) : wanted;
  }
  bool pauses_entries() const { return degraded_ && policy_ == WhenDegraded::pause; }

  bool degraded() const { return degraded_; }
  std::uint64_t times() const { return times_; }
  double mean_ns() const { return mean_ns_; }

 private:
  static constexpr double kWeight = 1.0 / 32;

  WhenDegraded policy_;
  double limit_ns_;
  double mean_ns_ = 0;
  bool degraded_ = false;
  std::uint64_t times_ = 0;  // How often it became so.
};

}  // namespace latencykit

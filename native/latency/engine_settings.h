// What an engine is told, and what it tells: settings, decisions, counts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "latency/engine_health.h"
#include "latency/order_slot.h"
#include "latency/panic_detector.h"
#include "latency/risk_gate.h"
#include "latency/tick_averages.h"
#include "latency/tick_gate.h"

namespace latencykit {

struct EngineSettings {
  std::int64_t symbols = 1;  // Numbered from 0.
  AveragePeriods averages = {};
  PanicSettings panic = {};
  RiskSettings risk = {};
  TickRules rules = {};
  std::int64_t update_interval_ns = 0;  // Least feed time between two updates of a symbol; 0 updates on every tick.
  std::int64_t order_quantity = 100;
  bool exits = true;
  bool simd = true;
  WhenDegraded when_degraded = WhenDegraded::carry_on;
  double latency_limit_ns = 10'000;  // Mean time of a tick beyond which the engine is degraded.
  std::uint32_t sample_every = 64;   // One tick in so many is timed; 0 times none.
  std::size_t kept_samples = 4'096;
  std::size_t kept_events = 10'000;  // At least 1.
};

// A decision: an order, or why there was none.
struct EngineEvent {
  std::uint64_t row;
  std::int64_t timestamp_ns;
  std::uint64_t order;   // Its number, from 1; 0 if it was refused.
  std::uint64_t handle;  // In the arena.
  std::int64_t quantity;
  double price;
  double confidence;  // NaN without a signal, as the next two.
  double take_profit;
  double stop;
  std::uint32_t symbol;
  Side side;
  RiskVerdict verdict;
  std::uint16_t unused;
};
static_assert(sizeof(EngineEvent) == 80);

struct EngineCounts {
  std::uint64_t ticks = 0;    // All that came in.
  std::uint64_t skipped = 0;  // By the feed gate.
  std::uint64_t held = 0;     // By the update interval.
  std::uint64_t updates = 0;
  std::uint64_t signals = 0;
  std::uint64_t entries = 0;
  std::uint64_t exits = 0;
  std::uint64_t refused = 0;
  double profit = 0;  // Realised by exits, without fees.
};

}  // namespace latencykit

// What an engine journals, as the record that is copied on the hot path; journal_lines.h makes lines of them.
#pragma once

#include <cstdint>
#include <type_traits>

#include "latency/order_slot.h"
#include "latency/risk_gate.h"
#include "latency/tick.h"
#include "latency/tick_averages.h"
#include "latency/tick_gate.h"

namespace latencykit {

enum class StopReason : std::uint8_t { kKilled, kBadTick, kStrategy, kJournal };

constexpr const char* stop_reason_name(StopReason reason) {
  constexpr const char* kNames[] = {"killed", "bad tick", "strategy failed", "journal failed"};
  return kNames[static_cast<int>(reason)];
}

struct JournalRecord {
  enum class Kind : std::uint8_t { kTick, kHeld, kSkipped, kOrder, kRefused, kStopped };

  struct TickPart {
    std::int64_t timestamp_ns;
    double price, volume, bid, ask;
    Indicators indicators;
  };
  struct OrderPart {
    std::uint64_t number;
    std::int64_t quantity;
    double price, confidence, take_profit, stop;
  };

  Kind kind;
  std::uint8_t reason;  // A TickKind, a RiskVerdict or a StopReason.
  Side side;
  std::uint32_t symbol;
  std::uint64_t row;
  union {
    TickPart tick;
    OrderPart order;
  };
};
static_assert(sizeof(JournalRecord) == 88 && std::is_trivially_copyable_v<JournalRecord>);

}  // namespace latencykit

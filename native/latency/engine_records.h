// How what an engine did becomes records of its journal, and how its newest decisions are kept.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "latency/engine_settings.h"
#include "latency/journal_record.h"
#include "latency/tick.h"
#include "latency/tick_averages.h"

namespace latencykit {

inline void write_record(JournalRecord& record, JournalRecord::Kind kind, std::uint64_t row, const Tick& tick) {
  record.kind = kind;
  record.row = row;
  record.symbol = tick.symbol;
  record.tick = {tick.timestamp_ns, tick.price, tick.volume, tick.bid, tick.ask, {}};
}

inline void write_record(JournalRecord& record, const EngineEvent& event) {
  record.kind = event.order != 0 ? JournalRecord::Kind::kOrder : JournalRecord::Kind::kRefused;
  record.reason = static_cast<std::uint8_t>(event.verdict);
  record.side = event.side;
  record.symbol = event.symbol;
  record.row = event.row;
  record.order = {event.order, event.quantity, event.price, event.confidence, event.take_profit, event.stop};
}

inline void write_record(JournalRecord& record, std::uint64_t row, StopReason reason) {
  record.kind = JournalRecord::Kind::kStopped;
  record.reason = static_cast<std::uint8_t>(reason);
  record.row = row;
}

// The newest decisions, in memory taken at construction; older ones make room.
class DecisionRing {
 public:
  explicit DecisionRing(std::size_t capacity) : events_(capacity) {}

  void push(const EngineEvent& event) { events_[count_++ % events_.size()] = event; }

  // How many there ever were, and how many are still kept.
  std::uint64_t count() const { return count_; }
  std::size_t kept() const { return static_cast<std::size_t>(std::min<std::uint64_t>(count_, events_.size())); }

  // Calls f on the newest `some` of the first `end`, oldest first. What others push meanwhile may be among them, but
  // there are never more.
  template <typename F>
  void each_of(std::uint64_t end, std::size_t some, F f) const {
    for (std::uint64_t i = end - some; i < end; ++i) f(events_[i % events_.size()]);
  }
  // Calls f on those kept, oldest first.
  template <typename F>
  void each(F f) const {
    const std::uint64_t end = count_;
    each_of(end, static_cast<std::size_t>(std::min<std::uint64_t>(end, events_.size())), f);
  }

 private:
  std::vector<EngineEvent> events_;
  std::uint64_t count_ = 0;
};

}  // namespace latencykit

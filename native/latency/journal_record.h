// What an engine journals, as a record that is copied on the hot path and as the line that is made of it later.
//
// Lines, comma-separated, the first letter telling the kind:
//   T,row,timestamp_ns,symbol,price,volume,bid,ask,fast,slow,vwap,rsi   a tick that was acted on
//   H,row,timestamp_ns,symbol,price,volume,bid,ask                      held by the update interval
//   S,row,timestamp_ns,symbol,price,volume,bid,ask,reason               skipped: what TickGate calls it
//   O,row,number,side,quantity,price,confidence,take_profit,stop        an order; without a signal the last three are empty
//   R,row,reason,side,quantity,price                                    an order that was refused
//   X,row,reason                                                        the engine stopped making orders
// Prices and volumes are in the fewest digits that give the double again, as Python's repr; a quote that is none is
// empty; averages, and the confidence that is made of averages, are rounded to six places. So a journal has all of its
// feed, which can be read from it again, and the same feed and settings give the same bytes, also from another program
// that carries its averages otherwise.
//
// Promises: nothing of the machine or its clock is in a line. No allocation but the buffer's.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "latency/decimal_digits.h"
#include "latency/fast_decimal.h"
#include "latency/log_format.h"
#include "latency/order_slot.h"
#include "latency/risk_gate.h"
#include "latency/text_buffer.h"
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

namespace journal_line {

// A letter, three integers, four doubles as repr has them and four averages, which a price near the largest double makes
// 316 characters long; digits may be written 8 bytes ahead.
inline constexpr std::size_t kLongest = 1 + 3 * 21 + 4 * 26 + 4 * 332 + 8;

inline char* put(char* out, std::string_view text) { return formatting::put(out, text); }

inline char* put_integer(char* out, std::int64_t value) {
  *out = ',';
  return decimal_digits::put_signed(out + 1, value);
}

// What is skipped may be negative or infinite.
[[gnu::noinline]] inline char* put_unusual(char* out, double value) {
  if (std::signbit(value)) *out++ = '-';
  return std::isinf(value) ? put(out, "inf") : formatting::put_untyped(out, std::fabs(value), -1);
}

// As Python's repr, but nothing for NaN.
inline char* put_double(char* out, double value) {
  *out++ = ',';
  if (value > 0) [[likely]] {
    if (char* const end = fast_decimal::put_shortest(out, value)) [[likely]]
      return end;
  } else if (std::isnan(value)) {
    return out;
  }
  return put_unusual(out, value);
}

inline char* put_average(char* out, double value) {
  constexpr int kPlaces = 6;
  *out++ = ',';
  if (char* const end = fast_decimal::put_fixed(out, value, kPlaces)) return end;
  char* const end = std::to_chars(out, out + 330, value, std::chars_format::fixed, kPlaces).ptr;
  return end;
}

// Without a signal there is none.
inline char* put_confidence(char* out, double value) {
  return std::isnan(value) ? put_double(out, value) : put_average(out, value);
}

inline char* put_tick(char* out, const JournalRecord& record) {
  const JournalRecord::TickPart& tick = record.tick;
  out = put_integer(put_integer(out, tick.timestamp_ns), record.symbol);
  return put_double(put_double(put_double(put_double(out, tick.price), tick.volume), tick.bid), tick.ask);
}

inline char* put_side(char* out, Side side) { return put(out, side == Side::kBuy ? ",buy" : ",sell"); }

inline char* put_reason(char* out, std::string_view reason) {
  *out++ = ',';
  return put(out, reason);
}

inline char* put_order(char* out, const JournalRecord& record) {
  const JournalRecord::OrderPart& order = record.order;
  out = put_double(
      put_integer(put_side(put_integer(out, static_cast<std::int64_t>(order.number)), record.side), order.quantity),
      order.price);
  return put_double(put_double(put_confidence(out, order.confidence), order.take_profit), order.stop);
}

inline char* put_refused(char* out, const JournalRecord& record) {
  out = put_side(put_reason(out, risk_verdict_name(static_cast<RiskVerdict>(record.reason))), record.side);
  return put_double(put_integer(out, record.order.quantity), record.order.price);
}

}  // namespace journal_line

// Appends the record's line, without its end.
inline void append_line(TextBuffer& text, const JournalRecord& record) {
  using Kind = JournalRecord::Kind;
  char* const begin = text.room(journal_line::kLongest);
  constexpr char kLetters[] = "THSORX";
  *begin = kLetters[static_cast<int>(record.kind)];
  char* out = journal_line::put_integer(begin + 1, static_cast<std::int64_t>(record.row));
  switch (record.kind) {
    case Kind::kTick:
      out = journal_line::put_tick(out, record);
      out = journal_line::put_average(out, record.tick.indicators.fast);
      out = journal_line::put_average(out, record.tick.indicators.slow);
      out = journal_line::put_average(out, record.tick.indicators.vwap);
      out = journal_line::put_average(out, record.tick.indicators.rsi);
      break;
    case Kind::kHeld:
      out = journal_line::put_tick(out, record);
      break;
    case Kind::kSkipped:
      out = journal_line::put_reason(journal_line::put_tick(out, record), kTickKindNames[record.reason]);
      break;
    case Kind::kOrder:
      out = journal_line::put_order(out, record);
      break;
    case Kind::kRefused:
      out = journal_line::put_refused(out, record);
      break;
    case Kind::kStopped:
      out = journal_line::put_reason(out, stop_reason_name(static_cast<StopReason>(record.reason)));
      break;
  }
  text.added(static_cast<std::size_t>(out - begin));
}

}  // namespace latencykit

// The lines of an engine's journal, made of its records.
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
#include <cstring>
#include <string_view>

#include "latency/decimal_digits.h"
#include "latency/fast_decimal.h"
#include "latency/journal_record.h"
#include "latency/log_format.h"
#include "latency/text_buffer.h"

namespace latencykit {
namespace journal_line {

// A letter, three integers, four doubles as repr has them and four averages, which a price near the largest double makes
// 316 characters long; digits may be written 24 bytes ahead.
inline constexpr std::size_t kLongest = 1 + 3 * 21 + 4 * 26 + 4 * 332 + 24;

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

// Numbers that mostly follow each other by one: the text of the next is made ahead. Not when it is asked for, because
// words that were just stored byte by byte are slow to load.
class CountedNumber {
 public:
  char* put(char* out, std::uint64_t number) {
    if (number != next_ || length_ == 0) [[unlikely]]
      begin_with(number);
    std::memcpy(out, text_, kRoom);
    out += length_;
    next_ = number + 1;
    count_on();
    return out;
  }

 private:
  static constexpr std::size_t kRoom = 24;  // Of a comma and the longest number.

  [[gnu::noinline]] void begin_with(std::uint64_t number) {
    text_[0] = ',';
    length_ = static_cast<std::size_t>(decimal_digits::put_unsigned(text_ + 1, number) - text_);
  }

  // Makes the text that of the next number; none, to be begun anew, where that has a digit more.
  void count_on() {
    std::size_t at = length_ - 1;
    while (text_[at] == '9') text_[at--] = '0';
    if (at == 0) [[unlikely]] {
      length_ = 0;
    } else {
      ++text_[at];
    }
  }

  char text_[kRoom + 8] = {};
  std::size_t length_ = 0;
  std::uint64_t next_ = 0;
};

// Times that mostly lie within a thousand seconds of the one before: only what is behind those is made anew.
class TimeNumber {
 public:
  char* put(char* out, std::int64_t timestamp_ns) {
    if (timestamp_ns < kThousandSeconds) [[unlikely]]
      return put_integer(out, timestamp_ns);
    const std::int64_t thousands = timestamp_ns / kThousandSeconds;
    if (thousands != thousands_) [[unlikely]] {
      thousands_ = thousands;
      length_ = static_cast<std::size_t>(put_integer(text_, thousands) - text_);
    }
    std::memcpy(out, text_, kRoom);
    const std::int64_t behind = timestamp_ns - thousands * kThousandSeconds;
    out = decimal_digits::put_six(out + length_, static_cast<std::uint32_t>(behind / 1'000'000));
    return decimal_digits::put_six(out, static_cast<std::uint32_t>(behind % 1'000'000));
  }

 private:
  static constexpr std::int64_t kThousandSeconds = 1'000'000'000'000;
  static constexpr std::size_t kRoom = 8;  // A comma, and the thousands of the last time that there is.

  char text_[kRoom + 16] = {};
  std::size_t length_ = 0;
  std::int64_t thousands_ = -1;
};

// Without a signal there is none.
inline char* put_confidence(char* out, double value) {
  return std::isnan(value) ? put_double(out, value) : put_average(out, value);
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

// Makes the lines of one journal, in their order.
class JournalLines {
 public:
  explicit JournalLines(TextBuffer& text) : text_(text) {}

  // Appends the record's line, without its end. Throws std::bad_alloc.
  void add(const JournalRecord& record) {
    using Kind = JournalRecord::Kind;
    char* const begin = text_.room(journal_line::kLongest);
    constexpr char kLetters[] = "THSORX";
    *begin = kLetters[static_cast<int>(record.kind)];
    char* out = row_.put(begin + 1, record.row);
    switch (record.kind) {
      case Kind::kTick:
        out = put_averages(put_tick(out, record), record.tick.indicators);
        break;
      case Kind::kHeld:
        out = put_tick(out, record);
        break;
      case Kind::kSkipped:
        out = journal_line::put_reason(put_tick(out, record), kTickKindNames[record.reason]);
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
    text_.added(static_cast<std::size_t>(out - begin));
  }

 private:
  char* put_tick(char* out, const JournalRecord& record) {
    using journal_line::put_double;
    const JournalRecord::TickPart& tick = record.tick;
    out = journal_line::put_integer(time_.put(out, tick.timestamp_ns), record.symbol);
    return put_double(put_double(put_double(put_double(out, tick.price), tick.volume), tick.bid), tick.ask);
  }

  static char* put_averages(char* out, const Indicators& averages) {
    using journal_line::put_average;
    return put_average(put_average(put_average(put_average(out, averages.fast), averages.slow), averages.vwap),
                       averages.rsi);
  }

  TextBuffer& text_;
  journal_line::CountedNumber row_;
  journal_line::TimeNumber time_;
};

}  // namespace latencykit

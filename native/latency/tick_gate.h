// Decides which ticks an engine may act on: what is damaged, out of order, repeated or late is counted by kind with
// its row, and accepted, skipped or the end of the run, as the rules say.
//
// Use: one TickGate for a run, one LastTick for each symbol, kept with the symbol's other state. The caller looks up
//   the symbol: where it has no state for it, unknown_symbol(row) counts that.
// Kinds are looked for in the order of TickKind. Each that applies is counted, and the first that is not to be accepted
//   ends the search: a tick that was skipped is counted under exactly one kind that is skipped. Order, repetition and
//   gaps are against the symbol's last accepted tick, which a tick that was not accepted leaves as it was; the first
//   tick of a symbol is none of these.
// What cannot be accepted: a bad price, volume or quote, and an unknown symbol. Nothing sensible can be computed from
//   them, and a NaN that gets into an average never leaves it.
// Repeated: time, price, volume and quote all equal the last one's. A quote that says again what is known is skipped by
//   default; two equal trades are two trades, and bars look like trades here, so these are accepted and counted.
// Gaps: accepted by default. Averages and windows count ticks and not time, so across a gap they go on as if the next
//   tick had followed at once; a move over the gap counts as the move of one tick.
// Cost: a usual tick takes a dozen comparisons joined without branches, one branch that is predicted, and five stores.
// Threads: one thread asks. Counts may be read by any thread at any time: each number is right, two of them may be of
//   different moments.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "latency/tick.h"

namespace latencykit {

enum class TickKind : std::uint8_t {
  unknown_symbol,
  bad_price,       // Not finite or not above 0.
  bad_volume,      // Not finite or below 0.
  bad_quote,       // A bid without an ask or the other way round, or one that is not finite or not above 0.
  crossed_quote,   // The bid above the ask; equal is a locked market, which happens.
  backwards,       // Before the symbol's last accepted tick.
  repeated_quote,  // The last accepted tick again.
  repeated_trade,
  gap,  // More than the longest gap after the last accepted tick.
};

inline constexpr std::size_t kTickKinds = 9;
inline constexpr std::array<const char*, kTickKinds> kTickKindNames{"unknown_symbol", "bad_price",      "bad_volume",
                                                                    "bad_quote",      "crossed_quote",  "backwards",
                                                                    "repeated_quote", "repeated_trade", "gap"};

enum class TickPolicy : std::uint8_t { accept, skip, halt };

constexpr bool may_be_accepted(TickKind kind) { return kind >= TickKind::crossed_quote; }

struct TickRules {
  std::array<TickPolicy, kTickKinds> policies{TickPolicy::skip, TickPolicy::skip,   TickPolicy::skip,
                                              TickPolicy::skip, TickPolicy::skip,   TickPolicy::skip,
                                              TickPolicy::skip, TickPolicy::accept, TickPolicy::accept};
  std::int64_t longest_gap_ns = 0;  // 0: no gap is too long.

  TickPolicy& of(TickKind kind) { return policies[static_cast<std::size_t>(kind)]; }
  TickPolicy of(TickKind kind) const { return policies[static_cast<std::size_t>(kind)]; }

  // The kind that must not be accepted but is, or null.
  const char* fault() const {
    for (std::size_t kind = 0; kind < kTickKinds; ++kind) {
      if (policies[kind] == TickPolicy::accept && !may_be_accepted(static_cast<TickKind>(kind))) {
        return kTickKindNames[kind];
      }
    }
    return nullptr;
  }
};

// The last accepted tick of one symbol. Its price is NaN before the first, which no accepted tick's is.
struct LastTick {
  std::int64_t timestamp_ns = std::numeric_limits<std::int64_t>::min();
  double price = std::numeric_limits<double>::quiet_NaN();
  double volume = 0;
  double bid = 0;
  double ask = 0;

  bool seen() const { return !std::isnan(price); }
};

struct TickCount {
  std::uint64_t count;
  std::uint64_t first_row;  // Both 0 while the count is.
  std::uint64_t last_row;
};

class TickCounts {
 public:
  TickCount of(TickKind kind) const {
    const Entry& entry = entries_[static_cast<std::size_t>(kind)];
    return {entry.count.load(std::memory_order_relaxed), entry.first_row.load(std::memory_order_relaxed),
            entry.last_row.load(std::memory_order_relaxed)};
  }

  // One thread adds: no read-modify-write is needed.
  void add(TickKind kind, std::uint64_t row) {
    Entry& entry = entries_[static_cast<std::size_t>(kind)];
    const std::uint64_t before = entry.count.load(std::memory_order_relaxed);
    if (before == 0) entry.first_row.store(row, std::memory_order_relaxed);
    entry.last_row.store(row, std::memory_order_relaxed);
    entry.count.store(before + 1, std::memory_order_relaxed);
  }

 private:
  struct Entry {
    std::atomic<std::uint64_t> count{0}, first_row{0}, last_row{0};
  };
  std::array<Entry, kTickKinds> entries_;
};

class TickGate {
 public:
  // Precondition: rules.fault() is null and the longest gap is at least 0.
  explicit TickGate(const TickRules& rules)
      : longest_gap_ns_(rules.longest_gap_ns > 0 ? static_cast<std::uint64_t>(rules.longest_gap_ns) : kNoGap),
        rules_(rules) {}

  // What to do with a tick of the symbol whose last one this is. `row` is for the counts alone.
  [[nodiscard]] TickPolicy admit(LastTick& last, const Tick& tick, std::uint64_t row) {
    if (!is_usual(last, tick)) [[unlikely]] {
      const TickPolicy policy = judge(last, tick, row);
      if (policy != TickPolicy::accept) return policy;
    }
    last = {tick.timestamp_ns, tick.price, tick.volume, tick.bid, tick.ask};
    return TickPolicy::accept;
  }

  // What to do with a tick of a symbol for which there is no state.
  [[nodiscard, gnu::noinline]] TickPolicy unknown_symbol(std::uint64_t row) {
    counts_.add(TickKind::unknown_symbol, row);
    refused_ = TickKind::unknown_symbol;
    return rules_.of(TickKind::unknown_symbol);
  }

  // Why the newest tick that was not accepted was not.
  TickKind refused() const { return refused_; }

  const TickCounts& counts() const { return counts_; }
  const TickRules& rules() const { return rules_; }

 private:
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static constexpr std::uint64_t kNoGap = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::uint64_t kInfinityBits = std::bit_cast<std::uint64_t>(kInfinity);

  // True only for ticks without fault. It may be false for one too, such as a volume of -0.0 or the first of a symbol.
  bool is_usual(const LastTick& last, const Tick& tick) const {
    // The bits of doubles from 0 up to infinity are in order; what is negative or NaN comes after.
    const bool price = std::bit_cast<std::uint64_t>(tick.price) - 1 < kInfinityBits - 1;
    const bool volume = std::bit_cast<std::uint64_t>(tick.volume) < kInfinityBits;
    const bool quote = (tick.bid > 0) & (tick.bid <= tick.ask) & (tick.ask < kInfinity);
    const bool no_quote = (tick.bid != tick.bid) & (tick.ask != tick.ask);
    const std::uint64_t elapsed = elapsed_ns(last, tick);
    const bool in_time = (tick.timestamp_ns >= last.timestamp_ns) & (elapsed <= longest_gap_ns_);
    const bool repeated = (elapsed == 0) & (tick.price == last.price);
    return price & volume & (quote | no_quote) & in_time & !repeated;
  }

  [[gnu::noinline]] TickPolicy judge(const LastTick& last, const Tick& tick, std::uint64_t row) {
    for (std::size_t at = static_cast<std::size_t>(TickKind::bad_price); at < kTickKinds; ++at) {
      const auto kind = static_cast<TickKind>(at);
      if (!is(kind, last, tick)) continue;
      counts_.add(kind, row);
      refused_ = kind;
      if (rules_.of(kind) != TickPolicy::accept) return rules_.of(kind);
    }
    return TickPolicy::accept;
  }

  bool is(TickKind kind, const LastTick& last, const Tick& tick) const {
    switch (kind) {
      case TickKind::unknown_symbol:
        return false;  // Whoever has the symbol's last tick knows the symbol.
      case TickKind::bad_price:
        return !is_price(tick.price);
      case TickKind::bad_volume:
        return !(tick.volume >= 0 && tick.volume < kInfinity);
      case TickKind::bad_quote:
        return has_quote(tick) && !(is_price(tick.bid) && is_price(tick.ask));
      case TickKind::crossed_quote:
        return tick.bid > tick.ask;
      case TickKind::backwards:
        return last.seen() && tick.timestamp_ns < last.timestamp_ns;
      case TickKind::repeated_quote:
        return has_quote(tick) && repeats(last, tick) && tick.bid == last.bid && tick.ask == last.ask;
      case TickKind::repeated_trade:
        return !has_quote(tick) && repeats(last, tick) && std::isnan(last.bid);
      case TickKind::gap:
        return last.seen() && tick.timestamp_ns >= last.timestamp_ns && elapsed_ns(last, tick) > longest_gap_ns_;
    }
    return false;
  }

  static bool is_price(double value) { return value > 0 && value < kInfinity; }

  static bool repeats(const LastTick& last, const Tick& tick) {
    return tick.timestamp_ns == last.timestamp_ns && tick.price == last.price && tick.volume == last.volume;
  }

  // Exact for what is not before the last one, also where the difference is beyond int64.
  static std::uint64_t elapsed_ns(const LastTick& last, const Tick& tick) {
    return static_cast<std::uint64_t>(tick.timestamp_ns) - static_cast<std::uint64_t>(last.timestamp_ns);
  }

  const std::uint64_t longest_gap_ns_;
  const TickRules rules_;
  TickKind refused_ = TickKind::unknown_symbol;
  TickCounts counts_;
};

}  // namespace latencykit

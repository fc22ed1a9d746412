// One row of a feed, as every feed hands it over and as the engine reads it: a bar's close, a trade, or a quote.
//
// Layout: 48 bytes, no hidden padding, the same as TICK_DTYPE in Python, so that arrays and shared rings are read in
//   place. Reserved is written as 0 and not read.
// Values: whatever the source said. Nothing here is checked: TickGate does that.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace latencykit {

struct Tick {
  std::int64_t timestamp_ns;  // UTC, since 1970.
  double price;               // The close of a bar, the price of a trade, the middle of a quote.
  double volume;              // What was traded; 0 where the source does not say.
  double bid;                 // NaN, as the ask, where the row is no quote.
  double ask;
  std::uint32_t symbol;  // Counted from 0.
  std::uint32_t reserved;
};

static_assert(sizeof(Tick) == 48 && alignof(Tick) == 8);
static_assert(offsetof(Tick, price) == 8 && offsetof(Tick, volume) == 16 && offsetof(Tick, bid) == 24);
static_assert(offsetof(Tick, ask) == 32 && offsetof(Tick, symbol) == 40 && offsetof(Tick, reserved) == 44);
static_assert(std::is_trivially_copyable_v<Tick> && std::is_standard_layout_v<Tick>);

// Whether the row says anything of a bid or an ask.
inline bool has_quote(const Tick& tick) { return !(std::isnan(tick.bid) && std::isnan(tick.ask)); }

}  // namespace latencykit

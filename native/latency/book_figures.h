// The figures that are read off the top of an order book.
//
// Promises: pure functions. A figure that needs a price of an empty side is NaN; none of them raises or traps.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>

#include "latency/order_book.h"

namespace latencykit {

// The best level of each side; an empty side is kNoLevel.
struct BookTop {
  BookLevel bid = kNoLevel;
  BookLevel ask = kNoLevel;

  // Negative while the book is crossed, 0 while it is locked.
  double spread() const noexcept { return ask.price - bid.price; }

  double mid() const noexcept { return std::midpoint(bid.price, ask.price); }

  // The mid weighted by the quantity of the opposite side: bid + (ask - bid) * Qb / (Qb + Qa). Gatheral and Oomen,
  // "Zero-intelligence realized variance estimation", Finance and Stochastics 14 (2010), call it the micro-price, and
  // so do most; Stoikov, "The micro-price", Quantitative Finance 18 (2018), calls it the weighted mid, and
  // micro-price a model fitted to data.
  double micro_price() const noexcept {
    const auto bids = static_cast<double>(bid.quantity);
    return bid.price + (ask.price - bid.price) * (bids / (bids + static_cast<double>(ask.quantity)));
  }

  bool crossed() const noexcept { return bid.price > ask.price; }
  bool locked() const noexcept { return bid.price == ask.price; }
};

// (Qb - Qa) / (Qb + Qa) of the quantities near the top: 1 is bids only, -1 asks only, NaN nothing at all. Gould and
// Bonart, "Queue imbalance as a one-tick-ahead price predictor in a limit order book", Market Microstructure and
// Liquidity 2 (2016).
inline double imbalance_of(double bids, double asks) noexcept { return (bids - asks) / (bids + asks); }

inline BookLevel load(const BookLevel& level) noexcept { return level; }
inline BookLevel load(const SharedLevel& level) noexcept { return level.load(); }

// The imbalance over the first `levels` rows of each side.
template <typename Row>
double imbalance_of(const std::size_t* counts, Row* const* rows, std::size_t levels) noexcept {
  double sums[2] = {0.0, 0.0};
  for (int side : {0, 1}) {
    for (std::size_t i = 0; i < std::min(counts[side], levels); ++i) {
      sums[side] += static_cast<double>(load(rows[side][i]).quantity);
    }
  }
  return imbalance_of(sums[0], sums[1]);
}

template <typename Row>
BookTop top_of(const std::size_t* counts, Row* const* rows) noexcept {
  BookTop top;
  if (counts[0] > 0) top.bid = load(rows[0][0]);
  if (counts[1] > 0) top.ask = load(rows[1][0]);
  return top;
}

}  // namespace latencykit

// The engine's indicators of one symbol: exponential averages that are carried from tick to tick.
//
//   fast, slow   averages of the price over two periods, weight 2 / (period + 1)
//   vwap         the average price by volume: the average of price x volume over that of volume, weight as slow
//   rsi          Wilder's relative strength index: averages of gains and losses, weight 1 / period (J. Welles Wilder,
//                New Concepts in Technical Trading Systems, 1978)
//
// Every average begins with the first tick's value (the changes with 0) and follows a <- (1 - w) a + w x, in this order
// and with every step rounded, so that any other program that does the same gets the same bits.
//
// Promises: update<true>() takes the six averages as three pairs, which is what a vector register of any 64-bit
// processor holds; update<false>() one by one. Both give the same bits. O(1), no branch on data, no allocation.
// Prices are finite and above 0, volumes finite and not negative.
#pragma once

#include <algorithm>
#include <cstdint>

namespace latencykit {

struct AveragePeriods {
  std::int64_t fast = 12;  // ticks, at least 1
  std::int64_t slow = 26;  // ticks, at least 1
  std::int64_t rsi = 14;   // ticks, at least 1
};

inline constexpr int kAverages = 6;
enum Average : int { kFast, kSlow, kGain, kLoss, kTurnover, kTraded };

// What an average keeps of itself and what it takes of a new value, shared by all symbols.
struct AverageWeights {
  alignas(16) double keeps[kAverages];
  alignas(16) double takes[kAverages];

  explicit AverageWeights(const AveragePeriods& periods) {
    const auto span = [](std::int64_t period) { return 2 / (static_cast<double>(period) + 1); };
    const double wilder = 1 / static_cast<double>(periods.rsi);
    const double weights[kAverages] = {span(periods.fast), span(periods.slow), wilder, wilder,
                                       span(periods.slow), span(periods.slow)};
    for (int i = 0; i < kAverages; ++i) {
      keeps[i] = 1 - weights[i];
      takes[i] = weights[i];
    }
  }
};

struct Indicators {
  double fast;
  double slow;
  double vwap;
  double rsi;
};

class TickAverages {
 public:
  template <bool kSimd>
  void update(const AverageWeights& weights, double price, double volume) {
    const bool begins = last_ == 0;
    const double change = begins ? 0 : price - last_;
    last_ = price;
    alignas(16) const double taken[kAverages] = {price,          price, std::max(change, 0.0), std::max(-change, 0.0),
                                                 price * volume, volume};
    if (begins) [[unlikely]] {
      std::copy(taken, taken + kAverages, average_);
    } else if constexpr (kSimd) {
      for (int i = 0; i < kAverages; i += 2) {
        const Pair next = pair(weights.keeps + i) * pair(average_ + i) + pair(weights.takes + i) * pair(taken + i);
        *reinterpret_cast<Pair*>(average_ + i) = next;
      }
    } else {
      for (int i = 0; i < kAverages; ++i) {
        average_[i] = weights.keeps[i] * average_[i] + weights.takes[i] * taken[i];
        keep_apart(average_[i]);
      }
    }
  }

  double slow() const { return average_[kSlow]; }

  // Without any volume the vwap is the slow average; without any change the index is 50.
  Indicators values() const {
    const double gain = average_[kGain], loss = average_[kLoss];
    const bool traded = average_[kTraded] > 0, moved = gain + loss > 0;
    return {average_[kFast], average_[kSlow], traded ? average_[kTurnover] / average_[kTraded] : average_[kSlow],
            moved ? 100 * gain / (gain + loss) : 50};
  }

 private:
  using Pair [[gnu::vector_size(16), gnu::may_alias]] = double;

  static Pair pair(const double* two) { return *reinterpret_cast<const Pair*>(two); }

  // Compilers make pairs of such a loop themselves: without SIMD is to mean without.
  static void keep_apart([[maybe_unused]] double& value) {
#if defined(__x86_64__)
    __asm__("" : "+x"(value));
#endif
  }

  alignas(16) double average_[kAverages] = {};
  double last_ = 0;  // Price of the last tick; 0 before the first.
};

}  // namespace latencykit

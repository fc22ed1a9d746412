// Finds panics in a stream of ticks: a fall abnormal for the recent volatility, on abnormal volume, oversold, and
// proposes an entry once the price has stopped falling.
//
// With h the horizon and every average exponential, a tick is in panic if all of these hold:
//   fall    f = 1 - level / reference >= least_fall, level being the highest of the last three prices and
//           reference the lowest of the three that ended h ticks ago, so that one bad print makes no fall;
//           f >= fall_deviations * sigma * sqrt(h), sigma^2 being the average squared return of a tick over
//           `window` as it was h ticks ago, before the fall could widen it;
//   volume  its average over h / 2 is at least volume_ratio times its average over `window` of h ticks ago;
//   RSI     Wilder's relative strength index over rsi_period is at most `oversold` (J. Welles Wilder, New Concepts
//           in Technical Trading Systems, 1978; gains and losses averaged with weight 1 / period).
// A squared return counts for at most 16 sigma^2, so that a bad print does not blind the detector for a window.
//
// The first tick in panic opens it; h ticks neither in panic nor with a new lowest level close it. The signal is given at the first tick of an
// open panic whose level has not gone below the lowest of `turn` ticks ago, while the level is still least_fall below
// the reference at which the panic opened. That closes it; another one opens only after `refractory` ticks
// without panic, and none during warm-up, 2 * window + h ticks.
//
// Promises: O(1) per tick; nothing but whether to signal is a branch on data; no allocation after construction. What a
// tick reads and writes is the object itself, about four cache lines, and one slot of a ring of h, 32 bytes each, so
// that none straddles two lines. Copies are independent. Not thread-safe. Prices must be finite and positive, volumes
// finite and not negative: the caller checks with `is_price` and `is_volume`.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "latency/ema_weight.h"

namespace latencykit {

inline bool is_price(double value) { return value > 0 && value <= std::numeric_limits<double>::max(); }
inline bool is_volume(double value) { return value >= 0 && value <= std::numeric_limits<double>::max(); }

struct PanicSettings {
  std::int64_t window = 100;      // ticks, at least 2
  std::int64_t horizon = 30;      // ticks, at least 3
  double fall_deviations = 4;     // greater than 0
  double least_fall = 0.008;      // fraction of the price, within (0, 1)
  double volume_ratio = 2.5;      // at least 0; 0 leaves volume out
  std::int64_t rsi_period = 14;   // ticks, at least 1
  double oversold = 30;           // RSI, within (0, 100]
  std::int64_t refractory = 100;  // ticks, at least 0
  std::int64_t turn = 2;          // ticks, at least 0; 0 signals at the first tick in panic
};

struct PanicSignal {
  double price;
  double confidence;   // 0.5 just beyond every threshold, towards 1 far beyond
  double take_profit;  // price
  double stop;         // price
  std::int64_t index;  // of the tick, the first being 0
};

class PanicDetector {
 public:
  explicit PanicDetector(const PanicSettings& settings)
      : quiet_(2 * settings.window + settings.horizon),
        long_weight_(ema_weight(static_cast<double>(settings.window))),
        short_weight_(ema_weight(static_cast<double>(settings.horizon) / 2)),
        rsi_weight_(1 / static_cast<double>(settings.rsi_period)),
        squared_deviations_(settings.fall_deviations * settings.fall_deviations *
                            static_cast<double>(settings.horizon)),
        // Without volume, "at least n times as much" would hold as 0 >= 0.
        least_volume_(settings.volume_ratio > 0 ? std::numeric_limits<double>::min() : 0),
        settings_(settings),
        ring_(static_cast<std::size_t>(settings.horizon)) {}

  // Takes in a tick; true if it gives a signal, which is then in `signal`.
  bool update(double price, double volume, PanicSignal& signal) {
    if (ticks_ == 0) [[unlikely]]
      begin(price, volume);
    Slot& slot = ring_[at_];
    const Slot before = slot;
    average(price, volume);
    const double level = std::max({price, last_, second_last_});
    slot = {std::min({price, last_, second_last_}), variance_, long_volume_};
    second_last_ = last_;
    last_ = price;
    ++at_;
    at_ &= -static_cast<std::size_t>(at_ != ring_.size());
    ++ticks_;
    const bool fires = follow(is_panic(level, before), level, before);
    if (fires) [[unlikely]]
      signal = describe(price);
    return fires;
  }

  std::int64_t ticks() const { return ticks_; }

  // Standard deviation of a tick's return, as a fraction.
  double volatility() const { return std::sqrt(variance_); }

  // 50 while no price has changed.
  double rsi() const { return gain_ > 0 || loss_ > 0 ? 100 / (1 + loss_ / gain_) : 50; }

  const PanicSettings& settings() const { return settings_; }

 private:
  struct alignas(32) Slot {
    double reference = 0;
    double variance = 0;
    double long_volume = 0;
  };

  // A price that stood still would make any move abnormal: sigma is at least a thousandth of a per cent.
  static constexpr double kLeastVariance = 1e-10;
  static constexpr double kLargestSquare = 16;
  // What is aimed at is part of the fall, within the band that a rebound reaches; what is risked is half of it.
  static constexpr double kRebound = 0.4;
  static constexpr double kLeastProfit = 0.005;
  static constexpr double kMostProfit = 0.02;
  static constexpr double kRisk = 0.5;

  // By bits, because compilers may make a jump of `condition ? a : b`.
  static double select(bool condition, double yes, double no) {
    const std::uint64_t mask = -static_cast<std::uint64_t>(condition);
    return std::bit_cast<double>((std::bit_cast<std::uint64_t>(yes) & mask) |
                                 (std::bit_cast<std::uint64_t>(no) & ~mask));
  }

  static std::int64_t where(bool condition, std::int64_t value) {
    return value & -static_cast<std::int64_t>(condition);
  }

  void begin(double price, double volume) {
    last_ = second_last_ = price;
    short_volume_ = long_volume_ = volume;
  }

  void average(double price, double volume) {
    const double change = price - last_;
    const double tick_return = change / last_;
    const double square = std::min(tick_return * tick_return, kLargestSquare * variance_);
    variance_ = std::max((1 - long_weight_) * variance_ + long_weight_ * square, kLeastVariance);
    short_volume_ = (1 - short_weight_) * short_volume_ + short_weight_ * volume;
    long_volume_ = (1 - long_weight_) * long_volume_ + long_weight_ * volume;
    const double rise = select(change > 0, change, 0);
    gain_ = (1 - rsi_weight_) * gain_ + rsi_weight_ * rise;
    loss_ = (1 - rsi_weight_) * loss_ + rsi_weight_ * (rise - change);
  }

  // All four are computed, so that no branch depends on one of them.
  bool is_panic(double level, const Slot& before) const {
    // A slot not yet written has reference 0: the fall is then minus infinity.
    const double fall = (before.reference - level) / before.reference;
    const bool falls = fall >= settings_.least_fall;
    const bool abnormal = fall * fall >= squared_deviations_ * before.variance;
    const bool heavy = short_volume_ >= std::max(settings_.volume_ratio * before.long_volume, least_volume_);
    const bool oversold = gain_ * (100 - settings_.oversold) <= loss_ * settings_.oversold;
    return falls & abnormal & heavy & oversold;
  }

  // Opens, follows and closes panics; whether this tick gives the entry.
  bool follow(bool panic, double level, const Slot& before) {
    const bool opens = panic & (open_ == 0) & (quiet_ == 0);
    // By the reference as it was: to wait for the new one would lengthen the path from tick to tick.
    const bool fallen = opens | (reference_ - level >= settings_.least_fall * reference_);
    reference_ = select(opens, before.reference, reference_);
    usual_variance_ = select(opens, before.variance, usual_variance_);
    usual_volume_ = select(opens, before.long_volume, usual_volume_);
    const bool lower = opens | ((open_ > 0) & (level < low_));
    low_ = select(lower, level, low_);
    unbroken_ = where(!lower, unbroken_ + 1);
    open_ = std::max(open_ - 1, where(lower | (panic & (open_ > 0)), settings_.horizon));
    open_ = std::max<std::int64_t>(open_, 0);
    const bool fires = (open_ > 0) & (unbroken_ >= settings_.turn) & fallen;
    quiet_ = std::max(quiet_ - 1, where(fires | (panic & (quiet_ > 0)), settings_.refractory));
    quiet_ = std::max<std::int64_t>(quiet_, 0);
    open_ = where(!fires, open_);
    return fires;
  }

  [[gnu::noinline]] PanicSignal describe(double price) const {
    const double deepest = (reference_ - low_) / reference_;
    const double by_fall = 1 - std::sqrt(squared_deviations_ * usual_variance_) / deepest;
    const double by_volume =
        settings_.volume_ratio > 0 ? 1 - settings_.volume_ratio * usual_volume_ / short_volume_ : 0;
    const double by_rsi = 1 - rsi() / settings_.oversold;
    const double beyond = (within_0_and_1(by_fall) + within_0_and_1(by_volume) + within_0_and_1(by_rsi)) / 3;
    const double fall = (reference_ - price) / reference_;
    const double profit = std::clamp(kRebound * fall, kLeastProfit, kMostProfit);
    const double take_profit = std::min(price * (1 + profit), std::numeric_limits<double>::max());
    return {price, 0.5 + 0.5 * beyond, take_profit, price * (1 - kRisk * profit), ticks_ - 1};
  }

  // Not std::clamp: NaN, as of 0 / 0, becomes 0.
  static double within_0_and_1(double value) { return value > 0 ? std::min(value, 1.0) : 0; }

  double last_ = 0;
  double second_last_ = 0;
  double variance_ = kLeastVariance;
  double short_volume_ = 0;
  double long_volume_ = 0;
  double gain_ = 0;
  double loss_ = 0;
  // The panic that is open or was the last: where it came from and how it stands.
  double low_ = 0;
  double reference_ = 0;
  double usual_variance_ = 0;
  double usual_volume_ = 0;
  std::int64_t unbroken_ = 0;  // ticks since the level was last lower than before
  std::int64_t open_ = 0;      // ticks until an open panic closes
  std::int64_t quiet_;         // ticks until a signal may be given
  std::int64_t ticks_ = 0;
  std::size_t at_ = 0;

  double long_weight_;
  double short_weight_;
  double rsi_weight_;
  double squared_deviations_;  // fall_deviations^2 * horizon
  double least_volume_;
  PanicSettings settings_;
  std::vector<Slot> ring_;
};

}  // namespace latencykit

// Finds panics in a stream of ticks: a fall abnormal for the recent volatility, on abnormal volume, oversold.
//
// With h the horizon and every average exponential, a tick n is in panic if all of these hold:
//   fall    f = 1 - level / reference >= least_fall, level being the highest of the last three prices and
//           reference the lowest of the three that ended h ticks ago, so that one bad print makes no fall;
//           f >= fall_deviations * sigma * sqrt(h), sigma^2 being the average squared return of a tick over
//           `window` as it was h ticks ago, before the fall could widen it;
//   volume  its average over h / 2 is at least volume_ratio times its average over `window` of h ticks ago;
//   RSI     Wilder's relative strength index over rsi_period is at most `oversold` (J. Welles Wilder, New
//   Concepts
//           in Technical Trading Systems, 1978; gains and losses averaged with weight 1 / period).
// A squared return counts for at most 16 sigma^2, so that a bad print does not blind the detector for a
// window. The first tick in panic gives a signal; the next is given only after `refractory` ticks without
// panic, and none during warm-up, 2 * window + h ticks.
//
// Promises: O(1) per tick, one branch on data (whether to signal), no allocation after construction: one ring
// of h slots of 24 bytes. One division lies on the path between ticks. Not thread-safe. Prices must be finite
// and positive, volumes finite and not negative: the caller checks with `is_price` and `is_volume`.
#pragma once

#include <algorithm>
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
  double least_fall = 0.005;      // fraction of the price, within (0, 1)
  double volume_ratio = 2.5;      // at least 0; 0 leaves volume out
  std::int64_t rsi_period = 14;   // ticks, at least 1
  double oversold = 30;           // RSI, within (0, 100]
  std::int64_t refractory = 100;  // ticks, at least 0
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
      : settings_(settings),
        long_weight_(ema_weight(static_cast<double>(settings.window))),
        short_weight_(ema_weight(static_cast<double>(settings.horizon) / 2)),
        rsi_weight_(1 / static_cast<double>(settings.rsi_period)),
        squared_deviations_(settings.fall_deviations * settings.fall_deviations *
                            static_cast<double>(settings.horizon)),
        // Without volume, "at least n times as much" would hold as 0 >= 0.
        least_volume_(settings.volume_ratio > 0 ? std::numeric_limits<double>::min() : 0),
        quiet_(2 * settings.window + settings.horizon),
        ring_(static_cast<std::size_t>(settings.horizon)) {}

  // Takes in a tick; true if it gives a signal, which is then in `signal`.
  bool update(double price, double volume, PanicSignal& signal) {
    if (ticks_ == 0) [[unlikely]]
      begin(price, volume);
    Slot& slot = ring_[at_];
    const Slot before = slot;
    average(price, volume);
    slot = {std::min({price, last_, second_last_}), variance_, long_volume_};
    const double level = std::max({price, last_, second_last_});
    second_last_ = last_;
    last_ = price;
    ++at_;
    at_ = at_ == ring_.size() ? 0 : at_;
    // A slot not yet written has reference 0: the fall is then minus infinity.
    const double fall = (before.reference - level) / before.reference;
    const bool panic = is_panic(fall, before);
    const bool fires = panic & (quiet_ == 0);
    quiet_ = std::max(quiet_ - 1, panic ? settings_.refractory : 0);
    quiet_ = std::max<std::int64_t>(quiet_, 0);
    ++ticks_;
    if (fires) [[unlikely]]
      signal = describe(price, fall, before);
    return fires;
  }

  std::int64_t ticks() const { return ticks_; }

  // Standard deviation of a tick's return, as a fraction.
  double volatility() const { return std::sqrt(variance_); }

  // 50 while no price has changed.
  double rsi() const { return gain_ > 0 || loss_ > 0 ? 100 / (1 + loss_ / gain_) : 50; }

  const PanicSettings& settings() const { return settings_; }

 private:
  struct Slot {
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
    gain_ = (1 - rsi_weight_) * gain_ + rsi_weight_ * std::max(change, 0.0);
    loss_ = (1 - rsi_weight_) * loss_ + rsi_weight_ * std::max(-change, 0.0);
  }

  // All four are computed, so that the only branch is on their conjunction.
  bool is_panic(double fall, const Slot& before) const {
    const bool falls = fall >= settings_.least_fall;
    const bool abnormal = fall * fall >= squared_deviations_ * before.variance;
    const bool heavy = short_volume_ >= std::max(settings_.volume_ratio * before.long_volume, least_volume_);
    const bool oversold = gain_ * (100 - settings_.oversold) <= loss_ * settings_.oversold;
    return falls & abnormal & heavy & oversold;
  }

  [[gnu::noinline]] PanicSignal describe(double price, double fall, const Slot& before) const {
    const double by_fall = 1 - std::sqrt(squared_deviations_ * before.variance) / fall;
    const double by_volume =
        settings_.volume_ratio > 0 ? 1 - settings_.volume_ratio * before.long_volume / short_volume_ : 0;
    const double by_rsi = 1 - rsi() / settings_.oversold;
    const double beyond = std::clamp((by_fall + by_volume + by_rsi) / 3, 0.0, 1.0);
    const double profit = std::clamp(kRebound * fall, kLeastProfit, kMostProfit);
    return {price, 0.5 + 0.5 * beyond, price * (1 + profit), price * (1 - kRisk * profit), ticks_ - 1};
  }

  PanicSettings settings_;
  double long_weight_;
  double short_weight_;
  double rsi_weight_;
  double squared_deviations_;  // fall_deviations^2 * horizon
  double least_volume_;

  double last_ = 0;
  double second_last_ = 0;
  double variance_ = kLeastVariance;
  double short_volume_ = 0;
  double long_volume_ = 0;
  double gain_ = 0;
  double loss_ = 0;
  std::int64_t quiet_;  // ticks until a signal may be given
  std::int64_t ticks_ = 0;
  std::size_t at_ = 0;
  std::vector<Slot> ring_;
};

}  // namespace latencykit

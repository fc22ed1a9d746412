#include "latency/panic_detector.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/check.h"

using latencykit::PanicDetector;
using latencykit::PanicSettings;
using latencykit::PanicSignal;

namespace {

struct Market {
  std::vector<double> prices, volumes;

  Market(unsigned seed, std::size_t ticks) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal(0, 1);
    double price = 100;
    for (std::size_t i = 0; i < ticks; ++i) {
      prices.push_back(price *= 1 + 3e-4 * normal(random));
      volumes.push_back(100 * std::exp(0.4 * normal(random)));
    }
  }

  void plant(std::size_t start, std::size_t length, double fall, double volume) {
    for (std::size_t i = start; i < prices.size(); ++i) {
      const std::size_t fallen = i - start + 1 < length ? i - start + 1 : length;
      prices[i] *= 1 - fall * static_cast<double>(fallen) / static_cast<double>(length);
      if (i < start + length) volumes[i] *= volume;
    }
  }
};

std::vector<PanicSignal> scan(PanicDetector& detector, const Market& market) {
  std::vector<PanicSignal> found;
  PanicSignal signal;
  for (std::size_t i = 0; i < market.prices.size(); ++i) {
    if (detector.update(market.prices[i], market.volumes[i], signal)) found.push_back(signal);
  }
  return found;
}

void a_planted_panic_is_found_once() {
  for (unsigned seed = 0; seed < 20; ++seed) {
    Market market(seed, 2000);
    market.plant(1000, 20 + seed, 0.04, 7);
    PanicDetector detector{PanicSettings{}};
    const auto found = scan(detector, market);
    CHECK(found.size() == 1);
    CHECK(found[0].index >= 1000 && found[0].index < 1040);
    CHECK(found[0].price == market.prices[static_cast<std::size_t>(found[0].index)]);
    CHECK(found[0].confidence >= 0.5 && found[0].confidence <= 1);
    CHECK(found[0].take_profit >= 1.00499 * found[0].price && found[0].take_profit <= 1.02001 * found[0].price);
  }
}

void decoys_are_not() {
  for (unsigned seed = 0; seed < 20; ++seed) {
    Market quiet(seed, 5000), slide(seed, 5000), spike(seed, 5000), volume(seed, 5000);
    slide.plant(1000, 3000, 0.15, 2);
    spike.prices[1000] *= 0.95;
    spike.volumes[1000] *= 50;
    volume.plant(1000, 40, 0, 10);
    for (const Market& market : {quiet, slide, spike, volume}) {
      PanicDetector detector{PanicSettings{}};
      CHECK(scan(detector, market).empty());
    }
  }
}

void the_shortest_settings_and_the_first_ticks() {
  PanicSettings settings;
  settings.window = 2;
  settings.horizon = 3;
  settings.rsi_period = 1;
  settings.refractory = 0;
  settings.volume_ratio = 0;
  PanicDetector detector(settings);
  CHECK(detector.ticks() == 0 && detector.rsi() == 50);
  PanicSignal signal;
  for (int i = 0; i < 7; ++i) CHECK(!detector.update(100 - i, 0, signal));
  bool found = false;
  for (int i = 7; i < 40; ++i) found |= detector.update(100 - 2 * i, 0, signal);
  CHECK(found && signal.index >= 7);
}

void a_market_that_stands_still() {
  PanicDetector detector{PanicSettings{}};
  PanicSignal signal;
  for (int i = 0; i < 1000; ++i) CHECK(!detector.update(100, 0, signal));
  CHECK(detector.rsi() == 50 && std::isfinite(detector.volatility()));
}

void extremes_stay_numbers() {
  PanicDetector detector{PanicSettings{}};
  PanicSignal signal;
  const double largest = std::numeric_limits<double>::max(), least = std::numeric_limits<double>::denorm_min();
  for (int i = 0; i < 1000; ++i) detector.update(i % 3 == 0 ? largest : least, i % 2 == 0 ? largest : 0, signal);
  CHECK(!std::isnan(detector.rsi()) && !std::isnan(detector.volatility()));
}

void checks() {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  CHECK(latencykit::is_price(1e-300) && latencykit::is_volume(0));
  for (double wrong : {nan, infinity, -infinity, -1.0}) {
    CHECK(!latencykit::is_price(wrong) && !latencykit::is_volume(wrong));
  }
  CHECK(!latencykit::is_price(0));
}

}  // namespace

int main() {
  a_planted_panic_is_found_once();
  decoys_are_not();
  the_shortest_settings_and_the_first_ticks();
  a_market_that_stands_still();
  extremes_stay_numbers();
  checks();
}

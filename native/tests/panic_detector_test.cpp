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
      const std::size_t after = i - start + 1 - fallen, recovered = after < 100 ? after : 100;
      const double recovery = static_cast<double>(recovered) / 200;
      prices[i] *= 1 - fall * (static_cast<double>(fallen) / static_cast<double>(length) - recovery);
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
    CHECK(found[0].index >= 1000 && found[0].index < 1050);
    CHECK(found[0].price == market.prices[static_cast<std::size_t>(found[0].index)]);
    CHECK(found[0].confidence >= 0.5 && found[0].confidence <= 1);
    CHECK(found[0].take_profit >= 1.00499 * found[0].price && found[0].take_profit <= 1.02001 * found[0].price);
  }
}

void decoys_are_not() {
  for (unsigned seed = 0; seed < 20; ++seed) {
    Market quiet(seed, 5000), slide(seed, 5000), spike(seed, 5000), volume(seed, 5000);
    slide.plant(1000, 600, 0.04, 7);
    spike.prices[1000] *= 0.95;
    spike.volumes[1000] *= 50;
    volume.plant(1000, 40, 0, 10);
    for (const Market& market : {quiet, slide, spike, volume}) {
      PanicDetector detector{PanicSettings{}};
      CHECK(scan(detector, market).empty());
    }
  }
}

// Ticks of the same price and volume, then a fall in equal steps.
std::vector<double> fall_to(double bottom, int steps) {
  std::vector<double> prices(400, 100);
  for (int i = 1; i <= steps; ++i) prices.push_back(100 + (bottom - 100) * i / steps);
  return prices;
}

// The index of the first signal, or -1; volume is ten times as large from the fall on.
std::int64_t first_signal(const PanicSettings& settings, const std::vector<double>& prices) {
  PanicDetector detector(settings);
  PanicSignal signal;
  for (std::size_t i = 0; i < prices.size(); ++i) {
    if (detector.update(prices[i], i < 400 ? 10 : 100, signal)) return signal.index;
  }
  return -1;
}

void the_entry_waits_for_the_turn() {
  std::vector<double> prices = fall_to(95, 20);
  PanicSettings settings;
  settings.turn = 0;
  CHECK(first_signal(settings, prices) >= 402 && first_signal(settings, prices) < 412);
  settings.turn = 2;
  CHECK(first_signal(settings, prices) == -1);  // it still falls
  prices.insert(prices.end(), 10, 95);
  CHECK(first_signal(settings, prices) == 423);  // the level reaches 95 at 421
  settings.turn = 7;
  CHECK(first_signal(settings, prices) == 428);
  settings.turn = 100;
  prices.insert(prices.end(), 200, 95);
  CHECK(first_signal(settings, prices) == -1);  // the panic is over before
}

void what_has_recovered_gives_no_entry() {
  std::vector<double> prices = fall_to(95, 20);
  prices.insert(prices.end(), 50, 99.5);
  CHECK(first_signal(PanicSettings{}, prices) == -1);
}

void one_good_print_in_the_fall_is_no_turn() {
  std::vector<double> prices = fall_to(94, 30);
  prices[420] = 100;  // the level stands at 100 for three ticks, above the lowest
  const std::int64_t with_turn = first_signal(PanicSettings{}, prices);
  CHECK(with_turn == -1 || with_turn > 420);
}

void copies_go_their_own_ways() {
  Market market(5, 2000);
  market.plant(1000, 30, 0.04, 7);
  PanicDetector one{PanicSettings{}};
  PanicSignal signal;
  for (std::size_t i = 0; i < 1010; ++i) one.update(market.prices[i], market.volumes[i], signal);
  PanicDetector other = one;
  std::int64_t by_one = -1, by_other = -1;
  for (std::size_t i = 1010; i < 2000; ++i) {
    if (one.update(market.prices[i], market.volumes[i], signal)) by_one = signal.index;
  }
  for (std::size_t i = 1010; i < 2000; ++i) {
    if (other.update(market.prices[i], market.volumes[i], signal)) by_other = signal.index;
  }
  CHECK(by_one > 1000 && by_one == by_other && other.ticks() == 2000);
}

void the_shortest_settings_and_the_first_ticks() {
  PanicSettings settings;
  settings.window = 2;
  settings.horizon = 3;
  settings.rsi_period = 1;
  settings.refractory = 0;
  settings.volume_ratio = 0;
  settings.turn = 0;
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
  the_entry_waits_for_the_turn();
  what_has_recovered_gives_no_entry();
  one_good_print_in_the_fall_is_no_turn();
  copies_go_their_own_ways();
  the_shortest_settings_and_the_first_ticks();
  a_market_that_stands_still();
  extremes_stay_numbers();
  checks();
}

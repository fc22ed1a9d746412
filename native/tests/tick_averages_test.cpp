// Against the formulas written out, and pairs against one by one.
#include "latency/tick_averages.h"

#include <cmath>
#include <cstring>
#include <random>

#include "tests/check.h"

namespace latencykit {
namespace {

struct Reference {
  double fast = 0, slow = 0, gain = 0, loss = 0, turnover = 0, traded = 0, last = 0;

  void update(double price, double volume) {
    if (last == 0) {
      *this = {price, price, 0, 0, price * volume, volume, price};
      return;
    }
    const double change = price - last;
    move(fast, 2.0 / 13, price);
    move(slow, 2.0 / 27, price);
    move(gain, 1.0 / 14, change > 0 ? change : 0);
    move(loss, 1.0 / 14, change < 0 ? -change : 0);
    move(turnover, 2.0 / 27, price * volume);
    move(traded, 2.0 / 27, volume);
    last = price;
  }
  static void move(double& average, double weight, double value) { average = (1 - weight) * average + weight * value; }
};

bool same_bits(const Indicators& a, const Indicators& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

void both_ways_give_the_bits_of_the_formulas() {
  const AverageWeights weights{AveragePeriods{}};
  TickAverages paired, single;
  Reference reference;
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> step(-0.01, 0.01);
  double price = 100;
  for (int i = 0; i < 100'000; ++i) {
    price *= 1 + step(random);
    const auto volume = static_cast<double>(random() % 1'000);
    paired.update<true>(weights, price, volume);
    single.update<false>(weights, price, volume);
    reference.update(price, volume);
    CHECK(same_bits(paired.values(), single.values()));
    CHECK(paired.values().fast == reference.fast && paired.values().slow == reference.slow);
    if (reference.traded > 0) CHECK(paired.values().vwap == reference.turnover / reference.traded);
    if (reference.gain + reference.loss > 0) {
      CHECK(paired.values().rsi == 100 * reference.gain / (reference.gain + reference.loss));
    }
  }
}

void without_volume_or_change() {
  const AverageWeights weights{AveragePeriods{}};
  TickAverages averages;
  for (int i = 0; i < 3; ++i) averages.update<true>(weights, 50, 0);
  CHECK(averages.values().vwap == 50 && averages.values().rsi == 50 && averages.slow() == 50);
  averages.update<true>(weights, 49, 0);
  CHECK(averages.values().rsi == 0 && averages.values().vwap == averages.slow());
}

}  // namespace
}  // namespace latencykit

int main() {
  latencykit::both_ways_give_the_bits_of_the_formulas();
  latencykit::without_volume_or_change();
}

// Each limit at its edge; position and update interval, which have as little to test.
#include "latency/risk_gate.h"

#include <cstdint>
#include <limits>
#include <string>

#include "latency/engine_health.h"
#include "latency/position.h"
#include "latency/update_interval.h"
#include "tests/check.h"

namespace latencykit {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

RiskVerdict judge(const RiskSettings& settings, const Proposal& order, double reference = 100,
                  std::int64_t position = 0) {
  return RiskGate(settings).judge(order, reference, position, 0);
}

void size_and_position() {
  const RiskSettings settings{.max_order_quantity = 10, .max_position = 25};
  CHECK(judge(settings, {Side::kBuy, 10, 100}) == RiskVerdict::kPassed);
  CHECK(judge(settings, {Side::kBuy, 11, 100}) == RiskVerdict::kSize);
  CHECK(judge(settings, {Side::kBuy, 10, 100}, 100, 15) == RiskVerdict::kPassed);
  CHECK(judge(settings, {Side::kBuy, 10, 100}, 100, 16) == RiskVerdict::kPosition);
  CHECK(judge(settings, {Side::kSell, 10, 100}, 100, 25) == RiskVerdict::kPassed);
  const RiskSettings greatest{.max_order_quantity = std::numeric_limits<std::int64_t>::max(),
                              .max_position = std::numeric_limits<std::int64_t>::max()};
  CHECK(judge(greatest, {Side::kBuy, std::numeric_limits<std::int64_t>::max(), 100}, 100, 1) == RiskVerdict::kPosition);
}

void the_collar() {
  const RiskSettings settings{.price_collar = 0.25};
  CHECK(judge(settings, {Side::kBuy, 1, 125}) == RiskVerdict::kPassed);
  CHECK(judge(settings, {Side::kBuy, 1, 125.01}) == RiskVerdict::kCollar);
  CHECK(judge(settings, {Side::kSell, 1, 74.99}) == RiskVerdict::kCollar);
  CHECK(judge(settings, {Side::kBuy, 1, 100}, std::numeric_limits<double>::quiet_NaN()) == RiskVerdict::kCollar);
  CHECK(judge({.price_collar = 0}, {Side::kBuy, 1, 1e9}) == RiskVerdict::kPassed);
}

void the_rate_is_of_the_feeds_time() {
  RiskGate gate({.max_orders_per_second = 2});
  const Proposal order{Side::kBuy, 1, 100};
  const auto passes = [&](std::int64_t at) {
    if (gate.judge(order, 100, 0, at) != RiskVerdict::kPassed) return false;
    gate.count(at);
    return true;
  };
  CHECK(passes(0) && passes(1));
  CHECK(!passes(kSecond - 1));
  CHECK(passes(kSecond) && !passes(kSecond));
  CHECK(passes(kSecond + 1) && !passes(2 * kSecond - 1));
  RiskGate none({.max_orders_per_second = 0});
  for (int i = 0; i < 1'000; ++i) CHECK(none.judge(order, 100, 0, 0) == RiskVerdict::kPassed);
}

void the_rate_holds_to_the_last_of_times() {
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();
  RiskGate gate({1'000, 1'000, 0, 1});
  gate.count(kLast - 10);
  CHECK(gate.judge({Side::kBuy, 1, 100}, 100, 0, kLast) == RiskVerdict::kRate);
  CHECK(gate.judge({Side::kBuy, 1, 100}, 100, 0, -kLast) == RiskVerdict::kRate);
}

void held_volumes_stay_finite() {
  constexpr double kMost = std::numeric_limits<double>::max();
  UpdateInterval interval;
  double volume = kMost;
  CHECK(!interval.holds(10, 0, &volume));
  for (const std::int64_t time : {1, 2}) CHECK(interval.holds(10, time, &(volume = kMost)));
  CHECK(!interval.holds(10, 10, &(volume = kMost)) && volume == kMost);
}

void names() {
  CHECK(std::string(risk_verdict_name(RiskVerdict::kPassed)) == "passed");
  CHECK(std::string(risk_verdict_name(RiskVerdict::kStrategy)) == "strategy");
}

void a_position_is_left_at_its_limits() {
  Position position;
  CHECK(!position.is_at_exit(1e300) && !position.is_at_exit(1e-300));
  position.buy(100, 50, 51, 49.5);
  CHECK(!position.is_at_exit(50) && position.is_at_exit(51) && position.is_at_exit(49.5) && position.is_at_exit(40));
  position.buy(100, 60, 62, 59);
  CHECK(position.units() == 200 && position.entry() == 55 && !position.is_at_exit(60));
  CHECK(position.sell(50, 62) == 350 && position.units() == 150);
  CHECK(position.sell(150, 54) == -150 && position.units() == 0 && !position.is_at_exit(1));
}

void ticks_that_come_too_soon_are_held() {
  UpdateInterval interval;
  double volume = 5;
  CHECK(!interval.holds(10, 100, &volume) && volume == 5);
  volume = 7;
  CHECK(interval.holds(10, 109, &volume));
  volume = 1;
  CHECK(!interval.holds(10, 110, &volume) && volume == 8);
  volume = 1;
  CHECK(!interval.holds(10, 50, &volume) && volume == 1);  // From before the last update.
  UpdateInterval wide;
  volume = 1;
  CHECK(!wide.holds(10, std::numeric_limits<std::int64_t>::min(), &volume));
  CHECK(!wide.holds(10, std::numeric_limits<std::int64_t>::max(), &volume));
}

void health_has_a_memory_and_recovers_below_half_the_limit() {
  EngineHealth health(WhenDegraded::reduce, 1'000);
  for (int i = 0; i < 1'000; ++i) health.observe(900);
  CHECK(!health.degraded() && health.entry_quantity(100) == 100);
  for (int i = 0; i < 1'000; ++i) health.observe(2'000);
  CHECK(health.degraded() && health.entry_quantity(100) == 50 && health.entry_quantity(1) == 1);
  CHECK(!health.pauses_entries() && health.times() == 1);
  for (int i = 0; i < 1'000; ++i) health.observe(600);
  CHECK(health.degraded());
  for (int i = 0; i < 1'000; ++i) health.observe(400);
  CHECK(!health.degraded() && health.times() == 1);
  EngineHealth paused(WhenDegraded::pause, 1), calm(WhenDegraded::carry_on, 1);
  paused.observe(1e6);
  calm.observe(1e6);
  CHECK(paused.pauses_entries() && paused.entry_quantity(8) == 8);
  CHECK(calm.degraded() && !calm.pauses_entries() && calm.entry_quantity(8) == 8);
}

}  // namespace
}  // namespace latencykit

int main() {
  latencykit::size_and_position();
  latencykit::the_collar();
  latencykit::the_rate_is_of_the_feeds_time();
  latencykit::the_rate_holds_to_the_last_of_times();
  latencykit::held_volumes_stay_finite();
  latencykit::names();
  latencykit::a_position_is_left_at_its_limits();
  latencykit::ticks_that_come_too_soon_are_held();
  latencykit::health_has_a_memory_and_recovers_below_half_the_limit();
}

#include "latency/tick_gate.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "tests/check.h"

using latencykit::kTickKindNames;
using latencykit::kTickKinds;
using latencykit::LastTick;
using latencykit::may_be_accepted;
using latencykit::Tick;
using latencykit::TickGate;
using latencykit::TickKind;
using latencykit::TickPolicy;
using latencykit::TickRules;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();

// The definition again, by itself: no wrapping numbers, no bits, and the whole last tick.
struct Reference {
  TickRules rules;
  bool any = false;
  Tick last{};
  std::uint64_t counts[kTickKinds] = {};

  static bool positive(double value) { return std::isfinite(value) && value > 0; }

  bool same_quote(const Tick& tick) const {
    if (std::isnan(tick.bid)) return std::isnan(last.bid);
    return tick.bid == last.bid && tick.ask == last.ask;
  }

  bool applies(TickKind kind, const Tick& tick) const {
    const bool quote = !std::isnan(tick.bid) || !std::isnan(tick.ask);
    const bool repeated = any && tick.timestamp_ns == last.timestamp_ns && tick.price == last.price &&
                          tick.volume == last.volume && same_quote(tick);
    if (kind == TickKind::bad_price) return !positive(tick.price);
    if (kind == TickKind::bad_volume) return !std::isfinite(tick.volume) || tick.volume < 0;
    if (kind == TickKind::bad_quote) return quote && !(positive(tick.bid) && positive(tick.ask));
    if (kind == TickKind::crossed_quote) return quote && tick.bid > tick.ask;
    if (kind == TickKind::backwards) return any && tick.timestamp_ns < last.timestamp_ns;
    if (kind == TickKind::repeated_quote) return repeated && quote;
    if (kind == TickKind::repeated_trade) return repeated && !quote;
    const __int128 after = static_cast<__int128>(tick.timestamp_ns) - last.timestamp_ns;
    return kind == TickKind::gap && any && rules.longest_gap_ns > 0 && after > rules.longest_gap_ns;
  }

  TickPolicy admit(const Tick& tick) {
    for (std::size_t kind = 0; kind < kTickKinds; ++kind) {
      if (!applies(static_cast<TickKind>(kind), tick)) continue;
      ++counts[kind];
      if (rules.policies[kind] != TickPolicy::accept) return rules.policies[kind];
    }
    any = true;
    last = tick;
    return TickPolicy::accept;
  }
};

void agree(const TickRules& rules, const std::vector<Tick>& ticks) {
  TickGate gate(rules);
  LastTick last;
  Reference reference{rules};
  for (std::size_t row = 0; row < ticks.size(); ++row) {
    CHECK(gate.admit(last, ticks[row], row) == reference.admit(ticks[row]));
    CHECK(last.seen() == reference.any);
    CHECK(!last.seen() || last.timestamp_ns == reference.last.timestamp_ns);
  }
  for (std::size_t kind = 0; kind < kTickKinds; ++kind) {
    CHECK(gate.counts().of(static_cast<TickKind>(kind)).count == reference.counts[kind]);
  }
}

TickRules rules_with(TickPolicy policy, std::int64_t longest_gap_ns) {
  TickRules rules;
  rules.longest_gap_ns = longest_gap_ns;
  for (std::size_t kind = 0; kind < kTickKinds; ++kind) {
    const bool allowed = policy != TickPolicy::accept || may_be_accepted(static_cast<TickKind>(kind));
    rules.policies[kind] = allowed ? policy : TickPolicy::skip;
  }
  return rules;
}

std::vector<TickRules> all_rules() {
  std::vector<TickRules> all;
  for (const std::int64_t gap : {std::int64_t{0}, std::int64_t{1}, std::int64_t{5}, kLast}) {
    for (const TickPolicy policy : {TickPolicy::accept, TickPolicy::skip, TickPolicy::halt}) {
      all.push_back(rules_with(policy, gap));
    }
    TickRules usual;
    usual.longest_gap_ns = gap;
    all.push_back(usual);
  }
  return all;
}

const double kValues[] = {kNan, kInf, -kInf, -1, -0.0, 0, std::numeric_limits<double>::denorm_min(), 1, 2};
const double kQuotes[] = {kNan, kInf, -kInf, -1, 0, 1, 2, std::numeric_limits<double>::max()};
const std::int64_t kTimes[] = {kFirst, kFirst + 1, -6, -1, 0, 1, 5, 6, kLast - 1, kLast};

// Every price with every volume and every quote, as the first tick and after a good one.
void every_value() {
  const std::vector<TickRules> all = all_rules();
  for (const double price : kValues) {
    for (const double volume : kValues) {
      for (const double bid : kQuotes) {
        for (const double ask : kQuotes) {
          const Tick tick{0, price, volume, bid, ask, 0, 0};
          for (const TickRules& rules : all) agree(rules, {tick, {0, 1, 1, kNan, kNan, 0, 0}, tick, tick});
        }
      }
    }
  }
}

// Every order of three times, with equal and with different prices, volumes and quotes.
void every_order() {
  const std::vector<TickRules> all = all_rules();
  for (const std::int64_t first : kTimes) {
    for (const std::int64_t second : kTimes) {
      for (const std::int64_t third : kTimes) {
        for (unsigned bits = 0; bits < 16; ++bits) {
          const Tick a{first, 1, 1, 1, 1, 0, 0};
          const double bid = bits & 8 ? kNan : 1;
          const Tick b{second, bits & 1 ? 2.0 : 1.0, bits & 2 ? 2.0 : 1.0, bid, bits & 4 ? bid + 1 : bid, 0, 0};
          const Tick c{third, 1, 1, bid, bid, 0, 0};
          for (const TickRules& rules : all) agree(rules, {a, b, c, c});
        }
      }
    }
  }
}

// Long sequences of damaged and good ticks under policies of every mixture.
void any_sequence() {
  std::uint64_t state = 1;
  const auto draw = [&state](std::uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  for (int round = 0; round < 3000; ++round) {
    TickRules rules;
    rules.longest_gap_ns = static_cast<std::int64_t>(draw(8));
    for (std::size_t kind = 0; kind < kTickKinds; ++kind) {
      const bool any = may_be_accepted(static_cast<TickKind>(kind));
      rules.policies[kind] = static_cast<TickPolicy>(any ? draw(3) : 1 + draw(2));
    }
    CHECK(rules.fault() == nullptr);
    std::vector<Tick> ticks;
    std::int64_t now = 0;
    for (int row = 0; row < 100; ++row) {
      now += static_cast<std::int64_t>(draw(12)) - 2;
      Tick tick{now, 1.0 + static_cast<double>(draw(2)), 1, kNan, kNan, 0, 0};
      if (draw(2) == 0) tick.bid = tick.ask = tick.price;
      if (draw(10) == 0) tick.price = kValues[draw(std::size(kValues))];
      if (draw(10) == 0) tick.volume = kValues[draw(std::size(kValues))];
      if (draw(10) == 0) tick.bid = kQuotes[draw(std::size(kQuotes))];
      ticks.push_back(tick);
      if (draw(3) == 0) ticks.push_back(tick);
    }
    agree(rules, ticks);
  }
}

void counts_name_the_first_and_the_last_row() {
  TickGate gate{TickRules{}};
  LastTick last;
  const Tick bad{0, -1, 1, kNan, kNan, 0, 0};
  for (const std::uint64_t row : {7u, 9u, 30u}) CHECK(gate.admit(last, bad, row) == TickPolicy::skip);
  const auto [count, first, latest] = gate.counts().of(TickKind::bad_price);
  CHECK(count == 3 && first == 7 && latest == 30);
  CHECK(gate.unknown_symbol(31) == TickPolicy::skip && gate.unknown_symbol(32) == TickPolicy::skip);
  const auto unknown = gate.counts().of(TickKind::unknown_symbol);
  CHECK(unknown.count == 2 && unknown.first_row == 31 && unknown.last_row == 32);
  CHECK(gate.counts().of(TickKind::bad_volume).first_row == 0);
}

void the_usual_rules() {
  const TickRules rules;
  for (const TickKind kind : {TickKind::unknown_symbol, TickKind::bad_price, TickKind::bad_volume, TickKind::bad_quote,
                              TickKind::crossed_quote, TickKind::backwards, TickKind::repeated_quote}) {
    CHECK(rules.of(kind) == TickPolicy::skip);
  }
  CHECK(rules.of(TickKind::repeated_trade) == TickPolicy::accept && rules.of(TickKind::gap) == TickPolicy::accept);
  CHECK(rules.fault() == nullptr);
  TickRules wrong;
  wrong.of(TickKind::bad_quote) = TickPolicy::accept;
  CHECK(std::strcmp(wrong.fault(), "bad_quote") == 0);
  CHECK(std::string(kTickKindNames[static_cast<std::size_t>(TickKind::gap)]) == "gap");
}

// A skipped tick is no past for the next one: two trades with a bad tick between are still repeated.
void a_skipped_tick_leaves_no_trace() {
  TickGate gate{TickRules{}};
  LastTick last;
  const Tick good{5, 1, 1, kNan, kNan, 0, 0};
  CHECK(gate.admit(last, good, 0) == TickPolicy::accept);
  CHECK(gate.admit(last, {9, kNan, 1, kNan, kNan, 0, 0}, 1) == TickPolicy::skip);
  CHECK(gate.admit(last, {2, 1, 1, kNan, kNan, 0, 0}, 2) == TickPolicy::skip);
  CHECK(gate.admit(last, good, 3) == TickPolicy::accept);
  CHECK(gate.counts().of(TickKind::repeated_trade).count == 1);
  CHECK(gate.counts().of(TickKind::backwards).count == 1);
}

void counts_are_read_beside_the_run() {
  TickGate gate{TickRules{}};
  std::thread run([&] {
    LastTick last;
    for (std::uint64_t row = 0; row < 100'000; ++row) {
      CHECK(gate.admit(last, {0, kNan, 1, kNan, kNan, 0, 0}, row) == TickPolicy::skip);
    }
  });
  std::uint64_t before = 0;
  while (before < 100'000) {
    const std::uint64_t now = gate.counts().of(TickKind::bad_price).count;
    CHECK(now >= before);
    before = now;
    std::this_thread::yield();
  }
  run.join();
}

}  // namespace

int main() {
  every_value();
  every_order();
  any_sequence();
  counts_name_the_first_and_the_last_row();
  the_usual_rules();
  a_skipped_tick_leaves_no_trace();
  counts_are_read_beside_the_run();
}

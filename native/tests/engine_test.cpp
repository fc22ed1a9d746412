// The engine as a whole: one journal on every path, what stops orders, what a feed may throw at it.
#include "latency/engine.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/check.h"

namespace latencykit {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Symbols that fall by a twentieth within twenty ticks, again and again, on six times the volume.
std::vector<Tick> falling_markets(std::size_t ticks, std::uint32_t symbols) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal;
  std::vector<double> prices(symbols, 200);
  std::vector<Tick> made;
  for (std::size_t i = 0; i < ticks; ++i) {
    const auto symbol = static_cast<std::uint32_t>(i % symbols);
    const std::size_t phase = i / symbols % 600;
    const bool falls = phase >= 400 && phase < 420;
    prices[symbol] *= 1 + 1e-4 * normal(random) - (falls ? 0.0025 : 0) + (phase >= 430 && phase < 480 ? 0.0009 : 0);
    const double price = std::round(prices[symbol] * 100) / 100;
    const auto volume = static_cast<double>((100 + random() % 50) * (falls ? 6 : 1));
    made.push_back({static_cast<std::int64_t>(i) * 10'000'000, price, volume, price - 0.01, price + 0.01, symbol, 0});
  }
  return made;
}

struct Setup {
  EngineSettings settings = {};
  JournalQueueOptions queue = {};
  std::size_t at_once = 0;  // Ticks that run() is given; 0 takes them one by one, and paced_ when they are due.
  bool paced = false;
};

struct Outcome {
  std::string journal;
  EngineCounts counts;
};

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void take(Engine& engine, const std::vector<Tick>& ticks, const Setup& setup) {
  if (setup.paced) {
    CHECK(engine.run_paced(ticks, TscClock::instance().ticks(), 10, [](std::uint64_t) {}) == ticks.size());
    return;
  }
  if (setup.at_once == 0) {
    for (const Tick& tick : ticks) engine.on_tick(tick);
    return;
  }
  for (std::size_t at = 0; at < ticks.size();) {
    at += engine.run(std::span(ticks).subspan(at, std::min(setup.at_once, ticks.size() - at)));
    engine.samples().clear();
    if (engine.halted()) return;
  }
}

Outcome run(
    const std::vector<Tick>& ticks, const Setup& setup, const std::function<void(Engine&)>& before = [](Engine&) {}) {
  std::string path = "/tmp/latencykit-engine-XXXXXX";
  const int fd = ::mkstemp(path.data());
  CHECK(fd >= 0);
  OrderArena arena(64, WhenExhausted::kRecycle);
  Outcome outcome;
  {
    EngineJournal journal(fd, path, "", setup.queue, std::chrono::milliseconds(1));
    Engine engine(setup.settings, arena, &journal);
    before(engine);
    take(engine, ticks, setup);
    outcome.counts = engine.counts();
  }
  outcome.journal = read_file(path);
  ::unlink(path.c_str());
  return outcome;
}

std::size_t lines_of(const std::string& journal, const std::string& begin) {
  std::size_t count = 0;
  std::istringstream lines(journal);
  for (std::string line; std::getline(lines, line);) count += line.starts_with(begin);
  return count;
}

void every_path_gives_one_journal() {
  const std::vector<Tick> ticks = falling_markets(20'000, 3);
  const Setup plain{.settings = {.symbols = 3}};
  const Outcome expected = run(ticks, plain);
  CHECK(expected.counts.entries >= 9 && expected.counts.exits >= 3);
  CHECK(lines_of(expected.journal, "T,") == 20'000);
  CHECK(lines_of(expected.journal, "O,") == expected.counts.entries + expected.counts.exits);
  std::vector<Setup> others(9, plain);
  others[0].at_once = 1'000'000;
  others[1].at_once = 777;
  others[2].settings.simd = false;
  others[3].queue.lockfree = false;
  others[4].queue.preallocated = false;
  others[5].settings.sample_every = 1;
  others[6].settings.sample_every = 0;
  others[7].paced = true;
  others[8].queue = {.capacity = 2, .lockfree = false, .preallocated = false};
  for (const Setup& other : others) CHECK(run(ticks, other).journal == expected.journal);
}

void what_a_feed_may_throw_at_it() {
  std::vector<Tick> ticks = falling_markets(2'000, 1);
  const Outcome clean = run(ticks, {});
  const std::vector<Tick> bad = {{0, kNone, 1, kNone, kNone, 0, 0},
                                 {0, -1, 1, kNone, kNone, 0, 0},
                                 {0, 1, -1, kNone, kNone, 0, 0},
                                 {0, 1, 1, 2, kNone, 0, 0},
                                 {0, 1, 1, 2, 1, 0, 0},
                                 {-1, 1, 1, kNone, kNone, 0, 0},
                                 {0, 1, 1, kNone, kNone, 1, 0},
                                 {0, 1, kNone, kNone, kNone, 0, 0}};
  std::vector<Tick> mixed;
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    mixed.push_back(ticks[i]);
    mixed.push_back(bad[i % bad.size()]);
  }
  const Outcome outcome = run(mixed, {});
  CHECK(outcome.counts.skipped == ticks.size() && outcome.counts.updates == ticks.size());
  CHECK(outcome.counts.entries == clean.counts.entries && outcome.counts.profit == clean.counts.profit);
  CHECK(lines_of(outcome.journal, "S,") == ticks.size() && outcome.journal.find("unknown_symbol") != std::string::npos);
  Setup halting;
  halting.settings.rules.of(TickKind::bad_price) = TickPolicy::halt;
  halting.at_once = 4'000;
  const Outcome halted = run(mixed, halting);
  CHECK(halted.counts.ticks == 2 && lines_of(halted.journal, "X,1,bad tick") == 1);
}

void a_kill_ends_orders_and_not_ticks() {
  const std::vector<Tick> ticks = falling_markets(6'000, 1);
  const Outcome killed = run(ticks, {}, [](Engine& engine) { engine.kill(); });
  CHECK(killed.counts.entries == 0 && killed.counts.refused == killed.counts.signals && killed.counts.signals > 0);
  CHECK(killed.counts.updates == ticks.size() && lines_of(killed.journal, "X,") == 1);
  OrderArena arena(4, WhenExhausted::kRecycle);
  Engine engine({}, arena, nullptr);
  engine.kill();
  engine.run(ticks);
  engine.samples().clear();
  CHECK(engine.stopped() && engine.stop_reason() == StopReason::kKilled);
  engine.rearm();
  std::vector<Tick> later = ticks;
  for (Tick& tick : later) tick.timestamp_ns += 1'000'000'000'000;
  engine.run(later);
  CHECK(engine.counts().entries > 0);
}

void without_exits_the_position_grows_to_its_limit() {
  Setup setup;
  setup.settings.exits = false;
  setup.settings.risk.max_position = 250;
  const Outcome outcome = run(falling_markets(6'000, 1), setup);
  CHECK(outcome.counts.entries == 2 && outcome.counts.exits == 0);
  CHECK(lines_of(outcome.journal, "R,") == outcome.counts.refused && outcome.counts.refused > 0);
  CHECK(outcome.journal.find(",position,buy,100,") != std::string::npos);
}

void a_large_position_is_left_in_parts() {
  Setup setup;
  setup.settings.risk.max_order_quantity = 30;
  setup.settings.order_quantity = 30;
  setup.settings.risk.max_position = 1'000;
  const Outcome small = run(falling_markets(3'000, 1), setup);
  CHECK(small.counts.entries > 0 && small.counts.exits > 0 && lines_of(small.journal, "R,") == 0);
  setup.settings.order_quantity = 31;
  const Outcome large = run(falling_markets(3'000, 1), setup);
  CHECK(large.counts.entries == 0 && large.journal.find(",size,buy,31,") != std::string::npos);
}

void held_ticks_are_journaled_and_their_volume_kept() {
  Setup setup;
  setup.settings.update_interval_ns = 20'000'000;
  const Outcome outcome = run(falling_markets(1'000, 1), setup);
  CHECK(outcome.counts.held == 500 && outcome.counts.updates == 500);
  CHECK(lines_of(outcome.journal, "H,") == 500 && lines_of(outcome.journal, "T,") == 500);
}

void a_journal_that_fails_ends_orders() {
  const int fd = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  OrderArena arena(4, WhenExhausted::kRecycle);
  EngineJournal journal(fd, "/dev/full", "", {}, std::chrono::milliseconds(1));
  Engine engine({}, arena, &journal);
  const std::vector<Tick> ticks = falling_markets(3'000, 1);
  engine.run(std::span(ticks).first(10));
  journal.drain();
  for (const Tick& tick : std::span(ticks).subspan(10)) engine.on_tick(tick);
  CHECK(engine.counts().signals > 0 && engine.counts().entries == 0);
  CHECK(engine.stop_reason() == StopReason::kJournal);
}

void another_thread_reads_whole_quotes_and_may_kill() {
  OrderArena arena(4, WhenExhausted::kRecycle);
  Engine engine({}, arena, nullptr);
  std::vector<Tick> ticks;
  for (std::int64_t i = 1; i <= 200'000; ++i) {
    const auto price = static_cast<double>(i);
    ticks.push_back({i, price, price, price, price, 0, 0});
  }
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done.load()) {
      const auto quote = engine.book(0).try_load();
      if (!quote) continue;
      const auto price = static_cast<double>(quote->timestamp_ns);
      CHECK(quote->price == price && quote->volume == price && quote->bid == price && quote->ask == price);
      if (quote->timestamp_ns > 1'000) engine.kill();
    }
  });
  for (std::size_t at = 0; at < ticks.size(); engine.samples().clear()) at += engine.run(std::span(ticks).subspan(at));
  done = true;
  reader.join();
  CHECK(engine.counts().updates == ticks.size());
}

}  // namespace
}  // namespace latencykit

int main() {
  latencykit::every_path_gives_one_journal();
  latencykit::what_a_feed_may_throw_at_it();
  latencykit::a_kill_ends_orders_and_not_ticks();
  latencykit::without_exits_the_position_grows_to_its_limit();
  latencykit::a_large_position_is_left_in_parts();
  latencykit::held_ticks_are_journaled_and_their_volume_kept();
  latencykit::a_journal_that_fails_ends_orders();
  latencykit::another_thread_reads_whole_quotes_and_may_kill();
}

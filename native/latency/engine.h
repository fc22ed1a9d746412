// The engine: a tick goes through feed gate and book, indicators, signal, risk gate, order and journal.
//
// Each tick of a symbol that the gate admits and the update interval does not hold moves the symbol's averages; the
// panic detector, or whoever decides instead of it, may give a signal; a signal proposes to buy, and an open position
// whose take-profit or stop is reached proposes to sell; the risk gate judges; what passes is an order of the arena, taken
// to be filled at once at its price; and the journal tells all of it. At most one order comes of a tick: where a
// position is closed, a signal of the same tick is refused.
//
// Promises
//   * The same settings and ticks give the same decisions and the same journal, on every path: one tick at a time or
//     many, with or without SIMD, lock-free or not, timed or not. Only WhenDegraded::reduce and pause look at a clock.
//   * Memory is taken at construction, in proportion to the number of symbols and to the capacities. A tick asks the
//     allocator for nothing if the journal's queue is preallocated.
//   * A tick that is refused changes nothing but the counts. After a stop no order is made until rearm(): by kill(), by a
//     tick under the policy halt, by a strategy that failed, by a journal that cannot be written.
//   * The work per tick does not depend on the number of symbols or of ticks.
// One thread at a time; kill() and killed() from any.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "latency/engine_journal.h"
#include "latency/engine_records.h"
#include "latency/engine_settings.h"
#include "latency/order_arena.h"
#include "latency/position.h"
#include "latency/stage_samples.h"
#include "latency/tick.h"
#include "latency/top_of_book.h"
#include "latency/update_interval.h"

namespace latencykit {

class Engine {
 public:
  // Borrows the arena, which recycles, and the journal, which may be null.
  Engine(const EngineSettings& settings, OrderArena& arena, EngineJournal* journal)
      : settings_(settings),
        arena_(arena),
        journal_(journal),
        weights_(settings.averages),
        gate_(settings.rules),
        risk_(settings.risk),
        health_(settings.when_degraded, settings.latency_limit_ns),
        samples_(settings.sample_every, settings.kept_samples),
        books_(std::make_unique<TopOfBook[]>(static_cast<std::size_t>(settings.symbols))),
        symbols_(static_cast<std::size_t>(settings.symbols), Symbol(settings.panic)),
        decisions_(settings.kept_events) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

 private:
  // What the engine knows of a symbol besides its book.
  struct Symbol {
    explicit Symbol(const PanicSettings& panic) : detector(panic) {}

    LastTick last;
    TickAverages averages;
    Position position;
    UpdateInterval interval;
    PanicDetector detector;
  };

 public:
  // A tick on its way. Those who decide in place of the detector call begin() and, if that is true, finish().
  struct Step {
    const Tick& tick;
    std::uint64_t row = 0;
    Symbol* symbol = nullptr;
    double volume = 0;                 // With that of the ticks held before.
    const OrderSlot* order = nullptr;  // What it led to.
    std::array<std::uint64_t, kStages + 1> readings = {};
  };

  // The order that the tick led to, or null.
  const OrderSlot* on_tick(const Tick& tick) {
    if (samples_.is_due()) [[unlikely]]
      return timed_tick(tick);
    Step step{.tick = tick};
    pass<false>(step);
    return step.order;
  }

  // Takes ticks until the last of them, a stop, a full buffer of samples or a full journal; returns how many.
  std::size_t run(std::span<const Tick> ticks) {
    std::size_t taken = 0;
    while (taken < ticks.size() && !(samples_.is_full() | halted_) && has_room()) {
      if (taken + kAhead < ticks.size()) prefetch(ticks[taken + kAhead].symbol);
      // A copy: what a feed's owner changes meanwhile must not pass the gate as something else.
      const Tick tick = ticks[taken++];
      on_tick(tick);
    }
    return taken;
  }

  // Whether the journal has room for all that a tick may tell it; if not, on_tick() would wait for it.
  bool has_room() { return journal_ == nullptr || journal_->has_room(); }

  // Takes each tick when it is due, or at once if that is past: the first at `begin` on the clock's ticks, the next ones
  // at `interval` from one another. What passed from when it was due until it was done goes to respond(ticks). Until the
  // last of them, a stop, a full buffer of samples, or a wait of kLongWait; returns how many. To go on after that,
  // `first` is how many were taken before.
  template <typename Respond>
  std::size_t run_paced(std::span<const Tick> ticks, std::uint64_t begin, double interval, Respond respond,
                        std::size_t first = 0) {
    std::size_t taken = first;
    while (taken < ticks.size() && !(samples_.is_full() | halted_)) {
      const std::uint64_t due =
          begin + static_cast<std::uint64_t>(std::min(static_cast<double>(taken) * interval, kLatest));
      const std::uint64_t now = TscClock::instance().ticks();
      if (due > now && due - now > kLongWait) break;
      while (TscClock::instance().ticks() < due) relax();
      const Tick tick = ticks[taken++];
      on_tick(tick);
      const std::uint64_t done = TscClock::instance().ticks();
      respond(done > due ? done - due : 0);
    }
    return taken - first;
  }

  // Whether the tick is one to act on.
  template <bool kTimed>
  bool begin(Step& step) {
    step.row = counts_.ticks++;
    mark<kTimed>(step, 0);
    if (!admits(step)) [[unlikely]]
      return false;
    books_[step.tick.symbol].store(step.tick);
    if (is_held(step)) [[unlikely]]
      return false;
    mark<kTimed>(step, 1);
    ++counts_.updates;
    if (settings_.simd) {
      step.symbol->averages.update<true>(weights_, step.tick.price, step.volume);
    } else {
      step.symbol->averages.update<false>(weights_, step.tick.price, step.volume);
    }
    mark<kTimed>(step, 2);
    return true;
  }

  template <bool kTimed>
  void finish(Step& step, const PanicSignal* signal) {
    const bool leaves = settings_.exits & step.symbol->position.is_at_exit(step.tick.price);
    mark<kTimed>(step, 3);
    EngineEvent event;
    const bool decides = leaves | (signal != nullptr);
    if (decides) [[unlikely]]
      propose(step, leaves, signal, event);
    mark<kTimed>(step, 4);
    if (decides) [[unlikely]]
      settle(step, event);
    mark<kTimed>(step, 5);
    if (journal_ != nullptr) journal_tick(step, JournalRecord::Kind::kTick, 0);
    if (decides) [[unlikely]]
      journal_decision(event);
    if (leaves & (signal != nullptr)) [[unlikely]]
      pass_over(step, *signal);
    mark<kTimed>(step, 6);
  }

  // In place of finish() where whoever decides has failed: no order comes of the tick, and none after it if `halts`.
  void strategy_failed(Step& step, bool halts) {
    if (journal_ != nullptr) journal_tick(step, JournalRecord::Kind::kTick, 0);
    refuse(nothing(step), RiskVerdict::kStrategy);
    if (halts) stop(step.row, StopReason::kStrategy);
  }

  // For those who call begin() and finish(): whether to time the step, and to be told what became of it.
  bool is_due() { return samples_.is_due(); }
  void learn(const Step& step, bool updated) {
    if (!updated) return samples_.postpone();
    samples_.add(step.readings);
    if (!samples_.samples().empty()) health_.observe(samples_.samples().back()[kStages]);
  }

  void kill() { killed_.store(true, std::memory_order_relaxed); }
  bool killed() const { return killed_.load(std::memory_order_relaxed); }
  // The newest tick led to an end: by the policy halt, or by a strategy that failed.
  bool halted() const { return halted_; }
  // An end of orders that the journal knows of.
  bool stopped() const { return stop_told_; }
  StopReason stop_reason() const { return stop_reason_; }
  std::uint64_t stopped_row() const { return stopped_row_; }
  // Of the newest halt, which may come after orders have stopped.
  StopReason halt_reason() const { return halt_reason_; }
  std::uint64_t halted_row() const { return halted_row_; }
  void rearm() {
    killed_.store(false, std::memory_order_relaxed);
    halted_ = stop_told_ = false;
  }

  const EngineCounts& counts() const { return counts_; }
  const TickGate& gate() const { return gate_; }
  const EngineSettings& settings() const { return settings_; }
  const EngineHealth& health() const { return health_; }
  StageSamples& samples() { return samples_; }
  const DecisionRing& decisions() const { return decisions_; }
  const TopOfBook& book(std::size_t symbol) const { return books_[symbol]; }
  std::int64_t units(std::size_t symbol) const { return symbols_[symbol].position.units(); }
  Indicators indicators(std::size_t symbol) const { return symbols_[symbol].averages.values(); }

 private:
  static constexpr std::size_t kAhead = 4;             // So many ticks ahead a symbol is fetched into the cache.
  static constexpr std::uint64_t kLongWait = 1 << 24;  // Ticks of the clock, some milliseconds.
  static constexpr double kLatest = 4e18;              // Nor does a sum with a time of now leave 64 bits.
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  template <bool kTimed>
  static void mark(Step& step, std::size_t reading) {
    if constexpr (kTimed) step.readings[reading] = StageSamples::read();
  }

  void prefetch(std::uint32_t symbol) const {
    if (symbol >= symbols_.size()) return;
    __builtin_prefetch(&books_[symbol], 1);
    const auto* state = reinterpret_cast<const char*>(&symbols_[symbol]);
    for (std::size_t line = 0; line < sizeof(Symbol); line += 64) __builtin_prefetch(state + line, 1);
  }

  template <bool kTimed>
  void pass(Step& step) {
    if (!begin<kTimed>(step)) return;
    PanicSignal signal;
    const bool fires = step.symbol->detector.update(step.tick.price, step.volume, signal);
    finish<kTimed>(step, fires ? &signal : nullptr);
  }

  [[gnu::noinline]] const OrderSlot* timed_tick(const Tick& tick) {
    Step step{.tick = tick};
    const std::uint64_t before = counts_.updates;
    pass<true>(step);
    learn(step, counts_.updates != before);
    return step.order;
  }

  // --- feed --------------------------------------------------------------------------------------------------

  bool admits(Step& step) {
    TickPolicy policy;
    if (step.tick.symbol < symbols_.size()) [[likely]] {
      step.symbol = &symbols_[step.tick.symbol];
      policy = gate_.admit(step.symbol->last, step.tick, step.row);
    } else {
      policy = gate_.unknown_symbol(step.row);
    }
    if (policy == TickPolicy::accept) [[likely]]
      return true;
    refuse_tick(step, policy);
    return false;
  }

  [[gnu::noinline]] void refuse_tick(Step& step, TickPolicy policy) {
    ++counts_.skipped;
    if (journal_ != nullptr) {
      journal_tick(step, JournalRecord::Kind::kSkipped, static_cast<std::uint8_t>(gate_.refused()));
    }
    if (policy == TickPolicy::halt) stop(step.row, StopReason::kBadTick);
  }

  bool is_held(Step& step) {
    step.volume = step.tick.volume;
    if (settings_.update_interval_ns == 0) [[likely]]
      return false;
    if (!step.symbol->interval.holds(settings_.update_interval_ns, step.tick.timestamp_ns, &step.volume)) return false;
    ++counts_.held;
    if (journal_ != nullptr) journal_tick(step, JournalRecord::Kind::kHeld, 0);
    return true;
  }

  // --- decisions ---------------------------------------------------------------------------------------------

  static EngineEvent nothing(const Step& step) {
    return {.row = step.row,
            .timestamp_ns = step.tick.timestamp_ns,
            .order = 0,
            .handle = 0,
            .quantity = 0,
            .price = step.tick.price,
            .confidence = kNone,
            .take_profit = kNone,
            .stop = kNone,
            .symbol = step.tick.symbol,
            .side = Side::kBuy,
            .verdict = RiskVerdict::kPassed,
            .unused = 0};
  }

  // Writes the proposed order, and why it must not be made if so, into `event`.
  [[gnu::noinline]] void propose(const Step& step, bool leaves, const PanicSignal* signal, EngineEvent& event) {
    const Symbol& symbol = *step.symbol;
    counts_.signals += signal != nullptr;
    event = leaves ? exit(step, std::min(symbol.position.units(), settings_.risk.max_order_quantity))
                   : entry(step, *signal, health_.entry_quantity(settings_.order_quantity));
    event.verdict = judge(event, symbol);
  }

  static EngineEvent entry(const Step& step, const PanicSignal& signal, std::int64_t quantity) {
    EngineEvent event = nothing(step);
    event.quantity = quantity;
    if (step.tick.ask > 0) event.price = step.tick.ask;
    event.confidence = signal.confidence;
    event.take_profit = signal.take_profit;
    event.stop = signal.stop;
    return event;
  }

  static EngineEvent exit(const Step& step, std::int64_t quantity) {
    EngineEvent event = nothing(step);
    event.side = Side::kSell;
    event.quantity = quantity;
    if (step.tick.bid > 0) event.price = step.tick.bid;
    return event;
  }

  // A signal on the tick of an exit: at most one order comes of a tick.
  [[gnu::noinline]] void pass_over(const Step& step, const PanicSignal& signal) {
    refuse(entry(step, signal, settings_.order_quantity), RiskVerdict::kExit);
  }

  void refuse(EngineEvent event, RiskVerdict verdict) {
    event.verdict = verdict;
    ++counts_.refused;
    decisions_.push(event);
    journal_decision(event);
  }

  RiskVerdict judge(const EngineEvent& event, const Symbol& symbol) {
    if (journal_ != nullptr && journal_->failed()) stop(event.row, StopReason::kJournal);
    if (killed()) stop(event.row, StopReason::kKilled);
    if (stop_told_) return RiskVerdict::kKilled;
    if (event.side == Side::kBuy && health_.pauses_entries()) return RiskVerdict::kPaused;
    return risk_.judge({event.side, event.quantity, event.price}, symbol.averages.slow(), symbol.position.units(),
                       event.timestamp_ns);
  }

  [[gnu::noinline]] void settle(Step& step, EngineEvent& event) {
    OrderSlot* slot = event.verdict == RiskVerdict::kPassed ? arena_.acquire() : nullptr;
    if (slot == nullptr) {
      ++counts_.refused;
    } else {
      slot->price = event.price;
      slot->quantity = event.quantity;
      slot->symbol_id = event.symbol;
      slot->side = event.side;
      step.order = slot;
      event.order = counts_.entries + counts_.exits + 1;
      event.handle = slot->handle;
      risk_.count(event.timestamp_ns);
      fill(step.symbol->position, event);
    }
    decisions_.push(event);
  }

  void fill(Position& position, const EngineEvent& event) {
    if (event.side == Side::kBuy) {
      ++counts_.entries;
      position.buy(event.quantity, event.price, event.take_profit, event.stop);
    } else {
      ++counts_.exits;
      counts_.profit += position.sell(event.quantity, event.price);
    }
  }

  [[gnu::noinline]] void stop(std::uint64_t row, StopReason reason) {
    killed_.store(true, std::memory_order_relaxed);
    if (reason == StopReason::kBadTick || reason == StopReason::kStrategy) {
      halted_ = true;
      halt_reason_ = reason;
      halted_row_ = row;
    }
    if (stop_told_) return;
    stop_told_ = true;
    stop_reason_ = reason;
    stopped_row_ = row;
    if (journal_ == nullptr) return;
    journal_->push([&](JournalRecord& record) { write_record(record, row, reason); });
  }

  // --- journal -----------------------------------------------------------------------------------------------

  void journal_tick(const Step& step, JournalRecord::Kind kind, std::uint8_t reason) {
    journal_->push([&](JournalRecord& record) {
      write_record(record, kind, step.row, step.tick);
      record.reason = reason;
      if (kind == JournalRecord::Kind::kTick) record.tick.indicators = step.symbol->averages.values();
    });
  }

  [[gnu::noinline]] void journal_decision(const EngineEvent& event) {
    if (journal_ == nullptr) return;
    journal_->push([&](JournalRecord& record) { write_record(record, event); });
  }

  const EngineSettings settings_;
  OrderArena& arena_;
  EngineJournal* const journal_;
  const AverageWeights weights_;
  TickGate gate_;
  RiskGate risk_;
  EngineHealth health_;
  StageSamples samples_;
  EngineCounts counts_;
  std::atomic<bool> killed_{false};
  bool halted_ = false;
  bool stop_told_ = false;  // The journal was told why there are no more orders.
  StopReason stop_reason_ = StopReason::kKilled;
  std::uint64_t stopped_row_ = 0;
  StopReason halt_reason_ = StopReason::kBadTick;
  std::uint64_t halted_row_ = 0;
  std::unique_ptr<TopOfBook[]> books_;
  std::vector<Symbol> symbols_;
  DecisionRing decisions_;
};

}  // namespace latencykit

// How long the stages of a tick take, timed on some ticks only: timing all of them would cost more than they do.
//
// Which ticks: the distance to the next one is drawn evenly from 1 .. 2 * every - 1, so that on average one in `every` is
// timed and no rhythm of the feed can hide from it. The draws are an xorshift sequence from a fixed seed.
//
// Promises: a bounded buffer, filled on the hot path and emptied by whoever reads; when it is full nothing is timed until it
// is emptied. Each stage is what passed between two fenced readings of the clock, less what such a pair takes by itself
// (the least of many, measured at construction), and never negative. Not thread-safe.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "latency/tsc_clock.h"

namespace latencykit {

enum class Stage : int { kFeed, kIndicators, kSignal, kRisk, kOrder, kLog };
inline constexpr int kStages = 6;

// Nanoseconds, with the whole of the tick behind the stages; what is beyond 32 bits is the greatest.
using StageSample = std::array<std::uint32_t, kStages + 1>;

class StageSamples {
 public:
  // `every` is 0 for never; at most 2^31.
  StageSamples(std::uint32_t every, std::size_t capacity) : every_(every), capacity_(capacity) {
    samples_.reserve(capacity);
    pair_ticks_ = least_pair();
    schedule();
  }

  // Whether this tick is to be timed.
  bool is_due() { return --until_next_ == 0; }
  // The tick was not one to learn from: the next one is due.
  void postpone() { until_next_ = 1; }

  // Readings before the first stage and after each.
  void add(const std::array<std::uint64_t, kStages + 1>& readings) {
    schedule();
    if (samples_.size() == capacity_) return;
    StageSample sample;
    for (int i = 0; i < kStages; ++i) sample[i] = between(readings[i], readings[i + 1]);
    // What the readings in between took is not the tick's.
    std::uint64_t total = 0;
    for (int i = 0; i < kStages; ++i) total += sample[i];
    sample[kStages] = static_cast<std::uint32_t>(std::min<std::uint64_t>(total, kMost));
    samples_.push_back(sample);
  }

  std::uint32_t every() const { return every_; }
  double pair_ns() const { return static_cast<double>(clock().elapsed_ns(0, pair_ticks_)); }
  std::span<const StageSample> samples() const { return samples_; }
  bool is_full() const { return samples_.size() == capacity_; }
  void clear() { samples_.clear(); }

  static std::uint64_t read() { return clock().source() == ClockSource::tsc ? TscTicks::ordered() : monotonic_ns(); }

 private:
  static constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();

  static TscClock& clock() { return TscClock::instance(); }

  static std::uint64_t least_pair() {
    std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
    for (int i = 0; i < 1'000; ++i) {
      const std::uint64_t begin = read();
      least = std::min(least, read() - begin);
    }
    return least;
  }

  std::uint32_t between(std::uint64_t begin, std::uint64_t end) const {
    const std::uint64_t taken = end > begin ? end - begin : 0;
    const std::uint64_t ns = clock().elapsed_ns(0, taken > pair_ticks_ ? taken - pair_ticks_ : 0);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(ns, kMost));
  }

  void schedule() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    // Counting down from 0 takes centuries.
    until_next_ = every_ == 0 ? 0 : every_ == 1 ? 1 : 1 + random_ % (2 * std::uint64_t{every_} - 1);
  }

  const std::uint32_t every_;
  const std::size_t capacity_;
  std::uint64_t pair_ticks_ = 0;
  std::uint64_t until_next_ = 0;
  std::uint64_t random_ = 0x9E3779B97F4A7C15;
  std::vector<StageSample> samples_;
};

}  // namespace latencykit

// The newest quote and trade of one symbol in one cache line: one writer, any number of readers, no lock.
//
// Promises: what a reader is given is what one tick left behind, never a mixture (sequence_lock.h). The writer never
// waits. bid and ask are NaN until a tick had them; a tick without quotes leaves those of the one before.
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include "latency/sequence_lock.h"
#include "latency/tick.h"

namespace latencykit {

class alignas(64) TopOfBook {
 public:
  struct Quote {
    std::int64_t timestamp_ns;
    double price;
    double volume;
    double bid;
    double ask;
  };

  // The only writer.
  void store(const Tick& tick) {
    const bool quoted = tick.bid > 0;
    const std::uint64_t odd = lock_.begin_write();
    timestamp_ns_.store(tick.timestamp_ns, std::memory_order_relaxed);
    price_.store(tick.price, std::memory_order_relaxed);
    volume_.store(tick.volume, std::memory_order_relaxed);
    bid_.store(quoted ? tick.bid : bid(), std::memory_order_relaxed);
    ask_.store(quoted ? tick.ask : ask(), std::memory_order_relaxed);
    lock_.end_write(odd);
  }

  // For the writer itself.
  double bid() const { return bid_.load(std::memory_order_relaxed); }
  double ask() const { return ask_.load(std::memory_order_relaxed); }

  // Any thread: one try. Nothing if the writer was at it, or has not begun.
  std::optional<Quote> try_load() const {
    const std::uint64_t begun = lock_.begin_read();
    if (begun == 0 || SequenceLock<>::is_writing(begun)) return std::nullopt;
    const Quote quote{timestamp_ns_.load(std::memory_order_relaxed), price_.load(std::memory_order_relaxed),
                      volume_.load(std::memory_order_relaxed), bid(), ask()};
    if (!lock_.end_read(begun)) return std::nullopt;
    return quote;
  }
  bool is_empty() const { return lock_.begin_read() == 0; }

 private:
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  SequenceLock<> lock_;
  std::atomic<std::int64_t> timestamp_ns_{0};
  std::atomic<double> price_{kNone}, volume_{kNone}, bid_{kNone}, ask_{kNone};
};
static_assert(sizeof(TopOfBook) == 64);

}  // namespace latencykit

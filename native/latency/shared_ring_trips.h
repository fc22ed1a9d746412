// Round trips of one record between two processes, each end driven by native code on a CPU of its own: what the ring
// itself takes, without Python.
//
// Promises: one record is on its way at a time; it is filled anew and looked at on each trip. Both ends spin. A trip ends
// early when `stop` is set or when the other side came and went, which is looked for after a long spin only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "latency/shared_ring_peer.h"

namespace latencykit {

enum class TripsEnd { kDone, kStopped, kOthersGone, kWrongRecord };

class RingTrips {
 public:
  // `to` must be a producer, `from` a consumer, both of records of one size.
  RingTrips(RingPeer& to, RingPeer& from, const std::atomic<bool>& stop)
      : to_(to), from_(from), stop_(stop), record_(to.block().shape().record_bytes) {
    // Who went before is no news: the other side of these trips may be about to come.
    const RingPeer::Sight consumer = to_.look_for_consumer(), producers = from_.look_for_producers();
    if (consumer.gone()) to_.note_consumer(consumer);
    if (producers.gone()) from_.note_producers(producers);
  }

  // Sends back what comes, so many times.
  TripsEnd echo(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (!receive() || !send()) return end_;
    }
    return TripsEnd::kDone;
  }

  // Sends and awaits so many records; the ticks that each took.
  template <typename Clock>
  TripsEnd time(std::uint64_t* ticks, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto mark = static_cast<unsigned char>(i);
      std::memset(record_.data(), mark, record_.size());
      const std::uint64_t begin = Clock::read();
      if (!send() || !receive()) return end_;
      ticks[i] = Clock::read() - begin;
      if (static_cast<unsigned char>(record_.back()) != mark) return TripsEnd::kWrongRecord;
    }
    return TripsEnd::kDone;
  }

 private:
  static constexpr int kSpins = 1 << 16;  // Some milliseconds between two looks at the rest of the world.

  bool send() {
    return spin([&] { return to_.producer()->push(record_.data(), 1) == 1; });
  }
  bool receive() {
    if (!spin([&] { return from_.consumer()->ready(1) == 1; })) return false;
    from_.consumer()->take(record_.data(), 1);
    return true;
  }

  template <typename Done>
  bool spin(Done done) {
    for (;;) {
      for (int i = 0; i < kSpins; ++i) {
        if (done()) return true;
        relax();
      }
      if (!may_go_on()) return false;
    }
  }

  bool may_go_on() {
    end_ = stop_.load(std::memory_order_relaxed) ? TripsEnd::kStopped : TripsEnd::kOthersGone;
    if (from_.is_cut() || to_.is_cut()) return false;
    return end_ != TripsEnd::kStopped && !from_.look_for_producers().gone() && !to_.look_for_consumer().gone();
  }

  RingPeer& to_;
  RingPeer& from_;
  const std::atomic<bool>& stop_;
  std::vector<std::byte> record_;
  TripsEnd end_ = TripsEnd::kDone;
};

}  // namespace latencykit

// Watches durations as they are recorded for one above a limit, or for a mean above it, and lets another thread
// wait for that without touching the one that records.
//
// Sides: the recorder calls record(); the waiter, one thread, calls wait() and crossed() at any time. collect()
//   is the waiter's too, but only while no record() runs (in Python: with the GIL). close() is anybody's.
// Cost for the recorder: four stores for each duration, without a lock, a fence or a read-modify-write; it
//   never wakes anybody. The waiter polls, at an interval of its choice.
// Order: count and sum are a sequence lock whose sequence is the count itself, begun_ before the sum and done_
//   after it. sum_ is stored with release and loaded with acquire: who sees a new sum sees its begun_ too.
//   `over` is a number that only grows; that it has grown is all that the waiter reads of it beside the recorder.
// Range: what is recorded within one interval adds up to less than 2^64 ns, 584 years.
// Fork: the child has no waiter. There a watch can only be closed and destroyed; both lock nothing, and what the
//   parent's waiter may hold is not given back.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

namespace latencykit {

class DurationWatch {
 public:
  enum class Statistic { max, mean };

  struct Crossing {
    double value_ns;    // The longest duration, or the mean.
    uint64_t count;     // How many durations that is of.
    uint64_t over;      // How many were above the limit since the last collect().
    uint64_t worst_ns;  // The longest of those.
  };

  // Precondition: 0 <= limit_ns, finite.
  DurationWatch(Statistic statistic, double limit_ns)
      : limit_(whole_limit(limit_ns)), statistic_(statistic), limit_ns_(limit_ns) {}

  DurationWatch(const DurationWatch&) = delete;
  DurationWatch& operator=(const DurationWatch&) = delete;

  // In a forked child the copied condition variable counts a waiter that is not there: to destroy it could
  // take for ever.
  ~DurationWatch() {
    if (forked()) static_cast<void>(parking_.release());
  }

  // The same duration `times` times.
  void record(uint64_t ns, uint64_t times = 1) {
    const uint64_t count = done_.load(std::memory_order_relaxed) + times;
    begun_.store(count, std::memory_order_relaxed);
    sum_.store(sum_.load(std::memory_order_relaxed) + ns * times, std::memory_order_release);
    if (ns > limit_) [[unlikely]] {
      worst_ = std::max(worst_, ns);
      over_.store(over_.load(std::memory_order_relaxed) + times, std::memory_order_relaxed);
    }
    done_.store(count, std::memory_order_release);
  }

  // Whether there is something to collect: a duration above the limit since the last collect(), or a mean above
  // it since the last call of this.
  bool crossed() {
    if (statistic_ == Statistic::max) return over_.load(std::memory_order_relaxed) != seen_.over;
    return mean_crossed();
  }

  // After crossed() said true, and while no record() runs.
  Crossing collect() {
    const uint64_t over = over_.load(std::memory_order_relaxed);
    if (statistic_ == Statistic::max) {
      const uint64_t count = done_.load(std::memory_order_relaxed);
      value_ns_ = static_cast<double>(worst_);
      value_count_ = count - seen_.count;
      seen_.count = count;
    }
    const Crossing crossing{value_ns_, value_count_, over - seen_.over, worst_};
    seen_.over = over;
    worst_ = 0;
    return crossing;
  }

  // Sleeps at least `every` between two looks. True when crossed(), false once closed.
  bool wait(std::chrono::nanoseconds every) {
    if (forked()) return false;
    std::unique_lock lock(parking_->mutex);
    while (!parking_->wake.wait_for(lock, std::min(every, kLongestSleep), [this] { return closed(); })) {
      if (crossed()) return true;
    }
    return false;
  }

  // Ends wait(), now and in future. What is recorded afterwards is still counted.
  void close() {
    if (forked()) {
      closed_.store(true, std::memory_order_relaxed);
      return;
    }
    {
      const std::lock_guard lock(parking_->mutex);
      closed_.store(true, std::memory_order_relaxed);
    }
    parking_->wake.notify_all();
  }

  bool closed() const { return closed_.load(std::memory_order_relaxed); }

 private:
  struct Parking {
    std::mutex mutex;
    std::condition_variable wake;
  };

  struct Marks {
    uint64_t count = 0, sum = 0, over = 0;
  };

  static constexpr int kMostTries = 1000;
  // 73 years: more, and the end of the sleep may not fit the clock, which would make it none.
  static constexpr std::chrono::nanoseconds kLongestSleep{int64_t{1} << 61};

  // A whole number is above the limit when it is above its whole part.
  static uint64_t whole_limit(double limit_ns) {
    return limit_ns < 0x1p64 ? static_cast<uint64_t>(limit_ns) : UINT64_MAX;
  }

  bool forked() const { return ::getpid() != process_; }

  // Without a consistent view, because the recorder is stopped inside record(), the interval goes on.
  bool mean_crossed() {
    for (int i = 0; i < kMostTries; ++i) {
      const uint64_t count = done_.load(std::memory_order_acquire);
      const uint64_t sum = sum_.load(std::memory_order_acquire);
      if (begun_.load(std::memory_order_relaxed) == count) return end_interval(count, sum);
    }
    return false;
  }

  bool end_interval(uint64_t count, uint64_t sum) {
    value_count_ = count - seen_.count;
    if (value_count_ == 0) return false;
    value_ns_ = static_cast<double>(sum - seen_.sum) / static_cast<double>(value_count_);
    seen_.count = count;
    seen_.sum = sum;
    return value_ns_ > limit_ns_;
  }

  // The recorder's, in a line of their own.
  alignas(64) const uint64_t limit_;
  std::atomic<uint64_t> begun_{0};
  std::atomic<uint64_t> sum_{0};
  std::atomic<uint64_t> over_{0};
  std::atomic<uint64_t> done_{0};
  uint64_t worst_ = 0;

  // The waiter's.
  alignas(64) const Statistic statistic_;
  const double limit_ns_;
  Marks seen_;
  double value_ns_ = 0;
  uint64_t value_count_ = 0;
  std::atomic<bool> closed_{false};
  const pid_t process_ = ::getpid();
  std::unique_ptr<Parking> parking_ = std::make_unique<Parking>();
};

}  // namespace latencykit

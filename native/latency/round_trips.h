// Round trips between two native threads, each on a CPU of its own: what a queue adds to what the caches themselves take.
//
// One thread sends a number through one channel and waits for it on a second channel; the echo thread sends back what
// it receives. A channel is the thing measured: a bare cache line, one of our rings, or what one would write first.
//
// Waiting spins with relax(), but in the channel with a condition variable. The echo thread ends when it receives
// kLast. Numbers must differ from one trip to the next and be at least 1: the bare line holds nothing else to tell.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "latency/atomics.h"
#include "latency/mpmc_ring.h"
#include "latency/segmented_queue.h"
#include "latency/spsc_ring.h"

namespace latencykit {

// False if the CPU does not exist or is not ours.
inline bool pin_this_thread(int cpu) {
  if (cpu < 0 || cpu >= CPU_SETSIZE) return false;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set) == 0;
}

// The least that two cores need: one word on one line.
class LineChannel {
 public:
  void send(std::uint64_t number) { word_.store(number, std::memory_order_release); }
  bool try_receive(std::uint64_t* number) {
    *number = word_.load(std::memory_order_acquire);
    if (*number == last_) return false;
    last_ = *number;
    return true;
  }
  std::uint64_t receive() {
    std::uint64_t number;
    while (!try_receive(&number)) relax();
    return number;
  }

 private:
  alignas(kApart) std::atomic<std::uint64_t> word_{0};
  alignas(kApart) std::uint64_t last_ = 0;  // The receiver's.
};

template <typename Ring>
class RingChannel {
 public:
  void send(std::uint64_t number) {
    while (!ring_.try_push(number)) relax();
  }
  std::uint64_t receive() {
    std::uint64_t number;
    while (!ring_.try_pop(&number)) relax();
    return number;
  }

 private:
  static Ring make() {
    if constexpr (std::is_default_constructible_v<Ring>) {
      return Ring();
    } else {
      return Ring(1024);
    }
  }
  Ring ring_ = make();
};

// A queue behind a mutex, looked at again and again.
class MutexChannel {
 public:
  void send(std::uint64_t number) {
    const std::lock_guard<std::mutex> lock(mutex_);
    items_.push_back(number);
  }
  std::uint64_t receive() {
    for (;; relax()) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (items_.empty()) continue;
      const std::uint64_t number = items_.front();
      items_.pop_front();
      return number;
    }
  }

 private:
  std::mutex mutex_;
  std::deque<std::uint64_t> items_;
};

// What one writes first: a mutex and a condition variable, the receiver asleep until there is something.
class ConditionChannel {
 public:
  void send(std::uint64_t number) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      items_.push_back(number);
    }
    filled_.notify_one();
  }
  std::uint64_t receive() {
    std::unique_lock<std::mutex> lock(mutex_);
    filled_.wait(lock, [this] { return !items_.empty(); });
    const std::uint64_t number = items_.front();
    items_.pop_front();
    return number;
  }

 private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<std::uint64_t> items_;
};

// A pair of channels with an echo thread at the far end.
class Echo {
 public:
  virtual ~Echo() = default;
  // Whether the echo thread runs on the CPU that was asked for; if not, there must be no trips.
  virtual bool pinned() const = 0;
  // Sends a number there and back. One caller at a time.
  virtual void trip() = 0;
};

template <typename Channel>
class EchoThrough final : public Echo {
 public:
  explicit EchoThrough(int cpu) : thread_([this, cpu] { answer(cpu); }) {
    while (state_.load(std::memory_order_acquire) == State::kStarting) std::this_thread::yield();
  }
  ~EchoThrough() override {
    there_.send(kLast);
    thread_.join();
  }
  EchoThrough(const EchoThrough&) = delete;
  EchoThrough& operator=(const EchoThrough&) = delete;

  bool pinned() const override { return state_.load(std::memory_order_relaxed) == State::kPinned; }

  void trip() override {
    there_.send(++sent_);
    back_.receive();
  }

 private:
  enum class State { kStarting, kPinned, kRefused };
  static constexpr std::uint64_t kLast = ~std::uint64_t{0};

  void answer(int cpu) {
    state_.store(pin_this_thread(cpu) ? State::kPinned : State::kRefused, std::memory_order_release);
    for (;;) {
      const std::uint64_t number = there_.receive();
      if (number == kLast) return;
      back_.send(number);
    }
  }

  Channel there_;
  Channel back_;
  std::uint64_t sent_ = 0;
  std::atomic<State> state_{State::kStarting};
  std::thread thread_;  // Last: it uses all of the others.
};

enum class ChannelKind { kLine, kSpsc, kMpmc, kUnbounded, kMutex, kCondition };

// Throws std::bad_alloc, or std::system_error if no thread can be started.
inline std::unique_ptr<Echo> make_echo(ChannelKind kind, int cpu) {
  switch (kind) {
    case ChannelKind::kSpsc:
      return std::make_unique<EchoThrough<RingChannel<SpscRing<std::uint64_t>>>>(cpu);
    case ChannelKind::kMpmc:
      return std::make_unique<EchoThrough<RingChannel<MpmcRing<std::uint64_t>>>>(cpu);
    case ChannelKind::kUnbounded:
      return std::make_unique<EchoThrough<RingChannel<SegmentedQueue<std::uint64_t>>>>(cpu);
    case ChannelKind::kMutex:
      return std::make_unique<EchoThrough<MutexChannel>>(cpu);
    case ChannelKind::kCondition:
      return std::make_unique<EchoThrough<ConditionChannel>>(cpu);
    default:
      return std::make_unique<EchoThrough<LineChannel>>(cpu);
  }
}

// Fills `ticks` with the length of each of so many trips, on a thread of its own on this CPU; false if refused there.
template <typename Clock>
bool time_round_trips(Echo& echo, int cpu, std::uint64_t* ticks, std::size_t count) {
  bool pinned = false;
  std::thread timer([&] {
    pinned = pin_this_thread(cpu);
    for (std::size_t i = 0; pinned && i < count; ++i) {
      const std::uint64_t begin = Clock::read();
      echo.trip();
      ticks[i] = Clock::read() - begin;
    }
  });
  timer.join();
  return pinned;
}

}  // namespace latencykit

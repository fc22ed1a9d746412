// A limit on how many records a second one log site makes, decided where the site is called.
//
// Promises
//   * A second begins with the first call after the last second is over; of the calls in it the first `most`
//     pass and the others are counted. So no span of a second has more than twice `most`.
//   * admit() takes a few instructions: no lock, no division, no system call; it is given the time.
// Memory order: admit() is called in turns (under the GIL), to_announce() by the backend beside it. What they share are
// counts and one time, each atomic by itself; nothing else is published through them, so relaxed is enough.
#pragma once

#include <atomic>
#include <cstdint>

namespace latencykit {

class LogRateLimit {
 public:
  // `second` is how many ticks one has.
  LogRateLimit(std::uint64_t most, std::uint64_t second) : most_(most), second_(static_cast<std::int64_t>(second)) {}

  // Producer: whether the call passes.
  bool admit(std::uint64_t now) {
    // Signed: another thread's clock may have been read a moment later and used a moment earlier.
    const auto into = static_cast<std::int64_t>(now - start_.load(std::memory_order_relaxed));
    if (!started_ || into >= second_) [[unlikely]] {
      started_ = true;
      start_.store(now, std::memory_order_relaxed);
      settled_.store(suppressed(), std::memory_order_relaxed);
      left_ = most_;
    }
    if (left_ == 0) {
      suppressed_.store(suppressed() + 1, std::memory_order_relaxed);
      return false;
    }
    --left_;
    return true;
  }

  // Any thread: calls that did not pass, so far.
  std::uint64_t suppressed() const { return suppressed_.load(std::memory_order_relaxed); }

  std::uint64_t most() const { return most_; }

  // Backend: how many to tell of now: those of seconds that are over, or with `all` of the present one too.
  std::uint64_t to_announce(std::uint64_t now, bool all) {
    const auto into = static_cast<std::int64_t>(now - start_.load(std::memory_order_relaxed));
    const std::uint64_t due = all || into >= second_ ? suppressed() : settled_.load(std::memory_order_relaxed);
    return due > announced_ ? due - announced_ : 0;
  }
  void announced(std::uint64_t count) { announced_ += count; }
  void not_announced(std::uint64_t count) { announced_ -= count; }

 private:
  const std::uint64_t most_;
  const std::int64_t second_;
  bool started_ = false;    // The producers' own.
  std::uint64_t left_ = 0;  // This too.
  std::atomic<std::uint64_t> start_{0};
  std::atomic<std::uint64_t> suppressed_{0};
  std::atomic<std::uint64_t> settled_{0};  // suppressed_ as of the start of the present second.
  std::uint64_t announced_ = 0;            // The backend's own.
};

}  // namespace latencykit

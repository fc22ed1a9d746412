// Where lock-free algorithms get their words from: the hardware's, or those of a model checker.
//
// A header that takes `Atomics` as a template parameter runs the same code in production and under every interleaving
// of a small case (tests/interleavings.h). The parameter offers
//   Atomic<T>   a word with std::atomic's interface, of which load, store, fetch_add and compare_exchange_strong are used
//   Plain<T>    memory that only the algorithm's own order protects: in a model, unordered accesses are an error
//   Mutex       a lock for the rare path
//   park, wake  sleep while a word has a value (the kernel compares and falls asleep in one step), and end such sleep
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace latencykit {

// Words that different threads write lie this far apart: two cache lines, because Intel's spatial prefetcher fetches
// lines in pairs.
inline constexpr std::size_t kApart = 128;

// Tells the processor that this is a spin loop. Without it the loop's loads are speculated far ahead and thrown away
// when the awaited line changes: a round trip between two threads was seen to take five times as long.
inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

struct HardwareAtomics {
  template <typename T>
  using Atomic = std::atomic<T>;

  template <typename T>
  class Plain {
   public:
    static_assert(std::is_trivially_copyable_v<T>, "items are copied as bytes and never destroyed");
    void set(T value) { value_ = value; }
    T get() const { return value_; }

   private:
    T value_;
  };

  using Mutex = std::mutex;

  // Sleeps while the word has this value, for at most so many nanoseconds; may also return for no reason.
  static void park(const Atomic<std::uint32_t>& word, std::uint32_t value, std::int64_t longest_ns) {
    const timespec longest{static_cast<time_t>(longest_ns / 1'000'000'000),
                           static_cast<long>(longest_ns % 1'000'000'000)};
    ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, &longest, nullptr, 0);
  }

  static void wake(const Atomic<std::uint32_t>& word, std::uint32_t threads) {
    const int most = threads > INT_MAX ? INT_MAX : static_cast<int>(threads);
    ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, most, nullptr, nullptr, 0);
  }
};
static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t), "the kernel reads the word itself");

}  // namespace latencykit

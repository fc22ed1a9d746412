#include "latency/log_limit.h"

#include <atomic>
#include <mutex>
#include <thread>

#include "tests/check.h"

namespace latencykit {
namespace {

constexpr std::uint64_t kSecond = 1000;

int admitted(LogRateLimit& limit, std::uint64_t now, int calls) {
  int count = 0;
  for (int i = 0; i < calls; ++i) count += limit.admit(now);
  return count;
}

void each_second_has_its_own() {
  LogRateLimit limit(3, kSecond);
  CHECK(admitted(limit, 50'000, 2) == 2);
  CHECK(admitted(limit, 50'500, 5) == 1);
  CHECK(admitted(limit, 50'999, 1) == 0);
  CHECK(limit.suppressed() == 5);
  CHECK(admitted(limit, 51'000, 4) == 3);
  CHECK(admitted(limit, 90'000, 4) == 3);  // The next begins when it is called, not on a grid.
  CHECK(admitted(limit, 90'999, 1) == 0);
  CHECK(admitted(limit, 91'000, 1) == 1);
  CHECK(limit.suppressed() == 8);
}

void the_first_call_passes_whatever_the_clock_says() {
  for (const std::uint64_t now : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0} >> 1}) {
    LogRateLimit limit(1, kSecond);
    CHECK(limit.admit(now) && !limit.admit(now + 1));
  }
}

// Another thread's clock, read before this second began and used after.
void a_step_back_starts_no_second() {
  LogRateLimit limit(1, kSecond);
  CHECK(limit.admit(5'000));
  CHECK(!limit.admit(4'990));
}

void it_is_told_once_when_the_second_is_over() {
  LogRateLimit limit(1, kSecond);
  admitted(limit, 10'000, 4);
  CHECK(limit.to_announce(10'500, false) == 0);
  CHECK(limit.to_announce(11'000, false) == 3);
  limit.announced(3);
  CHECK(limit.to_announce(12'000, false) == 0);
  admitted(limit, 20'000, 3);
  CHECK(limit.to_announce(20'001, false) == 0);
  CHECK(limit.to_announce(20'001, true) == 2);
  admitted(limit, 21'500, 1);  // Under way again: those of the second that is over are due all the same.
  CHECK(limit.to_announce(21'501, false) == 2);
  limit.announced(2);
  admitted(limit, 21'502, 6);
  CHECK(limit.to_announce(21'503, false) == 0 && limit.to_announce(21'503, true) == 6);
  limit.announced(6);  // All told before the second is over: nothing is told twice.
  admitted(limit, 30'000, 1);
  CHECK(limit.to_announce(30'001, false) == 0);
}

// Producers in turns beside a backend that asks all the time: what was told adds up.
void everything_is_told_in_the_end() {
  LogRateLimit limit(5, kSecond);
  std::mutex turn;
  std::atomic<std::uint64_t> now{1};
  std::atomic<bool> done{false};
  std::uint64_t told = 0, passed = 0;
  std::thread backend([&] {
    while (!done) {
      const std::uint64_t count = limit.to_announce(now, false);
      limit.announced(count);
      told += count;
    }
  });
  const auto produce = [&] {
    for (int i = 0; i < 50'000; ++i) {
      const std::lock_guard lock(turn);
      now = now + 7;
      passed += limit.admit(now);
    }
  };
  std::thread other(produce);
  produce();
  other.join();
  done = true;
  backend.join();
  told += limit.to_announce(now, true);
  CHECK(told == limit.suppressed() && told + passed == 100'000);
}

}  // namespace
}  // namespace latencykit

int main() {
  using namespace latencykit;
  each_second_has_its_own();
  the_first_call_passes_whatever_the_clock_says();
  a_step_back_starts_no_second();
  it_is_told_once_when_the_second_is_over();
  everything_is_told_in_the_end();
}

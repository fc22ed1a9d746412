#include "latency/duration_watch.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>

#include "tests/check.h"

using latencykit::DurationWatch;
using Statistic = DurationWatch::Statistic;
using std::chrono::microseconds;

namespace {

void one_long_duration() {
  DurationWatch watch(Statistic::max, 10.5);
  watch.record(10);
  CHECK(!watch.crossed());
  watch.record(11);
  watch.record(900, 2);
  watch.record(12);
  CHECK(watch.crossed() && watch.crossed());
  const DurationWatch::Crossing crossing = watch.collect();
  CHECK(crossing.value_ns == 900 && crossing.worst_ns == 900 && crossing.over == 4 && crossing.count == 5);
  CHECK(!watch.crossed());
  watch.record(20);
  CHECK(watch.crossed());
  CHECK(watch.collect().worst_ns == 20);
}

void the_limit_itself_is_not_above_it() {
  for (const double limit : {0.0, 100.0, 0x1p63, 0x1p70}) {
    DurationWatch watch(Statistic::max, limit);
    watch.record(limit < 0x1p64 ? static_cast<uint64_t>(limit) : UINT64_MAX);
    CHECK(!watch.crossed());
  }
}

void a_mean_of_each_interval() {
  DurationWatch watch(Statistic::mean, 100);
  CHECK(!watch.crossed());  // Nothing recorded is no interval.
  watch.record(50, 9);
  watch.record(500);
  CHECK(!watch.crossed());
  watch.record(101, 2);
  watch.record(100);
  CHECK(watch.crossed());
  const DurationWatch::Crossing crossing = watch.collect();
  CHECK(crossing.value_ns == 302.0 / 3 && crossing.count == 3);
  CHECK(crossing.over == 3 && crossing.worst_ns == 500);  // Since the last collect(), of which there was none.
  CHECK(!watch.crossed());
}

void closing_ends_a_wait() {
  DurationWatch watch(Statistic::max, 1);
  std::thread waiter([&] { CHECK(!watch.wait(std::chrono::hours(1))); });
  watch.close();
  waiter.join();
  CHECK(watch.closed() && !watch.wait(microseconds(1)));
}

// The recorder and collect() exclude each other by a mutex, as the GIL does it; wait() is outside. Each duration
// above the limit is collected once, and the longest of each alert is right.
void a_recorder_at_full_speed() {
  constexpr uint64_t kRecords = 200'000;
  DurationWatch watch(Statistic::max, 999);
  std::mutex gil;
  uint64_t over = 0, recorded = 0, worst = 0;
  std::thread recorder([&] {
    for (uint64_t i = 1; i <= kRecords; ++i) {
      const std::lock_guard lock(gil);
      watch.record(i % 100 == 0 ? 1000 + i : 5);
    }
    watch.close();
  });
  const auto collect = [&] {
    const DurationWatch::Crossing crossing = watch.collect();
    CHECK(crossing.over == 0 || crossing.worst_ns > worst);
    worst = std::max(worst, crossing.worst_ns);
    over += crossing.over;
    recorded += crossing.count;
  };
  while (watch.wait(microseconds(10))) {
    const std::lock_guard lock(gil);
    collect();
  }
  recorder.join();
  collect();
  CHECK(over == kRecords / 100 && recorded == kRecords && worst == 1000 + kRecords);
}

// Durations of 7 only: an interval whose count and sum are of different moments would show another mean.
void the_mean_is_never_torn() {
  DurationWatch watch(Statistic::mean, 7);
  std::atomic<bool> done{false};
  std::thread recorder([&] {
    for (int i = 0; i < 3'000'000; ++i) watch.record(7);
    done.store(true);
  });
  while (!done.load()) CHECK(!watch.crossed());
  recorder.join();
}

// The child inherits a condition variable with a waiter that does not exist there, and maybe a locked mutex.
void a_forked_child_can_close_and_destroy() {
  auto* watch = new DurationWatch(Statistic::max, 1);
  std::thread waiter([&] {
    while (watch->wait(microseconds(1))) {
    }
  });
  for (int i = 0; i < 20; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      watch->close();
      const bool good = watch->closed() && !watch->wait(std::chrono::hours(1));
      delete watch;
      ::_exit(good ? 0 : 1);
    }
    int status = 0;
    CHECK(::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  watch->close();
  waiter.join();
  delete watch;
}

// A sleep that ends beyond the clock's range would be over at once, and each look would see what was recorded.
void the_longest_sleep_is_one() {
  DurationWatch watch(Statistic::max, 1);
  watch.record(5);
  std::thread closer([&] { watch.close(); });
  CHECK(!watch.wait(std::chrono::nanoseconds::max()));
  closer.join();
}

}  // namespace

int main() {
  one_long_duration();
  the_limit_itself_is_not_above_it();
  a_mean_of_each_interval();
  closing_ends_a_wait();
  the_longest_sleep_is_one();
  a_recorder_at_full_speed();
  the_mean_is_never_torn();
  a_forked_child_can_close_and_destroy();
}

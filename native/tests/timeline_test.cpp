// The timeline on a counter of our own: no step at a change, no way back, and the truth where steering ends.
#include "latency/timeline.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

#include "tests/check.h"

using namespace latencykit;

namespace {

// A millisecond per tick, so that 500 parts per million are 500 ns in every tick.
constexpr uint64_t kRate = 1'000'000 * Timeline::kUnit;
constexpr uint64_t kStart = 1'000;
constexpr uint64_t kSteerTicks = 1'000;

struct Known {
  bool known;
  uint64_t ns;
};

Known at(const Timeline& timeline, uint64_t ticks) {
  Known answer{false, 0};
  answer.known = timeline.ns_at(ticks, &answer.ns);
  return answer;
}

uint64_t ns_at(const Timeline& timeline, uint64_t ticks) {
  const Known answer = at(timeline, ticks);
  CHECK(answer.known);
  return answer.ns;
}

Timeline fresh() { return Timeline({kStart, 5'000'000, kRate}); }

// What the timeline is `offset_ns` away from, at these ticks.
Timeline::Piece truth_at(const Timeline& timeline, uint64_t now, int64_t offset_ns, uint64_t rate = kRate) {
  return {now, ns_at(timeline, now) + static_cast<uint64_t>(offset_ns), rate};
}

bool steer(Timeline& timeline, uint64_t now, uint64_t margin, const Timeline::Piece& truth) {
  return timeline.steer(truth, margin, [now] { return now; });
}

std::vector<Known> every_tick(const Timeline& timeline, uint64_t end) {
  std::vector<Known> answers;
  for (uint64_t t = kStart; t < end; ++t) answers.push_back(at(timeline, t));
  return answers;
}

void check_rises(const std::vector<Known>& answers) {
  for (size_t i = 1; i < answers.size(); ++i) {
    CHECK(answers[i].known || !answers[i - 1].known);  // What is not known any more is at the beginning.
    CHECK(!answers[i - 1].known || answers[i].ns >= answers[i - 1].ns);
  }
}

// Readers of before and after a change get the same for every tick up to where it takes effect, the reader of after
// knows every tick from the present on, and no reader sees a step.
void check_change(const std::vector<Known>& before, const std::vector<Known>& after, uint64_t now, uint64_t margin) {
  check_rises(after);
  for (size_t i = 0; i < after.size(); ++i) {
    const uint64_t t = kStart + i;
    CHECK(t < now || after[i].known);
    if (t <= now + margin && before[i].known && after[i].known) CHECK(before[i].ns == after[i].ns);
  }
}

// Every change of a few offsets and rates, at every moment of a few around the boundaries of the change before it.
void test_every_change_follows_the_one_before() {
  constexpr uint64_t kEnd = kStart + 4 * kSteerTicks;
  const int64_t offsets[] = {0, 1, 400'000, -400'000, -700'000};
  const uint64_t rates[] = {kRate, kRate + kRate / 2'000, kRate - kRate / 2'000};
  for (const uint64_t margin : {1u, 2u, 7u}) {
    for (const int64_t first : offsets) {
      for (const int64_t second : offsets) {
        for (const uint64_t rate : rates) {
          for (const uint64_t wait : {1u, 5u, 400u, 990u, 1'000u, 1'010u, 1'800u}) {
            Timeline timeline = fresh();
            uint64_t now = kStart + 20;
            std::vector<Known> before = every_tick(timeline, kEnd);
            CHECK(steer(timeline, now, margin, truth_at(timeline, now, first)));
            std::vector<Known> after = every_tick(timeline, kEnd);
            check_change(before, after, now, margin);
            now += margin + wait;
            std::swap(before, after);
            const bool changed = steer(timeline, now, margin, truth_at(timeline, now, second, rate));
            after = every_tick(timeline, kEnd);
            check_change(before, after, now, changed ? margin : kEnd);
          }
        }
      }
    }
  }
}

void test_steering_ends_at_the_truth() {
  for (const int64_t offset : {300'000, -300'000, 2'000'000, -2'000'000, 0}) {
    Timeline timeline = fresh();
    const uint64_t now = kStart + 50, margin = 3;
    const Timeline::Piece truth = truth_at(timeline, now, offset);
    CHECK(steer(timeline, now, margin, truth));
    // Beyond 500,000 ns the limit makes it take longer: 500 ns a tick.
    const uint64_t length = std::max<uint64_t>(kSteerTicks, static_cast<uint64_t>(std::abs(offset)) / 500);
    for (const uint64_t later : {length, length + 1, 2 * length}) {
      const auto off = static_cast<int64_t>(ns_at(timeline, now + margin + later) - truth.ns_at(now + margin + later));
      CHECK(std::abs(off) <= 2);
    }
    const uint64_t halfway = now + margin + length / 2;
    const auto off = static_cast<int64_t>(truth.ns_at(halfway) - ns_at(timeline, halfway));
    CHECK(std::abs(off - offset / 2) <= 500);
    for (uint64_t t = now; t < now + 2 * length; ++t) {
      const uint64_t tick = ns_at(timeline, t + 1) - ns_at(timeline, t);
      CHECK(tick >= 999'499 && tick <= 1'000'501);  // 500 parts per million at most
    }
  }
}

void test_a_change_that_is_due_refuses_another() {
  Timeline timeline = fresh();
  const uint64_t now = kStart + 10, margin = 5;
  CHECK(steer(timeline, now, margin, truth_at(timeline, now, 200'000)));
  const std::vector<Known> before = every_tick(timeline, kStart + 3'000);
  const Timeline::Piece truth = truth_at(timeline, now, -200'000, kRate / 2);
  CHECK(!steer(timeline, now, margin, truth));
  CHECK(!steer(timeline, now + margin - 1, margin, truth));
  CHECK(!steer(timeline, now + margin + kSteerTicks - 1, margin, truth));  // the end of the steered piece
  const std::vector<Known> after = every_tick(timeline, kStart + 3'000);
  for (size_t i = 0; i < after.size(); ++i) CHECK(before[i].known == after[i].known && before[i].ns == after[i].ns);
  CHECK(timeline.measured_rate() == kRate);
  CHECK(steer(timeline, now + margin, margin, truth));
  CHECK(timeline.measured_rate() == kRate / 2);
}

void test_old_ticks_have_no_answer() {
  Timeline timeline = fresh();
  CHECK(at(timeline, kStart).known);
  CHECK(!at(timeline, kStart - 1).known);
  CHECK(steer(timeline, kStart + 10, 5, truth_at(timeline, kStart + 10, 100)));
  CHECK(at(timeline, kStart).known);
  CHECK(steer(timeline, kStart + 20, 5, truth_at(timeline, kStart + 20, 100)));
  CHECK(!at(timeline, kStart + 14).known);
  CHECK(at(timeline, kStart + 15).known);
}

void test_elapsed() {
  const Timeline half({0, 0, Timeline::kUnit / 2});
  CHECK(half.elapsed_ns(10, 10) == 0);
  CHECK(half.elapsed_ns(10, 14) == 2);
  CHECK(half.elapsed_ns(10, 13) == 2);  // 1.5, to the nearest
  CHECK(half.elapsed_ns(14, 10) == 0);
  CHECK(half.elapsed_ns(0, UINT64_MAX) == uint64_t{1} << 63);
  CHECK(Timeline({0, 0, 3 * Timeline::kUnit}).elapsed_ns(0, UINT64_MAX) == UINT64_MAX);
  CHECK(Timeline({0, 0, 3 * Timeline::kUnit}).elapsed_ns(0, UINT64_MAX / 3) == UINT64_MAX);
}

// Readers on one counter, whose order is the order of their ticks, while the rate is changed all the time.
void test_threads_agree_on_the_order() {
  constexpr int kReaders = 3, kReads = 30'000;
  Timeline timeline({1, 0, kRate});
  std::atomic<uint64_t> counter{1};
  std::atomic<int> running{kReaders};
  std::vector<std::vector<std::pair<uint64_t, uint64_t>>> seen(kReaders);
  std::vector<std::thread> readers;
  for (auto& mine : seen) {
    readers.emplace_back([&] {
      while (mine.size() < kReads) {
        const uint64_t ticks = counter.fetch_add(1);
        uint64_t ns = 0;
        if (timeline.ns_at(ticks, &ns)) mine.emplace_back(ticks, ns);
      }
      --running;
    });
  }
  int changes = 0;
  for (int64_t sign = 1; running > 0; sign = -sign) {
    const uint64_t now = counter.load();
    uint64_t ns = 0;
    if (!timeline.ns_at(now, &ns)) continue;
    const Timeline::Piece truth{now, ns + static_cast<uint64_t>(sign * 1'000'000), kRate + (sign > 0 ? 0 : kRate / 9)};
    changes += timeline.steer(truth, 1, [&] { return counter.fetch_add(1); });
  }
  for (std::thread& reader : readers) reader.join();
  CHECK(changes > 0);
  std::vector<std::pair<uint64_t, uint64_t>> all;
  for (const auto& mine : seen) all.insert(all.end(), mine.begin(), mine.end());
  std::sort(all.begin(), all.end());
  for (size_t i = 1; i < all.size(); ++i) CHECK(all[i].second >= all[i - 1].second);
}

void test_a_counter_set_back_starts_anew() {
  Timeline timeline({1'000'000, 5'000, Timeline::kUnit});
  uint64_t ns = 0;
  CHECK(!timeline.ns_at(10, &ns));
  CHECK(!timeline.restart({20, 6'000, Timeline::kUnit}, [] { return uint64_t{1'000'000}; }));  // not behind
  CHECK(timeline.ns_at(1'000'001, &ns) && ns == 5'001);
  CHECK(timeline.restart({20, 6'000, Timeline::kUnit}, [] { return uint64_t{21}; }));
  CHECK(timeline.ns_at(25, &ns) && ns == 6'005);
  CHECK(timeline.steer({100, 6'080, Timeline::kUnit}, 10, [] { return uint64_t{100}; }));
  CHECK(timeline.ns_at(200, &ns) && ns == 6'180);
}

}  // namespace

int main() {
  test_a_counter_set_back_starts_anew();
  test_every_change_follows_the_one_before();
  test_steering_ends_at_the_truth();
  test_a_change_that_is_due_refuses_another();
  test_old_ticks_have_no_answer();
  test_elapsed();
  test_threads_agree_on_the_order();
}

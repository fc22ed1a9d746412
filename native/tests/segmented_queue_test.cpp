// The unbounded queue: what it promises, over all interleavings of small cases and over long random runs.
#include "latency/segmented_queue.h"

#include <cstdint>
#include <functional>
#include <vector>

#include "tests/check.h"
#include "tests/interleavings.h"
#include "tests/many_threads.h"

namespace {

using interleavings::Case;
using interleavings::ModelAtomics;
using latencykit::HardwareAtomics;
using latencykit::SegmentedQueue;

template <std::size_t kItems>
Case small_case(std::vector<int> pushes, std::vector<int> pops, std::uint32_t before = 0) {
  return many_threads::small_case(std::make_shared<SegmentedQueue<std::uint32_t, ModelAtomics, kItems>>(), pushes, pops,
                                  before);
}

void model_check() {
  using interleavings::check_all;
  const interleavings::Limits strict{.stale_reads = 1};
  check_all("segments of 1, 2 pushes | 2 pops", [] { return small_case<1>({2}, {2}); });
  check_all("segments of 1, 3 pushes | 3 pops", [] { return small_case<1>({3}, {3}); }, strict);
  check_all("segments of 1, 1 | 1 pushes, 2 pops", [] { return small_case<1>({1, 1}, {2}); }, strict);
  check_all("segments of 2, 1 | 1 pushes, 1 | 1 pops", [] { return small_case<2>({1, 1}, {1, 1}); }, strict);
  check_all("segments of 2, 3 pushes | 3 pops", [] { return small_case<2>({3}, {3}); }, strict);
  // Each is the least that shows one of the orders missing: a segment being read while it is recycled, one met by a
  // second producer or consumer, one that comes again to a producer that still had it.
  const std::vector<std::function<Case()>> telling = {
      [] { return small_case<1>({2}, {2}); },       [] { return small_case<1>({1}, {1, 1}, 2); },
      [] { return small_case<1>({1, 1}, {}, 1); },  [] { return small_case<1>({1}, {2, 1}, 1); },
      [] { return small_case<1>({2, 1}, {2}, 1); },
  };
  interleavings::check_orders("segmented_queue.h", telling, strict);
}

void test_order_and_recycling() {
  SegmentedQueue<std::uint64_t, HardwareAtomics, 4> queue;
  std::uint64_t item = 0, in = 0, out = 0;
  CHECK(!queue.try_pop(&item) && queue.looks_empty());
  for (int lap = 0; lap < 1000; ++lap) {
    for (int i = 0; i < 7; ++i) CHECK(queue.try_push(in++));
    CHECK(queue.size() == 7);
    std::uint64_t expected = out;
    CHECK(queue.each([&](std::uint64_t each) { return each == expected++ ? 0 : 1; }) == 0 && expected == in);
    for (int i = 0; i < 7; ++i) CHECK(queue.try_pop(&item) && item == out++);
    CHECK(!queue.try_pop(&item) && queue.looks_empty());
  }
  CHECK(queue.segments() <= 4);  // 7 items touch at most three, and one is being left.
}

void test_growth_and_return() {
  SegmentedQueue<std::uint64_t, HardwareAtomics, 4> queue;
  std::uint64_t item = 0;
  for (int lap = 0; lap < 3; ++lap) {
    for (std::uint64_t i = 0; i < 1000; ++i) CHECK(queue.try_push(i));
    for (std::uint64_t i = 0; i < 1000; ++i) CHECK(queue.try_pop(&item) && item == i);
  }
  CHECK(queue.segments() <= 252);  // The second and the third lap found those of the first.
}

}  // namespace

int main() {
  test_order_and_recycling();
  test_growth_and_return();
  if (interleavings::kCanExplore) model_check();
  SegmentedQueue<std::uint64_t, HardwareAtomics, 4> small;
  many_threads::stress(small, 3, 3, 60'000);
  many_threads::stress(small, 1, 3, 60'000);
  SegmentedQueue<std::uint64_t> usual;
  many_threads::stress(usual, 3, 3, 200'000);
  many_threads::stress(usual, 3, 1, 200'000);
  return 0;
}

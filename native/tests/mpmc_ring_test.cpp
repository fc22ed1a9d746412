// The MPMC ring: what it promises, over all interleavings of small cases and over long random runs.
#include "latency/mpmc_ring.h"

#include <cstdint>
#include <vector>

#include "tests/check.h"
#include "tests/interleavings.h"
#include "tests/many_threads.h"

namespace {

using interleavings::Case;
using interleavings::ModelAtomics;
using latencykit::MpmcRing;

Case small_case(std::size_t capacity, std::vector<int> pushes, std::vector<int> pops) {
  return many_threads::small_case(std::make_shared<MpmcRing<std::uint32_t, ModelAtomics>>(capacity), pushes, pops);
}

void model_check() {
  using interleavings::check_all;
  check_all("capacity 2, 3 pushes | 3 pops", [] { return small_case(2, {3}, {3}); });
  check_all("capacity 1, 2 | 1 pushes, 3 pops", [] { return small_case(1, {2, 1}, {3}); });
  check_all("capacity 2, 1 | 1 pushes, 1 | 1 pops", [] { return small_case(2, {1, 1}, {1, 1}); });
  check_all("capacity 1, 1 | 1 pushes, 1 | 1 pops", [] { return small_case(1, {1, 1}, {1, 1}); });
  check_all("capacity 3, 2 | 2 pushes", [] { return small_case(3, {2, 2}, {}); });
  check_all("capacity 2, 3 pushes, 2 | 2 pops", [] { return small_case(2, {3}, {2, 2}); });
  interleavings::check_orders("mpmc_ring.h", {[] { return small_case(1, {3}, {3}); }});
}

void test_capacity_is_exact() {
  for (std::size_t capacity : {1u, 2u, 3u, 5u, 8u, 1000u}) {
    MpmcRing<std::uint64_t> ring(capacity);
    for (std::uint64_t lap = 0; lap < 3; ++lap) {
      CHECK(ring.looks_empty());
      for (std::uint64_t i = 0; i < capacity; ++i)
        CHECK(ring.size() == i && !ring.looks_full() && ring.try_push(lap + i));
      CHECK(!ring.try_push(0) && ring.looks_full() && ring.size() == capacity && !ring.looks_empty());
      std::uint64_t seen = 0;
      CHECK(ring.each([&](std::uint64_t item) { return item == lap + seen++ ? 0 : 1; }) == 0 && seen == capacity);
      std::uint64_t item = 0;
      for (std::uint64_t i = 0; i < capacity; ++i) CHECK(ring.try_pop(&item) && item == lap + i);
      CHECK(!ring.try_pop(&item));
    }
  }
}

}  // namespace

int main() {
  test_capacity_is_exact();
  if (interleavings::kCanExplore) model_check();
  for (std::size_t capacity : {1u, 2u, 3u, 64u, 100u}) {
    MpmcRing<std::uint64_t> ring(capacity);
    many_threads::stress(ring, 3, 3, 20'000);
    many_threads::stress(ring, 1, 3, 20'000);
    many_threads::stress(ring, 3, 1, 20'000);
  }
  return 0;
}

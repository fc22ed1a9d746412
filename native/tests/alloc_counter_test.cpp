#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>

#include "latency/malloc_patch.h"
#include "tests/check.h"

using latencykit::AllocationSource;
using latencykit::AllocationTally;
using latencykit::MallocPatch;

namespace {

// The sanitizers replace operator new and strdup by functions that never come to malloc, and end the program
// on an impossible request; the rest holds under them too.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Keeps the compiler from removing an allocation that nobody uses.
void keep(void* block) { asm volatile("" : : "g"(block) : "memory"); }

template <typename Work>
uint64_t mallocs_in(Work work) {
  CHECK(MallocPatch::instance().acquire());
  latencykit::begin_tally();
  work();
  const AllocationTally tally = latencykit::end_tally();
  MallocPatch::instance().release();
  CHECK(tally[0] == 0 && tally[1] == 0 && tally[2] == 0);
  return tally[static_cast<size_t>(AllocationSource::malloc)];
}

template <typename Allocate>
void one(Allocate allocate) {
  void* block = nullptr;
  CHECK(mallocs_in([&] { keep(block = allocate()); }) == 1);
  CHECK(block != nullptr);
  std::free(block);
}

void each_function_counts_once() {
  one([] { return std::malloc(10); });
  one([] { return std::malloc(10'000'000); });
  one([] { return std::calloc(10, 10); });
  one([] { return std::realloc(nullptr, 10); });
  one([] { return aligned_alloc(64, 640); });
  one([] { return memalign(64, 640); });
  one([] {
    void* block = nullptr;
    CHECK(posix_memalign(&block, 64, 640) == 0);
    return block;
  });
}

void what_ends_in_malloc_counts() {
  one([] { return static_cast<void*>(strdup("a copy made inside the C library")); });
  CHECK(mallocs_in([] {
          auto number = std::make_unique<int>(5);
          keep(number.get());
        }) == 1);
}

void every_realloc_that_gives_a_block_counts() {
  void* block = std::malloc(100);
  CHECK(mallocs_in([&] {
          keep(block = std::realloc(block, 10'000));
          keep(block = std::realloc(block, 50));
        }) == 2);
  std::free(block);
}

void nothing_is_counted_without_a_block() {
  CHECK(mallocs_in([] {}) == 0);
  void* before = std::malloc(10);
  CHECK(mallocs_in([&] { std::free(before); }) == 0);
}

void a_failed_request_is_not_counted() {
  volatile size_t impossible = SIZE_MAX / 2;
  CHECK(mallocs_in([&] { keep(std::malloc(impossible)); }) == 0);
  void* block = nullptr;
  CHECK(mallocs_in([&] { CHECK(posix_memalign(&block, 3, 100) != 0); }) == 0);
}

void a_request_is_counted_where_it_was_made() {
  CHECK(MallocPatch::instance().acquire());
  latencykit::begin_tally();
  void* block = latencykit::tallied(AllocationSource::object, 1000, [] {
    return latencykit::tallied(AllocationSource::raw, 1000, [] { return std::malloc(1000); });
  });
  keep(block);
  const AllocationTally tally = latencykit::end_tally();
  MallocPatch::instance().release();
  CHECK((tally == AllocationTally{0, 0, 1, 0}));
  std::free(block);
}

void other_threads_are_not_counted() {
  std::atomic<int> stage = 0;
  uint64_t theirs = 0;
  std::thread other([&] {
    while (stage != 1) std::this_thread::yield();
    for (int i = 0; i < 1000; ++i) {
      void* block = std::malloc(100);
      keep(block);
      std::free(block);
    }
    theirs = mallocs_in([] {
      void* block = std::malloc(100);
      keep(block);
      std::free(block);
    });
    stage = 2;
  });
  CHECK(mallocs_in([&] {
          stage = 1;
          while (stage != 2) std::this_thread::yield();
        }) == 0);
  other.join();
  CHECK(theirs == 1);
  CHECK(MallocPatch::instance().patched() == 0);
}

void threads_that_allocate_while_slots_change() {
  std::atomic<bool> done = false;
  std::thread other([&] {
    while (!done) {
      void* block = std::malloc(50);
      keep(block = std::realloc(block, 500));
      std::free(block);
    }
  });
  for (int i = 0; i < 1000; ++i) {
    CHECK(mallocs_in([] {
            void* block = std::malloc(100);
            keep(block);
            std::free(block);
          }) == 1);
  }
  done = true;
  other.join();
}

void slots_hold_again_what_they_held() {
  CHECK(MallocPatch::instance().patched() == 0);
  CHECK(MallocPatch::instance().acquire());
  CHECK(MallocPatch::instance().patched() > 0);
  CHECK(MallocPatch::instance().acquire());
  MallocPatch::instance().release();
  CHECK(MallocPatch::instance().patched() > 0);
  MallocPatch::instance().release();
  CHECK(MallocPatch::instance().patched() == 0);
  latencykit::begin_tally();
  void* block = std::malloc(10);
  keep(block);
  CHECK((latencykit::end_tally() == AllocationTally{}));
  std::free(block);
}

}  // namespace

int main() {
  if (!LATENCYKIT_SEES_MALLOC) {
    CHECK(!MallocPatch::instance().acquire());
    return 0;
  }
  each_function_counts_once();
  every_realloc_that_gives_a_block_counts();
  if (!kSanitized) {
    what_ends_in_malloc_counts();
    a_failed_request_is_not_counted();
  }
  nothing_is_counted_without_a_block();
  a_request_is_counted_where_it_was_made();
  other_threads_are_not_counted();
  threads_that_allocate_while_slots_change();
  slots_hold_again_what_they_held();
}

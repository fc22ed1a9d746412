// Counts the memory that one thread asks for: through CPython's allocators (bind/allocations.cpp) and through
// malloc and its relatives (latency/malloc_patch.h), with one rule for both.
//
// What is counted: a call that returned a block. Every realloc counts, growing or not: it may move the
//   block, and what the caller pays for is the call. free is not watched.
// Outermost only: a block that an allocator fetches to serve another allocator is the same request, so
//   that the counts of all sources are disjoint and add up.
// Threads: counts are of the calling thread, in thread-local plain data; no locks, no atomics, no allocation.
// Observer: told of each counted request, inside it, so that what it asks for itself is not counted. It is asked
//   to allocate nothing all the same, and must outlive the count.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace latencykit {

enum class AllocationSource : size_t { raw, mem, object, malloc };
using AllocationTally = std::array<uint64_t, 4>;

struct AllocationObserver {
  void (*tell)(void* self, AllocationSource source, size_t bytes);
  void* self;
};

struct ThreadAllocations {
  bool counting;
  bool inside;  // In an allocator already: what it asks for is part of the request.
  AllocationTally tally;
  AllocationObserver observer;  // `tell` is null where nobody observes.
};

// Initial-exec: a plain offset from the thread pointer. The default model of a loaded module may call malloc
// on a thread's first access, from within the hook of malloc. Constant initialisation: no guard, no wrapper.
inline constinit thread_local ThreadAllocations thread_allocations __attribute__((tls_model("initial-exec"))) = {};

inline void begin_tally(AllocationObserver observer = {}) {
  thread_allocations.tally = {};
  thread_allocations.observer = observer;
  thread_allocations.counting = true;
}

inline AllocationTally end_tally() {
  thread_allocations.counting = false;
  thread_allocations.observer = {};
  return thread_allocations.tally;
}

// Runs `allocate`, which asks for `bytes`, and counts it if it is this thread's outermost allocation and gives a block.
template <typename Allocate>
void* tallied(AllocationSource source, size_t bytes, Allocate allocate) {
  ThreadAllocations& thread = thread_allocations;
  if (!thread.counting || thread.inside) return allocate();
  thread.inside = true;
  void* block = allocate();
  if (block != nullptr) {
    ++thread.tally[static_cast<size_t>(source)];
    if (thread.observer.tell != nullptr) thread.observer.tell(thread.observer.self, source, bytes);
  }
  thread.inside = false;
  return block;
}

}  // namespace latencykit

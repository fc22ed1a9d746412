// Counts the memory that one thread asks for: through CPython's allocators (bind/allocations.cpp) and through
// malloc and its relatives (latency/malloc_patch.h), with one rule for both.
//
// What is counted: a call that returned a block. Every realloc counts, growing or not: it may move the
//   block, and what the caller pays for is the call. free is not watched.
// Outermost only: a block that an allocator fetches to serve another allocator is the same request, so
//   that the counts of all sources are disjoint and add up.
// Threads: counts are of the calling thread, in thread-local plain data; no locks, no atomics, no allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace latencykit {

enum class AllocationSource : size_t { raw, mem, object, malloc };
using AllocationTally = std::array<uint64_t, 4>;

struct ThreadAllocations {
  bool counting;
  bool inside;  // In an allocator already: what it asks for is part of the request.
  AllocationTally tally;
};

// Initial-exec: a plain offset from the thread pointer. The default model of a loaded module may call malloc
// on a thread's first access, from within the hook of malloc. Constant initialisation: no guard, no wrapper.
inline constinit thread_local ThreadAllocations thread_allocations __attribute__((tls_model("initial-exec"))) = {};

inline void begin_tally() {
  thread_allocations.tally = {};
  thread_allocations.counting = true;
}

inline AllocationTally end_tally() {
  thread_allocations.counting = false;
  return thread_allocations.tally;
}

// Runs `allocate` and counts it if it is this thread's outermost allocation and gives a block.
template <typename Allocate>
void* tallied(AllocationSource source, Allocate allocate) {
  ThreadAllocations& thread = thread_allocations;
  if (!thread.counting || thread.inside) return allocate();
  thread.inside = true;
  void* block = allocate();
  thread.inside = false;
  if (block != nullptr) ++thread.tally[static_cast<size_t>(source)];
  return block;
}

}  // namespace latencykit

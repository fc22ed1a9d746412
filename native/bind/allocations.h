// Counting the allocations of the calling thread, for the sampler and for AllocationCounter.
//
// The sources are disjoint: a request counts where it enters, not again in the allocators that serve it.
// `raw`, `mem` and `object` are CPython's three domains, `malloc` is what reaches the C library from
// elsewhere; every realloc that gives a block counts. Not seen: objects that come from a free list (floats,
// tuples, lists, frames and others, by version), other threads, and what latency/malloc_patch.h lists.
#pragma once

#include <cstdint>

#include "bind/types.h"

namespace latencykit::bind {

struct AllocationCounts {
  uint64_t raw, mem, object, malloc;
  // False: this platform cannot, or somebody else's hook is in the way. malloc is then 0.
  bool malloc_counted;
  // False: somebody replaced CPython's allocators meanwhile, and ours no longer saw everything.
  bool complete;
};

// All need the GIL. Nothing of ours allocates between the return of one and the call of the other.
// 0, or -1 with InvalidStateError set when this thread is counting already.
int start_counting();
bool is_counting();
// Precondition: this thread started.
AllocationCounts stop_counting();
// Gives the hooks of a thread that never stopped back, from another thread; that thread's count is lost.
void abandon_counting();

}  // namespace latencykit::bind

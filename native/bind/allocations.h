// Counting the allocations of the calling thread, for the sampler and for AllocationCounter.
//
// The sources are disjoint: a request counts where it enters, not again in the allocators that serve it.
// `raw`, `mem` and `object` are CPython's three domains, `malloc` is what reaches the C library from
// elsewhere; every realloc that gives a block counts. Not seen: objects that come from a free list (floats,
// tuples, lists, frames and others, by version), other threads, and what latency/malloc_patch.h lists.
#pragma once

#include <cstdint>

#include "bind/types.h"
#include "latency/alloc_counter.h"

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
int start_counting(AllocationObserver observer = {});
// The number of the count that this thread has under way, or 0. Numbers are never used again, as those of threads are.
uint64_t current_count();
// Precondition: this thread started.
AllocationCounts stop_counting();
// Gives the hooks of a count that was never stopped back, from another thread; the count is lost, and its
// thread may start another.
void abandon_counting(uint64_t count);

// Sets InvalidStateError; returns -1.
int raise_invalid_state(const char* message);

// A new dict of the four counts, malloc None where it is not counted; null with InvalidStateError if incomplete.
PyObject* counts_as_dict(const AllocationCounts& counts);

}  // namespace latencykit::bind

// Hooks on CPython's allocators. What counts is said in latency/alloc_counter.h, how
// malloc is seen in latency/malloc_patch.h.
#include "bind/allocations.h"

#include <cstdint>
#include <new>
#include <vector>

#include "latency/malloc_patch.h"

namespace latencykit::bind {
namespace {

AllocationSource source_of(PyMemAllocatorDomain domain) {
  switch (domain) {
    case PYMEM_DOMAIN_RAW:
      return AllocationSource::raw;
    case PYMEM_DOMAIN_MEM:
      return AllocationSource::mem;
    default:
      return AllocationSource::object;
  }
}

// The allocator that we lay over one of CPython's domains. It keeps the context of the one below and leaves
// free to it, so that a thread that reads the domain's table (raw needs no GIL) while we swap it finds a
// usable mixture.
template <PyMemAllocatorDomain kDomain>
struct Hook {
  static inline PyMemAllocatorEx below{};
  static inline bool left_behind = false;  // Somebody put theirs over ours, and may still call it.

  static void* malloc(void* context, size_t size) {
    return tallied(source_of(kDomain), size, [=] { return below.malloc(context, size); });
  }
  static void* calloc(void* context, size_t count, size_t size) {
    return tallied(source_of(kDomain), count * size, [=] { return below.calloc(context, count, size); });
  }
  static void* realloc(void* context, void* block, size_t size) {
    return tallied(source_of(kDomain), size, [=] { return below.realloc(context, block, size); });
  }

  static bool on_top() {
    PyMemAllocatorEx top;
    PyMem_GetAllocator(kDomain, &top);
    return top.malloc == &Hook::malloc;
  }

  // Whether a request still comes by. Precondition: this thread is not counting.
  static bool reached() {
    begin_tally();
    switch (kDomain) {
      case PYMEM_DOMAIN_RAW:
        PyMem_RawFree(PyMem_RawMalloc(1));
        break;
      case PYMEM_DOMAIN_MEM:
        PyMem_Free(PyMem_Malloc(1));
        break;
      default:
        PyObject_Free(PyObject_Malloc(1));
    }
    return end_tally()[static_cast<size_t>(source_of(kDomain))] > 0;  // A tracer may add its own.
  }

  // To lay ours a second time over somebody who still calls it would make a circle: hence the trial.
  static void install() {
    if (on_top() || (left_behind && reached())) return;
    PyMem_GetAllocator(kDomain, &below);
    PyMemAllocatorEx ours = {below.ctx, &Hook::malloc, &Hook::calloc, &Hook::realloc, below.free};
    PyMem_SetAllocator(kDomain, &ours);
    left_behind = false;
  }

  static void remove() {
    if (on_top()) {
      PyMem_SetAllocator(kDomain, &below);
    } else {
      left_behind = true;
    }
  }
};

// Calls f with each domain's hook; true if all answers are.
template <typename F>
bool every_hook(F f) {
  const bool raw = f(Hook<PYMEM_DOMAIN_RAW>{});
  const bool mem = f(Hook<PYMEM_DOMAIN_MEM>{});
  const bool object = f(Hook<PYMEM_DOMAIN_OBJ>{});
  return raw && mem && object;
}

size_t users = 0;  // Threads that count now; under the GIL.
thread_local bool malloc_is_counted = false;
uint64_t last_count = 0;               // Under the GIL.
thread_local uint64_t this_count = 0;  // Of the count under way, or 0.

// Counts given up by other threads than their own, until these hear of it; under the GIL. Made when there is
// one: nothing may be allocated while counting starts.
std::vector<uint64_t>* abandoned = nullptr;

void install_hooks() {
  if (users++ > 0) return;
  every_hook([](auto hook) { return hook.install(), true; });
}

void remove_hooks() {
  if (--users > 0) return;
  every_hook([](auto hook) { return hook.remove(), true; });
}

}  // namespace

int raise_invalid_state(const char* message) {
  PyObject* errors = PyImport_ImportModule("latencykit.errors");
  PyObject* type = errors == nullptr ? nullptr : PyObject_GetAttrString(errors, "InvalidStateError");
  if (type != nullptr) PyErr_SetString(type, message);
  Py_XDECREF(type);
  Py_XDECREF(errors);
  return -1;
}

uint64_t current_count() {
  if (this_count != 0 && abandoned != nullptr && std::erase(*abandoned, this_count) != 0) {
    end_tally();
    this_count = 0;
  }
  return this_count;
}

int start_counting(AllocationObserver observer) {
  if (current_count() != 0) {
    return raise_invalid_state("this thread is counting allocations already; stop that count first");
  }
  install_hooks();
  malloc_is_counted = MallocPatch::instance().acquire();
  this_count = ++last_count;
  begin_tally(observer);
  return 0;
}

AllocationCounts stop_counting() {
  const AllocationTally tally = end_tally();
  this_count = 0;
  MallocPatch::instance().release();
  const bool complete = every_hook([](auto hook) { return hook.on_top() || hook.reached(); });
  remove_hooks();
  return {tally[0], tally[1], tally[2], malloc_is_counted ? tally[3] : 0, malloc_is_counted, complete};
}

void abandon_counting(uint64_t count) {
  MallocPatch::instance().release();
  remove_hooks();
  try {
    if (abandoned == nullptr) abandoned = new std::vector<uint64_t>;
    abandoned->push_back(count);
  } catch (const std::bad_alloc&) {
    // Its thread, if it is still there, cannot start another count then.
  }
}

PyObject* counts_as_dict(const AllocationCounts& counts) {
  if (!counts.complete) {
    raise_invalid_state(
        "the interpreter's allocators were replaced while their allocations were counted, so that some were missed; "
        "start and stop tracemalloc and the like outside");
    return nullptr;
  }
  PyObject* of_malloc = counts.malloc_counted ? PyLong_FromUnsignedLongLong(counts.malloc) : Py_NewRef(Py_None);
  if (of_malloc == nullptr) return nullptr;
  return Py_BuildValue("{sKsKsKsN}", "raw", static_cast<unsigned long long>(counts.raw), "mem",
                       static_cast<unsigned long long>(counts.mem), "object",
                       static_cast<unsigned long long>(counts.object), "malloc", of_malloc);
}

}  // namespace latencykit::bind

// Hooks on CPython's allocators, and AllocationCounter. What counts is said in latency/alloc_counter.h, how
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
    return tallied(source_of(kDomain), [=] { return below.malloc(context, size); });
  }
  static void* calloc(void* context, size_t count, size_t size) {
    return tallied(source_of(kDomain), [=] { return below.calloc(context, count, size); });
  }
  static void* realloc(void* context, void* block, size_t size) {
    return tallied(source_of(kDomain), [=] { return below.realloc(context, block, size); });
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

int raise_invalid_state(const char* message) {
  PyObject* errors = PyImport_ImportModule("latencykit.errors");
  PyObject* type = errors == nullptr ? nullptr : PyObject_GetAttrString(errors, "InvalidStateError");
  if (type != nullptr) PyErr_SetString(type, message);
  Py_XDECREF(type);
  Py_XDECREF(errors);
  return -1;
}

}  // namespace

uint64_t current_count() {
  if (this_count != 0 && abandoned != nullptr && std::erase(*abandoned, this_count) != 0) {
    end_tally();
    this_count = 0;
  }
  return this_count;
}

int start_counting() {
  if (current_count() != 0) {
    return raise_invalid_state("this thread is counting allocations already; stop that count first");
  }
  install_hooks();
  malloc_is_counted = MallocPatch::instance().acquire();
  this_count = ++last_count;
  begin_tally();
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

namespace {

struct CounterObject {
  PyObject base;
  PyObject* counts;  // The last result, or null.
  uint64_t count;    // The number of the count under way, or 0.
};

CounterObject* counter(PyObject* self) { return reinterpret_cast<CounterObject*>(self); }

PyObject* start(PyObject* self, PyObject*) {
  if (counter(self)->count != 0) {
    raise_invalid_state("this AllocationCounter is counting already; stop it first");
    return nullptr;
  }
  Py_CLEAR(counter(self)->counts);
  if (start_counting() < 0) return nullptr;
  counter(self)->count = current_count();
  Py_RETURN_NONE;
}

PyObject* stop(PyObject* self, PyObject*) {
  CounterObject* c = counter(self);
  if (c->count == 0) {
    raise_invalid_state("this AllocationCounter is not counting; start it first");
    return nullptr;
  }
  if (c->count != current_count()) {
    raise_invalid_state(
        "this AllocationCounter was started in another thread, whose allocations it counts; stop it there");
    return nullptr;
  }
  const AllocationCounts counts = stop_counting();
  c->count = 0;
  Py_XSETREF(c->counts, counts_as_dict(counts));
  return Py_XNewRef(c->counts);
}

PyObject* enter(PyObject* self, PyObject*) {
  PyObject* none = start(self, nullptr);
  if (none == nullptr) return nullptr;
  Py_DECREF(none);
  return Py_NewRef(self);
}

PyObject* leave(PyObject* self, PyObject* const*, Py_ssize_t) {
  PyObject* counts = stop(self, nullptr);
  if (counts == nullptr) return nullptr;
  Py_DECREF(counts);
  Py_RETURN_NONE;
}

PyObject* get_counts(PyObject* self, void*) {
  PyObject* counts = counter(self)->counts;
  return Py_NewRef(counts == nullptr ? Py_None : counts);
}

PyObject* get_counting(PyObject* self, void*) { return PyBool_FromLong(counter(self)->count != 0); }

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(counter(self)->counts);
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(counter(self)->counts);
  return 0;
}

void deallocate(PyObject* self) {
  PyObject_GC_UnTrack(self);
  if (counter(self)->count != 0) {
    if (counter(self)->count == current_count()) {
      stop_counting();
    } else {
      abandon_counting(counter(self)->count);
    }
  }
  clear(self);
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"start", start, METH_NOARGS, "start($self, /)\n--\n\nStart counting what this thread allocates."},
    {"stop", stop, METH_NOARGS,
     "stop($self, /)\n--\n\n"
     "Stop, and return the counts: {'raw', 'mem', 'object', 'malloc'}; malloc is None where it cannot be "
     "seen."},
    {"__enter__", enter, METH_NOARGS, "__enter__($self, /)\n--\n\nStart counting."},
    {"__exit__", as_method(leave), METH_FASTCALL, "__exit__($self, /, *exception)\n--\n\nStop; see counts."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef attributes[] = {
    {"counts", get_counts, nullptr, "The counts of the last stop(), or None.", nullptr},
    {"counting", get_counting, nullptr, "Whether it is between start and stop.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

constexpr const char* documentation =
    "AllocationCounter()\n--\n\n"
    "Counts the allocations of the thread that starts it, until it stops it; also as a context manager.\n\n"
    "raw, mem and object are CPython's three allocator domains; malloc is what reaches the C library from\n"
    "elsewhere (malloc, calloc, realloc, posix_memalign, aligned_alloc, memalign). A request counts once, "
    "where\n"
    "it enters, so the four add up. Every realloc that gives a block counts.\n\n"
    "Not seen: objects reused from CPython's free lists (floats, tuples, lists, dicts, frames), other "
    "threads,\n"
    "C functions called through ctypes by name, libraries loaded while counting, and mmap. What a tracer "
    "laid\n"
    "over the counter (tracemalloc started while counting) allocates for itself counts too.";

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(documentation)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, nullptr},
};

PyType_Spec spec = {"latencykit._core.AllocationCounter", sizeof(CounterObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC, slots};

}  // namespace

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

int add_allocations(PyObject* module) {
  PyObject* type = PyType_FromModuleAndSpec(module, &spec, nullptr);
  if (type == nullptr) return -1;
  const int failed = PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type));
  Py_DECREF(type);
  return failed;
}

}  // namespace latencykit::bind

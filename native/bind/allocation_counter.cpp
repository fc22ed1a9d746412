// AllocationCounter: counting as a Python object. What counts is said in latency/alloc_counter.h.
#include <cstdint>
#include <new>

#include "bind/allocation_sites.h"
#include "bind/allocations.h"
#include "bind/types.h"

namespace latencykit::bind {
namespace {

struct CounterObject {
  PyObject base;
  PyObject* counts;        // The last result, or null.
  uint64_t count;          // The number of the count under way, or 0.
  AllocationSites* sites;  // Null where only the numbers are wanted.
  int levels;              // How far the block that is watched is above the caller of start.
};

CounterObject* counter(PyObject* self) { return reinterpret_cast<CounterObject*>(self); }

PyObject* start(PyObject* self, PyObject*) {
  if (counter(self)->count != 0) {
    raise_invalid_state("this AllocationCounter is counting already; stop it first");
    return nullptr;
  }
  Py_CLEAR(counter(self)->counts);
  AllocationSites* sites = counter(self)->sites;
  if (sites != nullptr) sites->open(counter(self)->levels);
  if (start_counting(sites == nullptr ? AllocationObserver{} : sites->observer()) < 0) return nullptr;
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

// Stops a count that `start` began, around what may have failed: true if `result` and the counts are there.
bool stop_around(PyObject* self, bool ok) {
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyObject* counts = stop(self, nullptr);
  if (ok && counts == nullptr) return false;
  if (counts == nullptr) PyErr_Clear();  // What the function raised says more.
  Py_XDECREF(counts);
  PyErr_Restore(type, value, traceback);
  return ok;
}

PyObject* call_method(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* keywords) {
  if (nargs < 1) {
    PyErr_SetString(PyExc_TypeError, "call() needs the function to call");
    return nullptr;
  }
  PyObject* none = start(self, nullptr);
  if (none == nullptr) return nullptr;
  Py_DECREF(none);
  PyObject* result = PyObject_Vectorcall(args[0], args + 1, static_cast<size_t>(nargs - 1), keywords);
  if (!stop_around(self, result != nullptr)) Py_CLEAR(result);
  return result;
}

PyObject* send_method(PyObject* self, PyObject* const* args, Py_ssize_t nargs) {
  if (nargs != 2) {
    PyErr_SetString(PyExc_TypeError, "send() takes a generator or coroutine and the value to send");
    return nullptr;
  }
  PyObject* none = start(self, nullptr);
  if (none == nullptr) return nullptr;
  Py_DECREF(none);
  PyObject* result = nullptr;
  const PySendResult sent = PyIter_Send(args[0], args[1], &result);
  if (!stop_around(self, sent != PYGEN_ERROR)) {
    Py_XDECREF(result);
    return nullptr;
  }
  return Py_BuildValue("NN", PyBool_FromLong(sent == PYGEN_RETURN), result);
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
      // Its thread goes on telling it of allocations until it hears that the count was given up.
      if (counter(self)->sites != nullptr) counter(self)->sites->abandon();
      counter(self)->sites = nullptr;
    }
  }
  delete counter(self)->sites;
  clear(self);
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* get_sites(PyObject* self, void*) {
  const CounterObject* c = counter(self);
  if (c->count != 0) {
    raise_invalid_state("this AllocationCounter is counting; stop it before asking for the sites");
    return nullptr;
  }
  return c->sites == nullptr ? PyList_New(0) : c->sites->as_list();
}

PyObject* counter_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  const char* keywords[] = {"sites", "levels", nullptr};
  int sites = 0, levels = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$ii", const_cast<char**>(keywords), &sites, &levels)) return nullptr;
  if (sites < 0 || sites > AllocationSites::kMost) {
    PyErr_Format(state_of(type)->invalid_value, "sites is %d; give a number from 0 to %d", sites,
                 AllocationSites::kMost);
    return nullptr;
  }
  AllocationSites* made = nullptr;
  if (sites > 0) {
    try {
      made = new AllocationSites(static_cast<size_t>(sites));
    } catch (const std::bad_alloc&) {
      return PyErr_NoMemory();
    }
  }
  PyObject* self = type->tp_alloc(type, 0);
  if (self == nullptr) {
    delete made;
    return nullptr;
  }
  counter(self)->sites = made;
  counter(self)->levels = levels;
  return self;
}

PyMethodDef methods[] = {
    {"start", start, METH_NOARGS, "start($self, /)\n--\n\nStart counting what this thread allocates."},
    {"stop", stop, METH_NOARGS,
     "stop($self, /)\n--\n\n"
     "Stop, and return the counts: {'raw', 'mem', 'object', 'malloc'}; malloc is None where it cannot be "
     "seen."},
    {"call", as_method(call_method), METH_FASTCALL | METH_KEYWORDS,
     "call($self, function, /, *args, **kwargs)\n--\n\nCall a function, counting from its start to its end; return "
     "what it returns."},
    {"send", as_method(send_method), METH_FASTCALL,
     "send($self, generator, value, /)\n--\n\nRun a generator or coroutine to its next stop, counting; return whether "
     "it has ended, and what it gave."},
    {"__enter__", enter, METH_NOARGS, "__enter__($self, /)\n--\n\nStart counting."},
    {"__exit__", as_method(leave), METH_FASTCALL, "__exit__($self, /, *exception)\n--\n\nStop; see counts."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef attributes[] = {
    {"counts", get_counts, nullptr, "The counts of the last stop(), or None.", nullptr},
    {"counting", get_counting, nullptr, "Whether it is between start and stop.", nullptr},
    {"sites", get_sites, nullptr,
     "Where the last count's allocations came from, in the order of the first of each: tuples of file, line, "
     "function,\n"
     "the file and line in the watched block that led there (None and 0 if that is not known), source, count and\n"
     "bytes. File and function are None for what could not be placed.",
     nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

constexpr const char* documentation =
    "AllocationCounter(*, sites=0, levels=0)\n--\n\n"
    "Counts the allocations of the thread that starts it, until it stops it; also as a context manager.\n\n"
    "raw, mem and object are CPython's three allocator domains; malloc is what reaches the C library from\n"
    "elsewhere (malloc, calloc, realloc, posix_memalign, aligned_alloc, memalign). A request counts once, "
    "where\n"
    "it enters, so the four add up. Every realloc that gives a block counts.\n\n"
    "Not seen: objects reused from CPython's free lists (floats, tuples, lists, dicts, frames), other "
    "threads,\n"
    "C functions called through ctypes by name, libraries loaded while counting, and mmap. What a tracer "
    "laid\n"
    "over the counter (tracemalloc started while counting) allocates for itself counts too.\n\n"
    "With sites, so many places in Python code are told apart, and nothing is allocated for that meanwhile. levels\n"
    "says which frame is the watched block: 0 the caller of start, 1 its caller, and -1 what it calls.";

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(documentation)},
    {Py_tp_new, reinterpret_cast<void*>(counter_new)},
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

int add_allocations(PyObject* module) {
  PyObject* type = PyType_FromModuleAndSpec(module, &spec, nullptr);
  if (type == nullptr) return -1;
  const int failed = PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type));
  Py_DECREF(type);
  return failed;
}

}  // namespace latencykit::bind

// SpscQueue, MpmcQueue and UnboundedQueue for Python: rings of references to objects.
//
// A queue owns a reference to each object that it holds. The collector visits them, on whatever thread it runs: it has
// the GIL, and native threads never touch these rings. Between taking a reference off a ring and giving it to the caller
// no other Python code runs, and an object that a dying queue lets go finds the queue empty of it.
#include <algorithm>
#include <cstring>
#include <new>
#include <type_traits>

#include "bind/queues.h"
#include "latency/mpmc_ring.h"
#include "latency/segmented_queue.h"
#include "latency/spsc_ring.h"

namespace latencykit::bind {
namespace {

using SpscObjects = SpscRing<PyObject*>;
using MpmcObjects = MpmcRing<PyObject*>;
using UnboundedObjects = SegmentedQueue<PyObject*>;

template <typename Ring>
inline constexpr bool kBounded = !std::is_default_constructible_v<Ring>;

// The ring lies in memory of its own, because its parts are aligned to cache lines and objects are not.
template <typename Ring>
struct QueueObject {
  PyObject ob_base;
  Ring* ring;
  QueueEnds ends;
};

template <typename Ring>
struct Methods {
  using Self = QueueObject<Ring>;

  static Self* as_queue(PyObject* object) { return reinterpret_cast<Self*>(object); }
  static ModuleState* state(Self* self) { return state_of(Py_TYPE(reinterpret_cast<PyObject*>(self))); }

  // ---- pushing

  // 1 if pushed, 0 if full, -1 with an error. The ring has its own reference then.
  static int push_one(Self* self, PyObject* item) {
    if (self->ends.closed) [[unlikely]] {
      refuse_closed(state(self), "; nothing can be pushed");
      return -1;
    }
    if constexpr (kBounded<Ring>) {
      if (!self->ring->try_push(item)) return 0;
    } else {
      try {
        self->ring->try_push(item);
      } catch (const std::bad_alloc&) {
        return refuse_growth(self);
      }
    }
    Py_INCREF(item);
    notify(self->ends.filled, 1);
    return 1;
  }

  [[gnu::noinline]] static int refuse_growth(Self* self) {
    PyErr_Format(state(self)->capacity, "the system refused memory for more than %zu objects; pop some first",
                 self->ring->size());
    return -1;
  }

  // One look tells whether the queue is closed or somebody sleeps: nothing can change until this returns.
  static PyObject* try_push(PyObject* object, PyObject* item) {
    Self* self = as_queue(object);
    if constexpr (kBounded<Ring>) {
      if (self->ends.filled.notice == 0) [[likely]] {
        if (!self->ring->try_push(item)) Py_RETURN_FALSE;
        Py_INCREF(item);
        Py_RETURN_TRUE;
      }
    }
    return try_push_noticing(self, item);
  }

  [[gnu::noinline]] static PyObject* try_push_noticing(Self* self, PyObject* item) {
    const int pushed = push_one(self, item);
    return pushed < 0 ? nullptr : Py_NewRef(pushed != 0 ? Py_True : Py_False);
  }

  static PyObject* push(PyObject* object, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    Self* self = as_queue(object);
    if (count < 1) return PyErr_Format(state(self)->invalid_type, "push() takes the object to push, and timeout");
    PyObject* timeout_argument = Py_None;
    double timeout = 0;
    if (!read_optional(state(self), "push", "timeout", arguments + 1, count - 1, names, &timeout_argument) ||
        !read_timeout(state(self), timeout_argument, &timeout)) {
      return nullptr;
    }
    const auto try_once = [&] { return push_one(self, arguments[0]); };
    if (push_waiting(*self->ring, self->ends, timeout, try_once) < 0) return nullptr;
    Py_RETURN_NONE;
  }

  static PyObject* push_many(PyObject* object, PyObject* argument) {
    Self* self = as_queue(object);
    PyObject* items = PySequence_Fast(argument, "push_many() takes an iterable of objects");
    if (items == nullptr) return as_type_error(self, argument);
    if (self->ends.closed) {
      Py_DECREF(items);
      return refuse_closed(state(self), "; nothing can be pushed");
    }
    // No Python code runs from here on: the list stays as it is.
    const auto count = static_cast<std::size_t>(PySequence_Fast_GET_SIZE(items));
    PyObject** each = PySequence_Fast_ITEMS(items);
    std::size_t done = 0;
    bool refused = false;
    try {
      if constexpr (kBounded<Ring>) {
        done = self->ring->push_many(each, count);
      } else {
        while (done < count && self->ring->try_push(each[done])) ++done;
      }
    } catch (const std::bad_alloc&) {
      refused = true;
    }
    for (std::size_t i = 0; i < done; ++i) Py_INCREF(each[i]);
    if (done != 0) notify(self->ends.filled, done);
    Py_DECREF(items);
    if (refused && done == 0) {
      refuse_growth(self);
      return nullptr;
    }
    return PyLong_FromSize_t(done);
  }

  static PyObject* as_type_error(Self* self, PyObject* argument) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError) || Py_TYPE(argument)->tp_iter != nullptr) return nullptr;
    return PyErr_Format(state(self)->invalid_type, "push_many() takes an iterable of objects, not %R", argument);
  }

  // ---- popping

  // The caller's reference, or nullptr if there is nothing.
  static PyObject* pop_one(Self* self) {
    PyObject* item;
    if (!self->ring->try_pop(&item)) return nullptr;
    if constexpr (kBounded<Ring>) {
      if (self->ends.emptied.notice != 0) [[unlikely]] {
        return wake_producer(self, item);
      }
    }
    return item;
  }

  [[gnu::noinline]] static PyObject* wake_producer(Self* self, PyObject* item) {
    notify(self->ends.emptied, 1);
    return item;
  }

  // Whatever is not the usual way ends in a call of its own, so that the usual way has no registers to save.
  static PyObject* try_pop(PyObject* object, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    if (count != 0 || names != nullptr) return try_pop_or(object, arguments, count, names);
    if (PyObject* item = pop_one(as_queue(object))) [[likely]] {
      return item;
    }
    return nothing_there(as_queue(object), Py_None);
  }

  [[gnu::noinline]] static PyObject* try_pop_or(PyObject* object, PyObject* const* arguments, Py_ssize_t count,
                                                PyObject* names) {
    PyObject* otherwise = Py_None;
    if (!read_optional(state(as_queue(object)), "try_pop", "default", arguments, count, names, &otherwise)) {
      return nullptr;
    }
    if (PyObject* item = pop_one(as_queue(object))) return item;
    return nothing_there(as_queue(object), otherwise);
  }

  [[gnu::noinline]] static PyObject* nothing_there(Self* self, PyObject* otherwise) {
    return self->ends.closed ? refuse_drained(state(self)) : Py_NewRef(otherwise);
  }

  static PyObject* pop(PyObject* object, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    Self* self = as_queue(object);
    PyObject* timeout_argument = Py_None;
    double timeout = 0;
    if (!read_optional(state(self), "pop", "timeout", arguments, count, names, &timeout_argument) ||
        !read_timeout(state(self), timeout_argument, &timeout)) {
      return nullptr;
    }
    return pop_waiting(state(self), *self->ring, self->ends, timeout, [self] { return pop_one(self); });
  }

  static PyObject* pop_many(PyObject* object, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    Self* self = as_queue(object);
    PyObject* argument = Py_None;
    std::size_t most = 0;
    if (!read_optional(state(self), "pop_many", "max_items", arguments, count, names, &argument)) return nullptr;
    if (!read_most(state(self), argument, &most)) return nullptr;
    if (self->ends.closed && self->ring->size() == 0) return refuse_drained(state(self));
    // Making the list may run the collector, and with it code that pops: what is there now may be gone.
    const std::size_t wanted = std::min(most, self->ring->size());
    PyObject* items = PyList_New(static_cast<Py_ssize_t>(wanted));
    if (items == nullptr) return nullptr;
    std::size_t done = 0;
    PyObject* item = nullptr;
    for (; done < wanted && self->ring->try_pop(&item); ++done) {
      PyList_SET_ITEM(items, static_cast<Py_ssize_t>(done), item);
    }
    if constexpr (kBounded<Ring>) {
      if (done != 0) notify(self->ends.emptied, done);
    }
    if (done == wanted) return items;
    PyObject* fewer = PyList_GetSlice(items, 0, static_cast<Py_ssize_t>(done));
    Py_DECREF(items);
    return fewer;
  }

  // ---- the queue as a whole

  static PyObject* close(PyObject* object, PyObject*) {
    close_ends(as_queue(object)->ends);
    Py_RETURN_NONE;
  }
  static PyObject* closed(PyObject* object, void*) { return PyBool_FromLong(as_queue(object)->ends.closed); }
  static Py_ssize_t length(PyObject* object) { return static_cast<Py_ssize_t>(as_queue(object)->ring->size()); }
  static PyObject* capacity(PyObject* object, void*) {
    if constexpr (kBounded<Ring>) return PyLong_FromSize_t(as_queue(object)->ring->capacity());
    Py_RETURN_NONE;
  }

  static PyObject* repr(PyObject* object) {
    const Self* self = as_queue(object);
    const char* name = std::strrchr(Py_TYPE(object)->tp_name, '.') + 1;
    const char* end = self->ends.closed ? ", closed" : "";
    if constexpr (kBounded<Ring>) {
      return PyUnicode_FromFormat("<%s of %zu, %zu queued%s>", name, self->ring->capacity(), self->ring->size(), end);
    }
    return PyUnicode_FromFormat("<%s, %zu queued%s>", name, self->ring->size(), end);
  }

  static PyObject* make(PyTypeObject* type, std::size_t capacity, Wait wait) {
    PyObject* object = type->tp_alloc(type, 0);
    if (object == nullptr) return nullptr;
    Self* self = as_queue(object);
    ::new (&self->ends) QueueEnds{.filled = {}, .emptied = {}, .wait = wait, .closed = false};
    try {
      if constexpr (kBounded<Ring>) {
        self->ring = new Ring(capacity);
      } else {
        self->ring = new Ring();
      }
      return object;
    } catch (const std::bad_alloc&) {
      PyErr_Format(state_of(type)->capacity, "the system refused the memory for a queue of %zu objects; ask for fewer",
                   capacity);
      Py_DECREF(object);
      return nullptr;
    }
  }

  static PyObject* make_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    static const char* bounded[] = {"capacity", "wait", nullptr};
    static const char* unbounded[] = {"wait", nullptr};
    PyObject *capacity_argument = nullptr, *wait_argument = nullptr;
    std::size_t capacity = 0;
    Wait wait = Wait::kPark;
    if constexpr (kBounded<Ring>) {
      if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O", const_cast<char**>(bounded), &capacity_argument,
                                       &wait_argument) ||
          !read_queue_capacity(state_of(type), capacity_argument, &capacity)) {
        return nullptr;
      }
    } else if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O", const_cast<char**>(unbounded), &wait_argument)) {
      return nullptr;
    }
    if (wait_argument != nullptr && !read_wait(state_of(type), wait_argument, &wait)) return nullptr;
    return make(type, capacity, wait);
  }

  static int traverse(PyObject* object, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(object));
    const Self* self = as_queue(object);
    if (self->ring == nullptr) return 0;
    return self->ring->each([visit, arg](PyObject* item) {
      Py_VISIT(item);
      return 0;
    });
  }

  // Lets go what is there now. An object's end may run code that pushes again, so what comes meanwhile stays.
  static int clear(PyObject* object) {
    Self* self = as_queue(object);
    PyObject* item = nullptr;
    for (std::size_t left = self->ring == nullptr ? 0 : self->ring->size(); left != 0; --left) {
      if (!self->ring->try_pop(&item)) break;
      Py_DECREF(item);
    }
    return 0;
  }

  static void dealloc(PyObject* object) {
    PyTypeObject* type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_TRASHCAN_BEGIN(object, dealloc);
    clear(object);  // Nobody refers to the queue any more: nothing can come meanwhile.
    delete as_queue(object)->ring;
    type->tp_free(object);
    Py_DECREF(reinterpret_cast<PyObject*>(type));
    Py_TRASHCAN_END;
  }

  static inline PyMethodDef methods[] = {
      {"try_push", try_push, METH_O, "try_push($self, obj, /)\n--\n\nPush an object if there is room; tell whether."},
      {"try_pop", as_method(try_pop), METH_FASTCALL | METH_KEYWORDS,
       "try_pop($self, default=None)\n--\n\nPop the oldest object, or return the default if there is none."},
      {"push", as_method(push), METH_FASTCALL | METH_KEYWORDS,
       "push($self, obj, /, timeout=None)\n--\n\nPush an object; wait for room, at most so many seconds."},
      {"pop", as_method(pop), METH_FASTCALL | METH_KEYWORDS,
       "pop($self, timeout=None)\n--\n\nPop the oldest object; wait for one, at most so many seconds."},
      {"push_many", push_many, METH_O,
       "push_many($self, objects, /)\n--\n\nPush the first of these objects, as many as fit; return how many."},
      {"pop_many", as_method(pop_many), METH_FASTCALL | METH_KEYWORDS,
       "pop_many($self, max_items=None)\n--\n\nPop the oldest objects, at most so many, as a list."},
      {"close", close, METH_NOARGS,
       "close($self, /)\n--\n\nRefuse pushes from now on; what is there can still be popped."},
      {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "For annotations, as SpscQueue[int]."},
      {nullptr, nullptr, 0, nullptr},
  };

  static inline PyGetSetDef properties[] = {
      {"capacity", capacity, nullptr, "How many objects there is room for; None if there is no bound.", nullptr},
      {"closed", closed, nullptr, "Whether close() was called.", nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  };

  static int add(PyObject* module, const char* name, const char* doc, PyTypeObject** slot) {
    PyType_Slot slots[] = {
        {Py_tp_doc, const_cast<char*>(doc)},
        {Py_tp_new, reinterpret_cast<void*>(make_new)},
        {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
        {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
        {Py_tp_clear, reinterpret_cast<void*>(clear)},
        {Py_tp_repr, reinterpret_cast<void*>(repr)},
        {Py_tp_methods, methods},
        {Py_tp_getset, properties},
        {Py_sq_length, reinterpret_cast<void*>(length)},
        {0, nullptr},
    };
    PyType_Spec spec = {name, sizeof(Self), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
                        slots};
    return add_type(module, &spec, slot);
  }
};

}  // namespace

int add_object_queues(PyObject* module) {
  ModuleState* state = state_of_module(module);
  if (Methods<SpscObjects>::add(module, "latencykit._core.SpscQueue",
                                "SpscQueue(capacity, *, wait='park')\n--\n\n"
                                "A bounded queue of objects between one producer and one consumer.",
                                &state->spsc_queue) < 0) {
    return -1;
  }
  if (Methods<MpmcObjects>::add(module, "latencykit._core.MpmcQueue",
                                "MpmcQueue(capacity, *, wait='park')\n--\n\n"
                                "A bounded queue of objects between any number of producers and consumers.",
                                &state->mpmc_queue) < 0) {
    return -1;
  }
  return Methods<UnboundedObjects>::add(module, "latencykit._core.UnboundedQueue",
                                        "UnboundedQueue(*, wait='park')\n--\n\n"
                                        "A queue of objects that grows, between any producers and consumers.",
                                        &state->unbounded_queue);
}

}  // namespace latencykit::bind

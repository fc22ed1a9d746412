// SharedRing for Python: pushing, popping, waiting, and what the object shows.
//
// A call that does not wait keeps the GIL: it copies records and moves a position. A wait releases it, and looks at
// shared memory only; what the process keeps of the ring is changed under the GIL, so that threads may share an object.
// A wait holds the ring itself, so that another thread may close the object meanwhile.
#include <algorithm>
#include <cmath>
#include <cstdint>

#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include "bind/numbers.h"
#include "bind/shared_names.h"
#include "bind/shared_ring.h"
#include "bind/types.h"
#include "latency/tsc_clock.h"

namespace latencykit::bind {
namespace {

ModuleState* state_of_ring(SharedRingObject* self) { return state_of(Py_TYPE(&self->ob_base)); }

PyArrayObject* as_array(PyObject* object) { return reinterpret_cast<PyArrayObject*>(object); }

bool has_dtype_of(SharedRingObject* self, PyObject* array) {
  PyArray_Descr* dtype = PyArray_DESCR(as_array(array));
  return dtype == self->dtype || PyArray_EquivTypes(dtype, self->dtype);
}

// ---- arguments

// A time to give up, on monotonic_ns().
struct Deadline {
  std::uint64_t at_ns = 0;  // 0: do not wait at all.

  std::uint64_t left_ns() const {
    const std::uint64_t now = at_ns == 0 ? 0 : monotonic_ns();
    return at_ns > now ? at_ns - now : 0;
  }
};

// Seconds from now on, 0 to not wait, None to wait for ever.
bool read_timeout(SharedRingObject* self, PyObject* argument, Deadline* deadline) {
  if (argument == nullptr) return true;
  if (argument == Py_None) {
    deadline->at_ns = UINT64_MAX;
    return true;
  }
  double seconds = 0;
  if (!read_double(Py_TYPE(&self->ob_base), argument, "timeout", &seconds)) return false;
  if (!(seconds >= 0)) {
    PyErr_Format(state_of_ring(self)->invalid_value, "timeout %R is not a time; give seconds from 0, or None to wait",
                 argument);
    return false;
  }
  constexpr double kLongest = 1e9;  // 30 years.
  if (seconds > 0) deadline->at_ns = monotonic_ns() + static_cast<std::uint64_t>(std::min(seconds, kLongest) * 1e9) + 1;
  return true;
}

// The arguments of a call by position and by name, in the order of `names`.
template <std::size_t N>
bool read_arguments(SharedRingObject* self, const char* method, const char* const (&names)[N], PyObject* const* given,
                    Py_ssize_t count, PyObject* keywords, PyObject* (&arguments)[N]) {
  ModuleState* state = state_of_ring(self);
  if (count > static_cast<Py_ssize_t>(N)) {
    PyErr_Format(state->invalid_type, "%s() takes at most %zu arguments, not %zd", method, N, count);
    return false;
  }
  std::copy(given, given + count, arguments);
  const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t k = 0; k < named; ++k) {
    PyObject* keyword = PyTuple_GET_ITEM(keywords, k);
    std::size_t i = 0;
    while (i < N && PyUnicode_CompareWithASCIIString(keyword, names[i]) != 0) ++i;
    if (i == N || arguments[i] != nullptr) {
      PyErr_Format(state->invalid_type, "%s() takes no %sargument %R", method, i == N ? "" : "second ", keyword);
      return false;
    }
    arguments[i] = given[count + k];
  }
  return true;
}

// The records as one row of memory: the array itself where it can be, else a copy. A new reference.
PyObject* read_records(SharedRingObject* self, PyObject* argument) {
  ModuleState* state = state_of_ring(self);
  PyObject* dtype = reinterpret_cast<PyObject*>(self->dtype);
  if (!PyArray_Check(argument)) {
    Py_INCREF(dtype);
    PyObject* array = PyArray_FromAny(argument, self->dtype, 0, 1, NPY_ARRAY_C_CONTIGUOUS, nullptr);
    if (array != nullptr || PyErr_ExceptionMatches(PyExc_MemoryError)) return array;
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return nullptr;  // Ctrl-C in the code of an element.
    PyErr_Clear();
    return PyErr_Format(state->invalid_type, "records %R cannot be read as %R; pass a NumPy array of that dtype",
                        argument, dtype);
  }
  if (!has_dtype_of(self, argument)) {
    return PyErr_Format(state->invalid_type, "records have the dtype %R, but ring %R takes %R; convert them first",
                        reinterpret_cast<PyObject*>(PyArray_DESCR(as_array(argument))), self->name, dtype);
  }
  if (PyArray_NDIM(as_array(argument)) > 1) {
    return PyErr_Format(state->invalid_value,
                        "records have %d dimensions; pass one row of them, such as records.ravel()",
                        PyArray_NDIM(as_array(argument)));
  }
  if (PyArray_IS_C_CONTIGUOUS(as_array(argument))) return Py_NewRef(argument);
  Py_INCREF(dtype);
  return PyArray_FromArray(as_array(argument), self->dtype, NPY_ARRAY_C_CONTIGUOUS);
}

bool read_out(SharedRingObject* self, PyObject* out) {
  ModuleState* state = state_of_ring(self);
  if (!PyArray_Check(out) || !has_dtype_of(self, out)) {
    PyObject* what = PyArray_Check(out) ? reinterpret_cast<PyObject*>(PyArray_DESCR(as_array(out))) : out;
    PyErr_Format(state->invalid_type, "out must be an array of %R, not %R; make it with np.empty(count, ring.dtype)",
                 reinterpret_cast<PyObject*>(self->dtype), what);
    return false;
  }
  if (PyArray_NDIM(as_array(out)) == 1 && PyArray_IS_C_CONTIGUOUS(as_array(out)) &&
      PyArray_ISWRITEABLE(as_array(out))) {
    return true;
  }
  PyErr_Format(state->invalid_value,
               "out has %d dimensions, or is read-only or not contiguous; make it with np.empty(count, ring.dtype)",
               PyArray_NDIM(as_array(out)));
  return false;
}

// How many records to pop at most: all that fit, if nothing is said.
bool read_most(SharedRingObject* self, PyObject* argument, PyObject* out, std::uint64_t* most) {
  const std::uint64_t fitting =
      out == nullptr ? self->capacity * self->max_producers : static_cast<std::uint64_t>(PyArray_DIM(as_array(out), 0));
  *most = fitting;
  if (argument == nullptr || argument == Py_None) return true;
  std::int64_t value = 0;
  if (!read_int(Py_TYPE(&self->ob_base), argument, "max_records", &value)) return false;
  if (value < 0 || (out != nullptr && static_cast<std::uint64_t>(value) > fitting)) {
    PyErr_Format(state_of_ring(self)->invalid_value,
                 value < 0 ? "max_records %R is negative; use 0 or more, or None for all that are there"
                           : "max_records %R does not fit into out, which is shorter; use a longer one",
                 argument);
    return false;
  }
  *most = std::min(static_cast<std::uint64_t>(value), fitting);
  return true;
}

// ---- waiting

// Says that the other side is gone. Always nullptr.
PyObject* others_gone(SharedRingObject* self, const char* side, const RingPeer::Sight& sight) {
  ModuleState* state = state_of_ring(self);
  if (sight.others == RingPeer::Others::kDied) {
    return PyErr_Format(state->invalid_state,
                        "the %s of ring %R (process %llu) died; call again to wait for a new one to attach", side,
                        self->name, static_cast<unsigned long long>(sight.holder));
  }
  return PyErr_Format(state->invalid_state, "the %s of ring %R closed it; call again to wait for a new one to attach",
                      side, self->name);
}

// Waits a while without the GIL, until a position may have moved. False with an exception: of a signal's handler, or
// because the object was closed meanwhile.
template <typename Look>
bool wait_a_while(SharedRingObject* self, SharedGate<>& gate, const AwaitedPositions& awaited, std::uint64_t left_ns,
                  Look look, RingPeer::Sight* sight) {
  const std::shared_ptr<RingPeer> peer = self->peer;
  const std::exception_ptr thrown = thrown_without_gil([&] {
    if (RingPeer::spin_for(awaited, left_ns)) return;
    *sight = (*peer.*look)();
    if (!sight->gone()) RingPeer::sleep_for(gate, awaited, left_ns);
  });
  if (!caught(state_of_ring(self), self->name, [&] {
        if (thrown) std::rethrow_exception(thrown);
      })) {
    return false;
  }
  return PyErr_CheckSignals() == 0 && usable_peer(self) != nullptr;
}

// ---- push

// Pushes until all is in, the deadline, or nobody takes anything any more; how many are in. False with an exception.
bool push_all(SharedRingObject* self, const std::byte* records, std::uint64_t count, Deadline deadline,
              std::uint64_t* pushed) {
  ModuleState* state = state_of_ring(self);
  RingPeer::Sight sight;
  for (;;) {
    RingProducer* producer = as_producer(self);
    if (producer == nullptr) return false;
    std::uint64_t taken = 0;
    if (!caught_in_memory(state, self->name, *self->peer, [&] {
          taken = producer->push(records + *pushed * self->peer->block().shape().record_bytes, count - *pushed);
        })) {
      return false;
    }
    *pushed += taken;
    if (*pushed == count) return true;
    // Looked for after its end: its last step may have made room.
    if (sight.gone() && taken == 0) {
      if (*pushed > 0) return true;
      self->peer->note_consumer(sight);
      return others_gone(self, "consumer", sight) != nullptr;
    }
    const std::uint64_t left_ns = deadline.left_ns();
    if (left_ns == 0) return true;
    sight = {};
    const AwaitedPositions awaited = producer->awaited();
    if (!wait_a_while(self, self->peer->block().header().freed, awaited, left_ns, &RingPeer::look_for_consumer,
                      &sight)) {
      return false;
    }
  }
}

PyObject* ring_push(PyObject* object, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  SharedRingObject* self = as_ring(object);
  static constexpr const char* names[] = {"records", "timeout"};
  PyObject* arguments[2] = {};
  if (!read_arguments(self, "push", names, given, count, keywords, arguments)) return nullptr;
  if (arguments[0] == nullptr) {
    return PyErr_Format(state_of(Py_TYPE(object))->invalid_type, "push() needs the records; pass an array of them");
  }
  Deadline deadline;
  if (!read_timeout(self, arguments[1], &deadline)) return nullptr;
  PyObject* records = read_records(self, arguments[0]);
  if (records == nullptr) return nullptr;
  std::uint64_t pushed = 0;
  const auto* bytes = static_cast<const std::byte*>(PyArray_DATA(as_array(records)));
  const bool done =
      push_all(self, bytes, static_cast<std::uint64_t>(PyArray_SIZE(as_array(records))), deadline, &pushed);
  Py_DECREF(records);
  return done ? PyLong_FromUnsignedLongLong(pushed) : nullptr;
}

// ---- pop

// Waits until there are records, the deadline, or nobody will push any more. False with an exception.
bool await_records(SharedRingObject* self, std::uint64_t most, Deadline deadline, std::uint64_t* there) {
  RingPeer::Sight sight;
  for (;;) {
    RingConsumer* consumer = as_consumer(self);
    if (consumer == nullptr) return false;
    if (!caught_in_memory(state_of_ring(self), self->name, *self->peer, [&] { *there = consumer->ready(most); })) {
      return false;
    }
    if (*there > 0 || most == 0) return true;
    if (sight.gone()) {
      self->peer->note_producers(sight);
      return others_gone(self, "producer", sight) != nullptr;
    }
    const std::uint64_t left_ns = deadline.left_ns();
    if (left_ns == 0) return true;
    const AwaitedPositions awaited = consumer->awaited();
    if (!wait_a_while(self, self->peer->block().header().filled, awaited, left_ns, &RingPeer::look_for_producers,
                      &sight)) {
      return false;
    }
  }
}

PyObject* new_records(SharedRingObject* self, std::uint64_t count) {
  npy_intp length = static_cast<npy_intp>(count);
  Py_INCREF(reinterpret_cast<PyObject*>(self->dtype));
  return PyArray_NewFromDescr(&PyArray_Type, self->dtype, 1, &length, nullptr, nullptr, 0, nullptr);
}

// Takes what is known to be there. Between that look and this no code of Python's runs, which could pop or close.
bool take_records(SharedRingObject* self, PyObject* into, std::uint64_t count) {
  if (count == 0) return true;
  auto* records = static_cast<std::byte*>(PyArray_DATA(as_array(into)));
  return caught_in_memory(state_of_ring(self), self->name, *self->peer,
                          [&] { self->peer->consumer()->take(records, count); });
}

// The first records of an array, which is the array itself if there are no more.
PyObject* first_of(PyObject* array, std::uint64_t count) {
  const auto length = static_cast<Py_ssize_t>(count);
  if (PyArray_DIM(as_array(array), 0) == length) return Py_NewRef(array);
  return PySequence_GetSlice(array, 0, length);
}

PyObject* ring_pop(PyObject* object, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  SharedRingObject* self = as_ring(object);
  static constexpr const char* names[] = {"max_records", "out", "timeout"};
  PyObject* arguments[3] = {};
  if (!read_arguments(self, "pop", names, given, count, keywords, arguments)) return nullptr;
  PyObject* out = arguments[1] == Py_None ? nullptr : arguments[1];
  Deadline deadline;
  std::uint64_t most = 0;
  if (out != nullptr && !read_out(self, out)) return nullptr;
  if (!read_most(self, arguments[0], out, &most) || !read_timeout(self, arguments[2], &deadline)) return nullptr;
  std::uint64_t there = 0;
  if (!await_records(self, most, deadline, &there)) return nullptr;
  if (out != nullptr) {  // Taking a part of it may run code: a subclass's, or the collector's.
    return take_records(self, out, there) ? first_of(out, there) : nullptr;
  }
  PyObject* records = new_records(self, there);
  if (records != nullptr && !take_records(self, records, there)) Py_CLEAR(records);
  return records;
}

// ---- the rest

PyObject* refuse_lent(SharedRingObject* self) {
  return PyErr_Format(state_of_ring(self)->invalid_state,
                      "ring %R is in the middle of round trips on another thread; wait until they end", self->name);
}

PyObject* ring_close(PyObject* object, PyObject*) {
  SharedRingObject* self = as_ring(object);
  if (self->lent && !self->peer->is_inherited()) return refuse_lent(self);
  if (self->peer != nullptr) self->peer->resign();  // At once, also if another thread waits.
  self->peer.reset();
  Py_RETURN_NONE;
}

PyObject* ring_unlink(PyObject* object, PyObject*) {
  SharedRingObject* self = as_ring(object);
  if (self->peer == nullptr) {  // Closed: the name is all that is left.
    PyObject* removed = shared_ring_remove(reinterpret_cast<PyObject*>(Py_TYPE(object)), self->name);
    if (removed == nullptr) return nullptr;
    Py_DECREF(removed);
    Py_RETURN_NONE;
  }
  if (!caught(state_of_ring(self), self->name, [&] { self->peer->remove_name(); })) return nullptr;
  Py_RETURN_NONE;
}

PyObject* ring_enter(PyObject* object, PyObject*) {
  return usable_peer(as_ring(object)) == nullptr ? nullptr : Py_NewRef(object);
}

PyObject* ring_exit(PyObject* object, PyObject* const*, Py_ssize_t) { return ring_close(object, nullptr); }

Py_ssize_t ring_length(PyObject* object) {
  SharedRingObject* self = as_ring(object);
  RingPeer* peer = usable_peer(self);
  std::uint64_t size = 0;
  if (peer == nullptr ||
      !caught_in_memory(state_of_ring(self), self->name, *peer, [&] { size = peer->block().size(); })) {
    return -1;
  }
  return static_cast<Py_ssize_t>(size);
}

// A ring is true also when it is empty.
int ring_true(PyObject*) { return 1; }

PyObject* ring_repr(PyObject* object) {
  SharedRingObject* self = as_ring(object);
  return PyUnicode_FromFormat("<SharedRing %R of %llu records for each of %llu producer(s), dtype %R%s>", self->name,
                              static_cast<unsigned long long>(self->capacity),
                              static_cast<unsigned long long>(self->max_producers),
                              reinterpret_cast<PyObject*>(self->dtype), self->peer == nullptr ? ", closed" : "");
}

PyObject* ring_name(PyObject* object, void*) { return Py_NewRef(as_ring(object)->name); }
PyObject* ring_dtype(PyObject* object, void*) { return Py_NewRef(reinterpret_cast<PyObject*>(as_ring(object)->dtype)); }
PyObject* ring_capacity(PyObject* object, void*) { return PyLong_FromUnsignedLongLong(as_ring(object)->capacity); }
PyObject* ring_max_producers(PyObject* object, void*) {
  return PyLong_FromUnsignedLongLong(as_ring(object)->max_producers);
}
PyObject* ring_closed(PyObject* object, void*) { return PyBool_FromLong(as_ring(object)->peer == nullptr); }

PyObject* ring_producers(PyObject* object, void*) {
  SharedRingObject* self = as_ring(object);
  RingPeer* peer = usable_peer(self);
  std::uint64_t count = 0;
  if (peer == nullptr ||
      !caught_in_memory(state_of_ring(self), self->name, *peer, [&] { count = peer->count_producers(); })) {
    return nullptr;
  }
  return PyLong_FromUnsignedLongLong(count);
}

PyObject* ring_has_consumer(PyObject* object, void*) {
  SharedRingObject* self = as_ring(object);
  RingPeer* peer = usable_peer(self);
  bool has = false;
  if (peer == nullptr ||
      !caught_in_memory(state_of_ring(self), self->name, *peer, [&] { has = peer->has_consumer(); })) {
    return nullptr;
  }
  return PyBool_FromLong(has);
}

void ring_dealloc(PyObject* object) {
  SharedRingObject* self = as_ring(object);
  PyTypeObject* type = Py_TYPE(object);
  self->peer.~shared_ptr();
  Py_XDECREF(reinterpret_cast<PyObject*>(self->dtype));
  Py_XDECREF(self->name);
  type->tp_free(object);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}

PyMethodDef ring_methods[] = {
    {"create", as_method(shared_ring_create), METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     "create($type, /, name, dtype, capacity, *, producers=1)\n--\n\n"
     "Make a ring under a name that is free."},
    {"attach", as_method(shared_ring_attach), METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     "attach($type, /, name, dtype=None)\n--\n\n"
     "Join the ring of this name, which must have this dtype if one is given."},
    {"remove", shared_ring_remove, METH_O | METH_CLASS,
     "remove($type, name, /)\n--\n\n"
     "Free a name that no producer and no consumer uses, whatever it leads to; whether there was one."},
    {"push", as_method(ring_push), METH_FASTCALL | METH_KEYWORDS,
     "push($self, /, records, timeout=0)\n--\n\n"
     "Push as many records as fit, or wait until all do; how many were taken."},
    {"pop", as_method(ring_pop), METH_FASTCALL | METH_KEYWORDS,
     "pop($self, /, max_records=None, out=None, timeout=0)\n--\n\n"
     "Pop up to so many records, or wait for the first one; an array of them, or the part of out that was filled."},
    {"close", ring_close, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Leave the ring, which others may go on using; a second call does nothing."},
    {"unlink", ring_unlink, METH_NOARGS,
     "unlink($self, /)\n--\n\n"
     "Free the ring's name; who has the ring keeps it."},
    {"__enter__", ring_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nReturn the ring."},
    {"__exit__", as_method(ring_exit), METH_FASTCALL, "__exit__($self, /, *exception)\n--\n\nClose the ring."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef ring_properties[] = {
    {"name", ring_name, nullptr, "The name of the shared memory.", nullptr},
    {"dtype", ring_dtype, nullptr, "The dtype of a record.", nullptr},
    {"capacity", ring_capacity, nullptr, "How many records fit, for each producer.", nullptr},
    {"max_producers", ring_max_producers, nullptr, "How many producers there may be at a time.", nullptr},
    {"producers", ring_producers, nullptr, "How many producers there are now, here and in other processes.", nullptr},
    {"has_consumer", ring_has_consumer, nullptr, "Whether there is a consumer now, here or in another process.",
     nullptr},
    {"closed", ring_closed, nullptr, "Whether this object was closed.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot ring_slots[] = {
    {Py_tp_doc, const_cast<char*>("A ring of fixed-size records that processes share; use create() or attach().")},
    {Py_tp_dealloc, reinterpret_cast<void*>(ring_dealloc)},
    {Py_tp_repr, reinterpret_cast<void*>(ring_repr)},
    {Py_tp_methods, ring_methods},
    {Py_tp_getset, ring_properties},
    {Py_sq_length, reinterpret_cast<void*>(ring_length)},
    {Py_nb_bool, reinterpret_cast<void*>(ring_true)},
    {0, nullptr},
};

PyType_Spec ring_spec = {"latencykit._core.SharedRing", sizeof(SharedRingObject), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, ring_slots};

}  // namespace

RingPeer* usable_peer(SharedRingObject* self) {
  RingPeer* peer = self->peer.get();
  if (peer != nullptr && !peer->is_inherited()) [[likely]] {
    if (!self->lent && !peer->is_cut()) [[likely]]
      return peer;
    if (self->lent) {
      refuse_lent(self);
    } else {
      raise_ring_cut(state_of_ring(self), self->name);
    }
    return nullptr;
  }
  PyErr_Format(state_of_ring(self)->invalid_state,
               peer == nullptr ? "ring %R is closed; SharedRing.attach(%R) joins it again"
                               : "ring %R was inherited by a fork, and its sides stay with the parent; join it here "
                                 "with SharedRing.attach(%R)",
               self->name, self->name);
  return nullptr;
}

RingProducer* as_producer(SharedRingObject* self) {
  RingPeer* peer = usable_peer(self);
  if (peer == nullptr || peer->producer() != nullptr) return peer == nullptr ? nullptr : peer->producer();
  bool is_producer = false;
  if (!caught_in_memory(state_of_ring(self), self->name, *peer, [&] { is_producer = peer->produce(); })) return nullptr;
  if (is_producer) return peer->producer();
  PyErr_Format(state_of_ring(self)->invalid_state,
               "ring %R has %llu producer(s) and no room for another; close one, or create it with producers=%llu",
               self->name, static_cast<unsigned long long>(self->max_producers),
               static_cast<unsigned long long>(self->max_producers + 1));
  return nullptr;
}

RingConsumer* as_consumer(SharedRingObject* self) {
  RingPeer* peer = usable_peer(self);
  if (peer == nullptr || peer->consumer() != nullptr) return peer == nullptr ? nullptr : peer->consumer();
  bool is_consumer = false;
  if (!caught_in_memory(state_of_ring(self), self->name, *peer, [&] { is_consumer = peer->consume(); })) return nullptr;
  if (is_consumer) return peer->consumer();
  PyErr_Format(state_of_ring(self)->invalid_state, "ring %R has a consumer already, and can have one; close that first",
               self->name);
  return nullptr;
}

int add_shared_ring(PyObject* module) {
  if (add_type(module, &ring_spec, &state_of_module(module)->shared_ring) < 0) return -1;
  return add_shared_ring_trips(module);
}

}  // namespace latencykit::bind

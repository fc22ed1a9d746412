// SharedRing for Python: the type, leaving the ring, what the object shows, and who may use it.
#include <cstdint>

#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include "bind/shared_ring.h"
#include "bind/types.h"

namespace latencykit::bind {
namespace {

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
    {"push", as_method(shared_ring_push), METH_FASTCALL | METH_KEYWORDS,
     "push($self, /, records, timeout=0)\n--\n\n"
     "Push as many records as fit, or wait until all do; how many were taken."},
    {"pop", as_method(shared_ring_pop), METH_FASTCALL | METH_KEYWORDS,
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

// What the binding files of the shared ring share: the object, and what is said when something cannot be.
#pragma once

#include <memory>
#include <optional>
#include <system_error>

#include "bind/types.h"
#include "latency/shared_ring_peer.h"

// Before this header: the macros for <numpy/arrayobject.h>, and that.

namespace latencykit::bind {

// A process's part in a ring, or what is left of it after close(): its name, dtype and size.
struct SharedRingObject {
  PyObject ob_base;
  std::shared_ptr<RingPeer> peer;  // Empty once closed. A wait without the GIL holds it too.
  PyArray_Descr* dtype;
  PyObject* name;
  std::uint64_t capacity;
  std::uint64_t max_producers;
  bool lent;  // A native thread drives the ring without the GIL: nobody else may, nor close it.
};

inline SharedRingObject* as_ring(PyObject* self) { return reinterpret_cast<SharedRingObject*>(self); }
inline ModuleState* state_of_ring(SharedRingObject* self) { return state_of(Py_TYPE(&self->ob_base)); }

void raise_ring_error(ModuleState* state, PyObject* name, const RingError& error);
void raise_ring_damaged(ModuleState* state, PyObject* name);
void raise_ring_cut(ModuleState* state, PyObject* name);
void raise_memory_error(ModuleState* state, PyObject* name, const std::system_error& error);

// Runs f(); what it throws becomes an exception of ours. False if it threw. With the GIL.
template <typename F>
bool caught(ModuleState* state, PyObject* name, F f) {
  try {
    f();
    return true;
  } catch (const RingError& error) {
    raise_ring_error(state, name, error);
  } catch (const RingDamaged&) {
    raise_ring_damaged(state, name);
  } catch (const std::system_error& error) {
    raise_memory_error(state, name, error);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  return false;
}

// The same for an f() that uses the memory of a ring. What it did and found means nothing if that is no longer there.
template <typename F>
bool caught_in_memory(ModuleState* state, PyObject* name, const RingPeer& peer, F f) {
  const bool sound = caught(state, name, f);
  if (!peer.is_cut()) [[likely]]
    return sound;
  PyErr_Clear();
  raise_ring_cut(state, name);
  return false;
}

// The ring of an object that may be used: not closed, not inherited by a fork, not cut short. nullptr with an exception if not.
RingPeer* usable_peer(SharedRingObject* self);

// The same as a producer or as the consumer, which the object becomes if it is not yet.
RingProducer* as_producer(SharedRingObject* self);
RingConsumer* as_consumer(SharedRingObject* self);

// SharedRing.create(), attach() and remove().
PyObject* shared_ring_create(PyObject* type, PyObject* args, PyObject* kwargs);
PyObject* shared_ring_attach(PyObject* type, PyObject* args, PyObject* kwargs);
PyObject* shared_ring_remove(PyObject* type, PyObject* name);

// SharedRing.push() and pop().
PyObject* shared_ring_push(PyObject* object, PyObject* const* given, Py_ssize_t count, PyObject* keywords);
PyObject* shared_ring_pop(PyObject* object, PyObject* const* given, Py_ssize_t count, PyObject* keywords);

int add_shared_ring_trips(PyObject* module);

}  // namespace latencykit::bind

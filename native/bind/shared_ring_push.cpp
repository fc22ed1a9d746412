// SharedRing.push: the records as one row of memory, and putting them in.
#include <cstddef>
#include <cstdint>

#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include "bind/shared_ring.h"
#include "bind/shared_ring_calls.h"

namespace latencykit::bind {
namespace {

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

}  // namespace

PyObject* shared_ring_push(PyObject* object, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  SharedRingObject* self = as_ring(object);
  static constexpr const char* names[] = {"records", "timeout"};
  PyObject* arguments[2] = {};
  if (!read_arguments(self, "push", names, given, count, keywords, arguments)) return nullptr;
  if (arguments[0] == nullptr) {
    return PyErr_Format(state_of(Py_TYPE(object))->invalid_type, "push() needs the records; pass an array of them");
  }
  Deadline deadline;
  if (!read_deadline(self, arguments[1], &deadline)) return nullptr;
  PyObject* records = read_records(self, arguments[0]);
  if (records == nullptr) return nullptr;
  std::uint64_t pushed = 0;
  const auto* bytes = static_cast<const std::byte*>(PyArray_DATA(as_array(records)));
  const bool done =
      push_all(self, bytes, static_cast<std::uint64_t>(PyArray_SIZE(as_array(records))), deadline, &pushed);
  Py_DECREF(records);
  return done ? PyLong_FromUnsignedLongLong(pushed) : nullptr;
}

}  // namespace latencykit::bind

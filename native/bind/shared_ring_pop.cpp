// SharedRing.pop: how many records, into which array, and taking them out.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include "bind/numbers.h"
#include "bind/shared_ring.h"
#include "bind/shared_ring_calls.h"

namespace latencykit::bind {
namespace {

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

}  // namespace

PyObject* shared_ring_pop(PyObject* object, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  SharedRingObject* self = as_ring(object);
  static constexpr const char* names[] = {"max_records", "out", "timeout"};
  PyObject* arguments[3] = {};
  if (!read_arguments(self, "pop", names, given, count, keywords, arguments)) return nullptr;
  PyObject* out = arguments[1] == Py_None ? nullptr : arguments[1];
  Deadline deadline;
  std::uint64_t most = 0;
  if (out != nullptr && !read_out(self, out)) return nullptr;
  if (!read_most(self, arguments[0], out, &most) || !read_deadline(self, arguments[2], &deadline)) return nullptr;
  std::uint64_t there = 0;
  if (!await_records(self, most, deadline, &there)) return nullptr;
  if (out != nullptr) {  // Taking a part of it may run code: a subclass's, or the collector's.
    return take_records(self, out, there) ? first_of(out, there) : nullptr;
  }
  PyObject* records = new_records(self, there);
  if (records != nullptr && !take_records(self, records, there)) Py_CLEAR(records);
  return records;
}

}  // namespace latencykit::bind

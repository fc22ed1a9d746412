// What push and pop of a shared ring have in common: their arguments, and how they wait.
//
// A call that does not wait keeps the GIL: it copies records and moves a position. A wait releases it, and looks at
// shared memory only; what the process keeps of the ring is changed under the GIL, so that threads may share an object.
// A wait holds the ring itself, so that another thread may close the object meanwhile.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>

#include "bind/shared_names.h"
#include "bind/shared_ring.h"
#include "latency/tsc_clock.h"

// Before this header: the macros for <numpy/arrayobject.h>, and that.

namespace latencykit::bind {

inline PyArrayObject* as_array(PyObject* object) { return reinterpret_cast<PyArrayObject*>(object); }

inline bool has_dtype_of(SharedRingObject* self, PyObject* array) {
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
bool read_deadline(SharedRingObject* self, PyObject* argument, Deadline* deadline);

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

// ---- waiting

// Says that the other side is gone. Always nullptr.
PyObject* others_gone(SharedRingObject* self, const char* side, const RingPeer::Sight& sight);

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

}  // namespace latencykit::bind

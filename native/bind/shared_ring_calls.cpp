// The timeout of push and pop of a shared ring, and what they say when the other side is gone.
#include <algorithm>
#include <cstdint>

#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include "bind/numbers.h"
#include "bind/shared_ring_calls.h"
#include "latency/tsc_clock.h"

namespace latencykit::bind {

bool read_deadline(SharedRingObject* self, PyObject* argument, Deadline* deadline) {
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

PyObject* others_gone(SharedRingObject* self, const char* side, const RingPeer::Sight& sight) {
  ModuleState* state = state_of_ring(self);
  if (sight.others == RingPeer::Others::kDied) {
    return PyErr_Format(state->invalid_state,
                        "the %s of ring %R (process %llu) died; call again to wait for a new one to attach", side,
                        self->name, static_cast<unsigned long long>(sight.holder));
  }
  return PyErr_Format(state->closed, "the %s of ring %R closed it; call again to wait for a new one to attach", side,
                      self->name);
}

}  // namespace latencykit::bind

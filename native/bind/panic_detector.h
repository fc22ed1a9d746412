// The Python object around a panic detector, and what its methods share.
#pragma once

#include "bind/types.h"
#include "latency/panic_detector.h"

namespace latencykit::bind {

struct DetectorObject {
  // Whether a scan is under way; written and read with the GIL held.
  PyObject_HEAD bool scanning;
  PanicDetector detector;
};

inline DetectorObject* as_detector(PyObject* self) { return reinterpret_cast<DetectorObject*>(self); }
inline PanicDetector& detector_of(PyObject* self) { return as_detector(self)->detector; }

// Says what is wrong with a tick, and in which row unless that is negative.
void refuse_row(ModuleState* state, double price, double volume, Py_ssize_t row);

PyObject* refuse_call_during_scan(PyObject* self);

// The settings of a PanicDetector, or null with InvalidTypeError set. Borrowed: they live as long as the object.
const PanicSettings* panic_settings_of(ModuleState* state, PyObject* detector);

// scan(prices, volumes)
PyObject* scan_ticks(PyObject* self, PyObject* const* args, Py_ssize_t count);

}  // namespace latencykit::bind

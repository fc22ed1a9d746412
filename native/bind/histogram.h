// How the other binding files reach the native histogram inside a Python Histogram.
#pragma once

#include "bind/types.h"
#include "latency/histogram.h"

namespace latencykit::bind {

struct HistogramObject {
  PyObject_HEAD Histogram histogram;
};

// The native histogram of a Python Histogram, or nullptr with InvalidTypeError set. Borrowed: it lives as
// long as the object.
Histogram* native_histogram(ModuleState* state, PyObject* object);

}  // namespace latencykit::bind

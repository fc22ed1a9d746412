// How the other binding files reach the native histogram inside a Python Histogram.
#pragma once

#include "bind/types.h"
#include "latency/histogram.h"

namespace latencykit::bind {

struct HistogramObject {
  PyObject base;
  Histogram histogram;
};

// The native histogram of a Python Histogram, or nullptr with InvalidTypeError set. Borrowed: it lives as
// long as the object.
Histogram* native_histogram(ModuleState* state, PyObject* object);

// Records one duration into a Python Histogram: the way of every native recorder of single values.
inline void record_into(HistogramObject* self, uint64_t ns) { self->histogram.record(ns); }

}  // namespace latencykit::bind

// How the other binding files reach the native histogram inside a Python Histogram or a subclass of it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <vector>

#include "bind/types.h"
#include "latency/duration_watch.h"
#include "latency/histogram.h"

namespace latencykit::bind {

using Watches = std::vector<std::shared_ptr<DurationWatch>>;

// The GIL serialises all use, with one exception: `_from_interval` reads the counts without it. What would take
// the counts away from under it waits for `reader` first.
struct HistogramObject {
  PyObject base;
  Histogram histogram;
  std::unique_ptr<Watches> watches;  // Null while nothing watches, so that a record has one pointer to look at.
  std::unique_ptr<Histogram> given;  // What the intervals taken so far add up to; null before the first.
  pid_t reader;                      // The process in which an interval is just being taken, or 0.
};

// Out of line: rare, and no loop in the way of what is not rare.
void record_into_watches(HistogramObject* object, uint64_t ns, uint64_t times);

// Records one duration, as Histogram.record does. Only with the GIL.
inline void record_into(HistogramObject* object, uint64_t ns) {
  object->histogram.record(ns);
  if (object->watches != nullptr) [[unlikely]]
    record_into_watches(object, ns, 1);
}

// The native histogram of a Python Histogram or of a subclass, or nullptr with InvalidTypeError set. Borrowed: it
// lives as long as the object.
Histogram* native_histogram(ModuleState* state, PyObject* object);

}  // namespace latencykit::bind

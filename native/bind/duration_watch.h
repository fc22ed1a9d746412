// How the histogram reaches the native watch inside a Python DurationWatch.
#pragma once

#include <memory>

#include "bind/types.h"
#include "latency/duration_watch.h"

namespace latencykit::bind {

// The native watch of a Python DurationWatch, or nullptr with InvalidTypeError set. Borrowed.
const std::shared_ptr<DurationWatch>* native_watch(ModuleState* state, PyObject* object);

}  // namespace latencykit::bind

// How a native panic signal becomes a Python object.
#pragma once

#include "bind/types.h"
#include "latency/panic_detector.h"

namespace latencykit::bind {

// A new reference, or nullptr with an exception. Made of the memory of a dropped signal where there is one.
PyObject* make_panic_signal(ModuleState* state, const PanicSignal& panic);

}  // namespace latencykit::bind

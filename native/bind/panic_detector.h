// How the other binding files reach the native detector inside a Python PanicDetector.
#pragma once

#include "bind/types.h"
#include "latency/panic_detector.h"

namespace latencykit::bind {

// The settings of a PanicDetector, or null with InvalidTypeError set. Borrowed: they live as long as the object.
const PanicSettings* panic_settings_of(ModuleState* state, PyObject* detector);

}  // namespace latencykit::bind

// How a native panic signal becomes a Python object.
#pragma once

#include "bind/types.h"
#include "latency/panic_detector.h"

namespace latencykit::bind {

// A new reference, or nullptr with an exception. Made of the memory of a dropped signal where there is one.
PyObject* make_panic_signal(ModuleState* state, const PanicSignal& panic);

// Gives the complaint about an int that fits no double or 64 bits our type.
inline void rename_overflow(ModuleState* state, const char* callee) {
  if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return;
  PyErr_Format(state->invalid_value, "a number given to %s is too large; its docstring says what is in range", callee);
}

}  // namespace latencykit::bind

// A call of an indicator with all its arguments resolved: what to compute, with which kernels, from where to where.
#pragma once

#include "bind/indicator_arrays.h"

namespace latencykit::bind {

struct IndicatorCall {
  const IndicatorFunction* function;
  const kernels::Table* table;
  kernels::Settings settings;
  Arrays arrays;
};

// Resolves and checks the arguments of a vectorcall. False with an exception; either way the call's arrays are to be
// released.
bool resolve(ModuleState* state, const IndicatorFunction& function, PyObject* const* args, Py_ssize_t count,
             PyObject* keywords, PassedArguments* passed, IndicatorCall* call);

// Computes, without the GIL where there is much to do. False with a MemoryError.
bool run(const IndicatorCall& call);

// The type of bound calls, and bind(). 0, or -1 with an exception.
int add_bound(PyObject* module);

// The batch function behind a Python object, or nullptr, without an exception, if it is something else.
const IndicatorFunction* function_behind(PyObject* object);

}  // namespace latencykit::bind

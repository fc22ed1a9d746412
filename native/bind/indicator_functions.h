// The batch functions as Python sees them: a row of a table each, and the spreading of a call's arguments.
//
// Every function has the form f(inputs..., settings..., *, out=None, isa=None). Which settings it takes, and how
// many of them by position, is said by the table that the streaming classes use too.
#pragma once

#include <array>
#include <span>

#include "bind/indicator_arguments.h"

namespace latencykit::bind {

struct IndicatorFunction {
  kernels::Indicator indicator;
  const char* name;
  const char* doc;
  std::size_t inputs;
  std::array<const char*, kernels::kMostArrays> input_names;
  std::size_t outputs;
  const char* output_names;  // for messages
};

// In the order of kernels::Indicator.
std::span<const IndicatorFunction, kernels::kIndicators> indicator_functions();

// A call's arguments, borrowed; nullptr where nothing was passed. Of the inputs only the function's own are set.
struct PassedArguments {
  std::array<PyObject*, kernels::kMostArrays> inputs;
  GivenArguments settings;
  PyObject* out = nullptr;
  PyObject* isa = nullptr;
};

// Spreads the arguments of a vectorcall over `passed`. False with a TypeError, as for a Python function.
bool spread_arguments(const IndicatorFunction& function, PyObject* const* args, Py_ssize_t count, PyObject* keywords,
                      PassedArguments* passed);

// Before the first call: interns the names. 0, or -1 with an exception.
int intern_argument_names();

}  // namespace latencykit::bind

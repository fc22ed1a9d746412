// The arrays of an indicator's call: its series, alone or many of equal length, and where its results go.
//
// Promises: an input that is contiguous, aligned and float64 or float32 is borrowed; others are copied once. With
// an `out`, nothing is allocated for it. What is taken stays referenced until `release`, so that memory that is
// read or written without the GIL stays where it is.
#pragma once

#include <array>

#include "bind/arrays.h"
#include "bind/indicator_functions.h"

namespace latencykit::bind {

// All contiguous, aligned and of the same float type and shape. Only so many are set as the counts say: clearing all
// would take longer than a short series. No destructor: a thread that the exiting interpreter ends is unwound
// through our frames without the GIL.
struct Arrays {
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  PyObject* result = nullptr;  // what the call returns: out as it was passed, or new arrays
  npy_intp rows;
  npy_intp n;               // values in a row
  bool others_ran = false;  // code that is not ours, since the inputs were read: it may have resized them
  std::array<PyArrayObject*, kernels::kMostArrays> in;
  std::array<PyArrayObject*, kernels::kMostArrays> out;

  const npy_intp* shape() const { return PyArray_DIMS(in[0]); }
  int dimensions() const { return PyArray_NDIM(in[0]); }
  int type() const { return PyArray_TYPE(in[0]); }
};

// Takes the arrays that were passed. False with an exception, and with part of them taken.
bool take_arrays(ModuleState* state, const IndicatorFunction& function, PyObject* const* inputs, PyObject* out,
                 Arrays* arrays);

// Whether they still are what they were when they were taken. False with an exception.
bool check_as_taken(ModuleState* state, const Arrays& arrays);

// Gives them back; nothing is set then.
void release(Arrays* arrays);

}  // namespace latencykit::bind

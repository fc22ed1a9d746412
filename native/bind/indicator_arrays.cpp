// What an indicator reads and writes: conversion, shapes, and the checks of `out`.
#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include "bind/indicator_arrays.h"

namespace latencykit::bind {
namespace {

// ---- Inputs

bool same_shape(PyArrayObject* a, PyArrayObject* b) {
  if (PyArray_NDIM(a) != PyArray_NDIM(b)) return false;
  for (int i = 0; i < PyArray_NDIM(a); ++i) {
    if (PyArray_DIM(a, i) != PyArray_DIM(b, i)) return false;
  }
  return true;
}

PyObject* shape_of(PyArrayObject* array) { return PyArray_IntTupleFromIntp(PyArray_NDIM(array), PyArray_DIMS(array)); }

void refuse_shapes(PyObject* error, const char* format, const char* a_name, PyArrayObject* a, const char* b_name,
                   PyArrayObject* b) {
  PyObject* a_shape = shape_of(a);
  PyObject* b_shape = shape_of(b);
  if (a_shape != nullptr && b_shape != nullptr) PyErr_Format(error, format, a_name, a_shape, b_name, b_shape);
  Py_XDECREF(a_shape);
  Py_XDECREF(b_shape);
}

bool check_dimensions(ModuleState* state, const char* name, PyArrayObject* array) {
  const int dimensions = PyArray_NDIM(array);
  if (dimensions == 1 || dimensions == 2) return true;
  PyErr_Format(state->invalid_value,
               "%s has %d dimensions; pass one series, or many of equal length as an array of shape (series, n)", name,
               dimensions);
  return false;
}

// Several inputs are computed in float32 only if all are float32.
int common_type(const Arrays& arrays) {
  int type = NPY_FLOAT;
  for (std::size_t i = 0; i < arrays.inputs; ++i) {
    if (PyArray_TYPE(arrays.in[i]) != NPY_FLOAT) type = NPY_DOUBLE;
  }
  return type;
}

bool make_plain(PyArrayObject** array, int type) {
  if (PyArray_TYPE(*array) == type && PyArray_ISCARRAY_RO(*array)) return true;
  PyArrayObject* plain = plain_from(*array, type);
  if (plain == nullptr) return false;
  Py_SETREF(*array, plain);
  return true;
}

// In this order: reading an object may run its code, which may change the arrays read before it.
bool take_inputs(ModuleState* state, const IndicatorFunction& function, PyObject* const* inputs, Arrays* arrays) {
  for (std::size_t i = 0; i < function.inputs; ++i) {
    PyArrayObject* array = numbers_from(state, inputs[i], function.input_names[i]);
    if (array == nullptr) return false;
    arrays->in[arrays->inputs++] = array;
  }
  const int type = common_type(*arrays);
  for (std::size_t i = 0; i < function.inputs; ++i) {
    if (!check_dimensions(state, function.input_names[i], arrays->in[i])) return false;
    if (i > 0 && !same_shape(arrays->in[0], arrays->in[i])) {
      refuse_shapes(state->invalid_value, "%s has shape %R but %s has shape %R; pass arrays of one shape",
                    function.input_names[0], arrays->in[0], function.input_names[i], arrays->in[i]);
      return false;
    }
    if (!make_plain(&arrays->in[i], type)) return false;
  }
  const bool many = arrays->dimensions() == 2;
  arrays->rows = many ? arrays->shape()[0] : 1;
  arrays->n = arrays->shape()[many];
  return true;
}

// ---- Overlap

struct Span {
  const char* low;
  const char* high;
};

// The bytes from the first to the last of an array, those between its elements included.
Span span_of(PyArrayObject* array) {
  Span span = {PyArray_BYTES(array), PyArray_BYTES(array)};
  for (int i = 0; i < PyArray_NDIM(array); ++i) {
    if (PyArray_DIM(array, i) == 0) return {nullptr, nullptr};
    const npy_intp reach = (PyArray_DIM(array, i) - 1) * PyArray_STRIDE(array, i);
    (reach < 0 ? span.low : span.high) += reach;
  }
  span.high += PyArray_ITEMSIZE(array);
  return span;
}

// Of two arrays whose spans overlap, at least one with gaps: whether they share a byte. 1, 0, or -1 with an exception.
int share_memory(PyArrayObject* a, PyArrayObject* b) {
  if (!PyArray_CheckExact(a) || !PyArray_CheckExact(b)) return 1;  // A subclass may answer with code of its own.
  PyObject* module = PyImport_ImportModule("numpy");
  PyObject* answer =
      module == nullptr ? nullptr : PyObject_CallMethod(module, "shares_memory", "OO", as_object(a), as_object(b));
  Py_XDECREF(module);
  const int shared = answer == nullptr ? -1 : PyObject_IsTrue(answer);
  Py_XDECREF(answer);
  return shared;
}

// 1, 0, or -1 with an exception. `out` has no gaps.
int overlap(Arrays* arrays, PyArrayObject* out, PyArrayObject* other) {
  const Span a = span_of(out), b = span_of(other);
  if (!(a.low < b.high && b.low < a.high)) return 0;
  if (PyArray_IS_C_CONTIGUOUS(other)) return 1;
  arrays->others_ran = true;
  return share_memory(out, other);
}

// ---- out

constexpr std::array<const char*, kernels::kMostArrays> kOutNames = {"out[0]", "out[1]", "out[2]"};

const char* out_name(const IndicatorFunction& function, std::size_t i) {
  return function.outputs == 1 ? "out" : kOutNames[i];
}

bool check_form(ModuleState* state, Arrays* arrays, PyObject* out, const char* name) {
  PyArrayObject* series = arrays->in[0];
  PyObject* dtype = reinterpret_cast<PyObject*>(PyArray_DESCR(series));
  if (!PyArray_Check(out)) {
    PyErr_Format(state->invalid_type, "%s must be a NumPy array of dtype %S, not a %.200s", name, dtype,
                 Py_TYPE(out)->tp_name);
    return false;
  }
  if (!PyArray_CheckExact(out)) arrays->others_ran = true;  // by an import
  if (const int masked = is_masked(out)) {
    if (masked > 0) PyErr_Format(state->invalid_type, "%s is a masked array; pass %s.data", name, name);
    return false;
  }
  PyArrayObject* array = as_array(out);
  if (PyArray_TYPE(array) != PyArray_TYPE(series)) {
    PyErr_Format(state->invalid_type, "%s has dtype %S; it must have the dtype of the result, %S", name,
                 reinterpret_cast<PyObject*>(PyArray_DESCR(array)), dtype);
    return false;
  }
  if (!same_shape(array, series)) {
    refuse_shapes(state->invalid_value, "%s has shape %R; it must have that of %s, %R", name, array, "the input",
                  series);
    return false;
  }
  if (PyArray_ISCARRAY(array)) return true;
  PyErr_Format(state->invalid_value,
               "%s is read-only, not C-contiguous, not aligned or in foreign byte order; pass a plain array, such as "
               "numpy.empty_like(x)",
               name);
  return false;
}

bool refuse_overlap(ModuleState* state, const char* out, const char* other, bool may_be_input) {
  PyErr_Format(state->invalid_value,
               may_be_input ? "%s overlaps %s without being %s; pass %s itself or other memory"
                            : "%s overlaps %s; pass other memory, such as numpy.empty_like(%s)",
               out, other, other, other);
  return false;
}

// What the caller passed is looked at, where it is an array, although a copy of it may be read: that out can be
// passed must not depend on whether x had to be copied.
bool check_overlap_with_inputs(ModuleState* state, const IndicatorFunction& function, PyObject* const* inputs,
                               Arrays* arrays, PyArrayObject* out, const char* name) {
  const bool may_be_input = function.indicator == kernels::Indicator::ema;
  for (std::size_t i = 0; i < function.inputs; ++i) {
    // ema's own input from its beginning is averaged in place.
    if (may_be_input && PyArray_DATA(out) == PyArray_DATA(arrays->in[i])) continue;
    const int shared = overlap(arrays, out, PyArray_Check(inputs[i]) ? as_array(inputs[i]) : arrays->in[i]);
    if (shared > 0) refuse_overlap(state, name, function.input_names[i], may_be_input);
    if (shared != 0) return false;
  }
  return true;
}

bool take_out(ModuleState* state, const IndicatorFunction& function, PyObject* const* inputs, PyObject* out,
              Arrays* arrays) {
  const char* name = out_name(function, arrays->outputs);
  if (!check_form(state, arrays, out, name)) return false;
  PyArrayObject* array = as_array(out);
  if (!check_overlap_with_inputs(state, function, inputs, arrays, array, name)) return false;
  for (std::size_t i = 0; i < arrays->outputs; ++i) {
    const int shared = overlap(arrays, array, arrays->out[i]);
    if (shared > 0) refuse_overlap(state, name, kOutNames[i], false);
    if (shared != 0) return false;
  }
  arrays->out[arrays->outputs++] = as_array(Py_NewRef(out));
  return true;
}

bool take_outs(ModuleState* state, const IndicatorFunction& function, PyObject* const* inputs, PyObject* out,
               Arrays* arrays) {
  arrays->result = Py_NewRef(out);
  if (function.outputs == 1) return take_out(state, function, inputs, out, arrays);
  if (!PyTuple_Check(out) && !PyList_Check(out)) {
    PyErr_Format(state->invalid_type, "out must be a tuple of %zu arrays (%s), not a %.200s", function.outputs,
                 function.output_names, Py_TYPE(out)->tp_name);
    return false;
  }
  const auto count = static_cast<Py_ssize_t>(function.outputs);
  if (PySequence_Fast_GET_SIZE(out) != count) {
    PyErr_Format(state->invalid_value, "out has %zd arrays; it must have %zd (%s)", PySequence_Fast_GET_SIZE(out),
                 count, function.output_names);
    return false;
  }
  // All at once: looking at one may run code that changes the list.
  std::array<PyObject*, kernels::kMostArrays> items{};
  for (Py_ssize_t i = 0; i < count; ++i) items[i] = Py_NewRef(PySequence_Fast_GET_ITEM(out, i));
  bool taken = true;
  for (std::size_t i = 0; taken && i < function.outputs; ++i) {
    taken = take_out(state, function, inputs, items[i], arrays);
  }
  for (PyObject* item : items) Py_XDECREF(item);
  return taken;
}

bool make_outs(const IndicatorFunction& function, Arrays* arrays) {
  for (std::size_t i = 0; i < function.outputs; ++i) {
    PyObject* made = PyArray_SimpleNew(arrays->dimensions(), arrays->shape(), arrays->type());
    if (made == nullptr) return false;
    arrays->out[arrays->outputs++] = as_array(made);
  }
  if (function.outputs == 1) {
    arrays->result = Py_NewRef(as_object(arrays->out[0]));
    return true;
  }
  arrays->others_ran = true;  // by the collector
  arrays->result = PyTuple_New(static_cast<Py_ssize_t>(function.outputs));
  for (std::size_t i = 0; arrays->result != nullptr && i < function.outputs; ++i) {
    PyTuple_SET_ITEM(arrays->result, static_cast<Py_ssize_t>(i), Py_NewRef(as_object(arrays->out[i])));
  }
  return arrays->result != nullptr;
}

}  // namespace

bool take_arrays(ModuleState* state, const IndicatorFunction& function, PyObject* const* inputs, PyObject* out,
                 Arrays* arrays) {
  if (!take_inputs(state, function, inputs, arrays)) return false;
  const bool given = out != nullptr && out != Py_None;
  if (!(given ? take_outs(state, function, inputs, out, arrays) : make_outs(function, arrays))) return false;
  return !arrays->others_ran || check_as_taken(state, *arrays);
}

bool check_as_taken(ModuleState* state, const Arrays& arrays) {
  const auto as_taken = [&](PyArrayObject* array) {
    const int dimensions = PyArray_NDIM(array);
    return PyArray_ISCARRAY_RO(array) && is_float(PyArray_TYPE(array)) && PyArray_TYPE(array) == arrays.type() &&
           (dimensions == 1 || dimensions == 2) && PyArray_DIM(array, dimensions - 1) == arrays.n &&
           (dimensions == 1 ? 1 : PyArray_DIM(array, 0)) == arrays.rows;
  };
  bool unchanged = true;
  for (std::size_t i = 0; i < arrays.inputs; ++i) unchanged &= as_taken(arrays.in[i]);
  for (std::size_t i = 0; i < arrays.outputs; ++i) {
    unchanged &= as_taken(arrays.out[i]) && PyArray_ISWRITEABLE(arrays.out[i]);
  }
  if (!unchanged) {
    PyErr_SetString(state->invalid_state,
                    "an array was resized or changed its form while the arguments were read; pass arrays that nothing "
                    "else changes meanwhile");
  }
  return unchanged;
}

void release(Arrays* arrays) {
  // Emptied first: dropping a reference may run code that comes back here.
  const std::size_t inputs = arrays->inputs, outputs = arrays->outputs;
  PyObject* result = arrays->result;
  arrays->inputs = arrays->outputs = 0;
  arrays->result = nullptr;
  for (std::size_t i = 0; i < inputs; ++i) Py_DECREF(arrays->in[i]);
  for (std::size_t i = 0; i < outputs; ++i) Py_DECREF(arrays->out[i]);
  Py_XDECREF(result);
}

}  // namespace latencykit::bind

// What the binding files of the histogram share among themselves; what others need of it is in histogram.h.
#pragma once

#include <new>
#include <stdexcept>

#include "bind/histogram.h"
#include "bind/types.h"

namespace latencykit::bind {

inline HistogramObject* as_histogram(PyObject* self) { return reinterpret_cast<HistogramObject*>(self); }
inline Histogram& native(PyObject* self) { return as_histogram(self)->histogram; }

inline PyObject* none_or_error(bool good) { return good ? Py_NewRef(Py_None) : nullptr; }
inline PyObject* box(uint64_t value) { return PyLong_FromUnsignedLongLong(value); }

// Runs f, which may fail as C++ does, and returns nullptr with the Python error set if it did.
template <typename F>
PyObject* translating_errors(ModuleState* state, F f) {
  try {
    return f();
  } catch (const std::invalid_argument& error) {
    PyErr_SetString(state->invalid_value, error.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  return nullptr;
}

// A new object of a type around a histogram, or nullptr with the error set.
PyObject* new_histogram(PyTypeObject* type, Histogram histogram);

// A whole number as 64 bits; one beyond them becomes the nearest end, for the caller to judge.
bool read_integer(ModuleState* state, PyObject* object, const char* what, int64_t* value);

// A number as a double; an integer beyond doubles becomes infinity, which the caller's range check refuses.
bool read_number(ModuleState* state, PyObject* object, const char* what, double* value);

// Waits, with the GIL released, until nobody reads the counts without it.
void await_reader(PyObject* self);

// Recording.
PyObject* histogram_record(PyObject* self, PyObject* object);
PyObject* histogram_record_n(PyObject* self, PyObject* const* arguments, Py_ssize_t size);
PyObject* histogram_record_corrected(PyObject* self, PyObject* const* arguments, Py_ssize_t size);
PyObject* histogram_record_many(PyObject* self, PyObject* object);
PyObject* histogram_record_ticks(PyObject* self, PyObject* const* arguments, Py_ssize_t size);
PyObject* histogram_merge(PyObject* self, PyObject* other);

// Intervals, and what ends them.
PyObject* histogram_reset(PyObject* self, PyObject*);
PyObject* histogram_from_interval(PyObject* type, PyObject* source);

// The counts of the V2 format.
PyObject* histogram_encode_counts(PyObject* self, PyObject*);
PyObject* histogram_decode_counts(PyObject* self, PyObject* object);

// Answers.
PyObject* histogram_percentile(PyObject* self, PyObject* object);
PyObject* histogram_value_at_rank(PyObject* self, PyObject* object);
PyObject* histogram_iter_recorded(PyObject* self, PyObject*);
extern PyGetSetDef histogram_attributes[];

}  // namespace latencykit::bind

// PanicDetector.scan: whole series of ticks, long ones without the GIL.
#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include <cstddef>
#include <new>
#include <utility>
#include <vector>

#include "bind/arrays.h"
#include "bind/panic_detector.h"
#include "bind/signal.h"
#include "bind/types.h"

namespace latencykit::bind {
namespace {

// A float64 series as a new reference, or nullptr with an exception.
PyArrayObject* doubles_from(ModuleState* state, PyObject* object, const char* name) {
  PyArrayObject* series = series_from(state, object, name);
  if (series == nullptr || PyArray_TYPE(series) == NPY_DOUBLE) return series;
  PyObject* doubles = PyArray_FromArray(series, PyArray_DescrFromType(NPY_DOUBLE), NPY_ARRAY_IN_ARRAY);
  Py_DECREF(series);
  return as_array(doubles);
}

// A scan works on a copy of the detector, so that a bad row leaves it as it was.
struct Scan {
  explicit Scan(const PanicDetector& of) : detector(of) {}

  PanicDetector detector;
  std::vector<PanicSignal> signals;
  npy_intp bad_row = -1;
  double bad_price = 0;
  double bad_volume = 0;
  bool out_of_memory = false;
};

// Another thread may write to the array meanwhile: what was checked must be what is used.
double read_once(const double* value) {
  double read;
  __atomic_load(const_cast<double*>(value), &read, __ATOMIC_RELAXED);
  return read;
}

// Touches nothing of Python's.
void run(Scan& scan, const double* prices, const double* volumes, npy_intp n) {
  for (npy_intp i = 0; i < n; ++i) {
    const double price = read_once(prices + i), volume = read_once(volumes + i);
    if (!(is_price(price) & is_volume(volume))) [[unlikely]] {
      scan.bad_row = i;
      scan.bad_price = price;
      scan.bad_volume = volume;
      return;
    }
    PanicSignal signal;
    if (!scan.detector.update(price, volume, signal)) [[likely]]
      continue;
    try {
      scan.signals.push_back(signal);
    } catch (const std::bad_alloc&) {
      scan.out_of_memory = true;
      return;
    }
  }
}

PyObject* list_of(ModuleState* state, const std::vector<PanicSignal>& signals) {
  PyObject* list = PyList_New(static_cast<Py_ssize_t>(signals.size()));
  for (std::size_t i = 0; list != nullptr && i < signals.size(); ++i) {
    PyObject* signal = make_panic_signal(state, signals[i]);
    if (signal == nullptr) {
      Py_CLEAR(list);
    } else {
      PyList_SET_ITEM(list, static_cast<Py_ssize_t>(i), signal);
    }
  }
  return list;
}

// Below this a switch of threads costs more than it gives.
constexpr npy_intp kTicksWithoutGil = 16'384;

PyObject* signals_of(PyObject* self, const double* prices, const double* volumes, npy_intp n) {
  if (as_detector(self)->scanning) return refuse_call_during_scan(self);
  ModuleState* state = state_of(Py_TYPE(self));
  try {
    Scan scan(detector_of(self));
    as_detector(self)->scanning = true;
    PyThreadState* const thread = n >= kTicksWithoutGil ? PyEval_SaveThread() : nullptr;
    run(scan, prices, volumes, n);
    if (thread != nullptr) PyEval_RestoreThread(thread);
    as_detector(self)->scanning = false;
    if (scan.out_of_memory) return PyErr_NoMemory();
    if (scan.bad_row >= 0) {
      refuse_row(state, scan.bad_price, scan.bad_volume, scan.bad_row);
      return nullptr;
    }
    PyObject* list = list_of(state, scan.signals);
    if (list != nullptr) detector_of(self) = std::move(scan.detector);
    return list;
  } catch (const std::bad_alloc&) {  // From the copy of the detector.
    return PyErr_NoMemory();
  }
}

}  // namespace

PyObject* scan_ticks(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 2) {
    return PyErr_Format(PyExc_TypeError, "scan() takes prices and volumes (%zd arguments given)", count);
  }
  ModuleState* state = state_of(Py_TYPE(self));
  PyArrayObject* prices = doubles_from(state, args[0], "prices");
  PyArrayObject* volumes = prices == nullptr ? nullptr : doubles_from(state, args[1], "volumes");
  PyObject* signals = nullptr;
  if (volumes != nullptr && !is_plain_series(reinterpret_cast<PyObject*>(prices))) {
    PyErr_SetString(state->invalid_value, "prices changed its shape or dtype while volumes was converted");
  } else if (volumes != nullptr && PyArray_DIM(prices, 0) != PyArray_DIM(volumes, 0)) {
    PyErr_Format(state->invalid_value, "%zd prices but %zd volumes; pass one of each a tick", PyArray_DIM(prices, 0),
                 PyArray_DIM(volumes, 0));
  } else if (volumes != nullptr) {
    signals = signals_of(self, static_cast<const double*>(PyArray_DATA(prices)),
                         static_cast<const double*>(PyArray_DATA(volumes)), PyArray_DIM(prices, 0));
  }
  Py_XDECREF(prices);
  Py_XDECREF(volumes);
  return signals;
}

}  // namespace latencykit::bind

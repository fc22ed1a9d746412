// Signal and PanicDetector.
#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include "latency/panic_detector.h"

#include <numpy/arrayobject.h>
#include <structmember.h>

#include <cstddef>
#include <new>

#include "bind/arrays.h"
#include "bind/types.h"

namespace latencykit::bind {
namespace {

// A heap type's reference to itself goes with each of its instances.
void free_instance(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

// A float argument, or -1 with our exception: it may be -1, so look at PyErr_Occurred as well.
double number_argument(ModuleState* state, const char* name, PyObject* object) {
  const double value = PyFloat_AsDouble(object);
  if (value == -1 && PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_TypeError)) {
    PyErr_Clear();
    PyErr_Format(state->invalid_type, "%s must be a number, not %R", name, object);
  }
  return value;
}

// ---- Signal

struct SignalObject {
  PyObject_HEAD PyObject* kind;  // a str
  double price;
  double confidence;
  double take_profit;
  double stop;
  long long index;
};

SignalObject* as_signal(PyObject* self) { return reinterpret_cast<SignalObject*>(self); }

PyObject* make_signal(PyTypeObject* type, PyObject* kind, const PanicSignal& panic) {
  FreeSignals& free = state_of(type)->free_signals;
  PyObject* self = free.count > 0 ? PyObject_Init(free.memory[--free.count], type) : type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  SignalObject* signal = as_signal(self);
  signal->kind = Py_NewRef(kind);  // Exactly a str, which cannot lead back to the signal: no collector needed.
  signal->price = panic.price;
  signal->confidence = panic.confidence;
  signal->take_profit = panic.take_profit;
  signal->stop = panic.stop;
  signal->index = panic.index;
  return self;
}

PyObject* make_panic_signal(ModuleState* state, const PanicSignal& panic) {
  if (state->signal == nullptr) {  // A detector may outlive the module when the interpreter ends.
    PyErr_SetString(PyExc_RuntimeError, "the module is gone; make no signals while the interpreter exits");
    return nullptr;
  }
  return make_signal(state->signal, state->panic_kind, panic);
}

bool is_valid_signal(ModuleState* state, const PanicSignal& signal) {
  struct {
    const char* name;
    double value;
  } const prices[] = {{"price", signal.price}, {"take_profit", signal.take_profit}, {"stop", signal.stop}};
  PyObject* wrong = nullptr;
  for (const auto& price : prices) {
    if (is_price(price.value)) continue;
    wrong = PyFloat_FromDouble(price.value);
    if (wrong != nullptr) {
      PyErr_Format(state->invalid_value, "%s is %R; it must be finite and greater than 0", price.name, wrong);
    }
    Py_XDECREF(wrong);
    return false;
  }
  if (!(signal.confidence >= 0 && signal.confidence <= 1)) {
    wrong = PyFloat_FromDouble(signal.confidence);
    if (wrong != nullptr) PyErr_Format(state->invalid_value, "confidence is %R; it must be within 0 and 1", wrong);
    Py_XDECREF(wrong);
    return false;
  }
  if (signal.index < 0) {
    PyErr_Format(state->invalid_value, "index is %lld; it counts ticks from 0", static_cast<long long>(signal.index));
    return false;
  }
  return true;
}

PyObject* new_signal(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static const char* names[] = {"price", "confidence", "take_profit", "stop", "index", "kind", nullptr};
  PanicSignal signal{};
  long long index = 0;
  PyObject* kind = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "ddddL|U:Signal", const_cast<char**>(names), &signal.price,
                                   &signal.confidence, &signal.take_profit, &signal.stop, &index, &kind)) {
    return nullptr;
  }
  signal.index = index;
  ModuleState* state = state_of(type);
  if (!is_valid_signal(state, signal)) return nullptr;
  if (kind == nullptr) return make_panic_signal(state, signal);
  PyObject* plain = PyUnicode_FromObject(kind);
  if (plain == nullptr) return nullptr;
  PyObject* self = make_signal(type, plain, signal);
  Py_DECREF(plain);
  return self;
}

void dealloc_signal(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  Py_CLEAR(as_signal(self)->kind);
  FreeSignals& free = state_of(type)->free_signals;
  if (free.closed || free.count == FreeSignals::kMost) {
    type->tp_free(self);
  } else {
    free.memory[free.count++] = self;
  }
  Py_DECREF(type);
}

// The arguments that make an equal signal.
PyObject* as_tuple(PyObject* self) {
  const SignalObject* s = as_signal(self);
  return Py_BuildValue("(ddddLO)", s->price, s->confidence, s->take_profit, s->stop, s->index, s->kind);
}

PyObject* compare_signals(PyObject* self, PyObject* other, int operation) {
  if ((operation != Py_EQ && operation != Py_NE) || Py_TYPE(self) != Py_TYPE(other)) Py_RETURN_NOTIMPLEMENTED;
  PyObject* mine = as_tuple(self);
  PyObject* theirs = as_tuple(other);
  PyObject* result = mine == nullptr || theirs == nullptr ? nullptr : PyObject_RichCompare(mine, theirs, operation);
  Py_XDECREF(mine);
  Py_XDECREF(theirs);
  return result;
}

Py_hash_t hash_signal(PyObject* self) {
  PyObject* tuple = as_tuple(self);
  if (tuple == nullptr) return -1;
  const Py_hash_t hash = PyObject_Hash(tuple);
  Py_DECREF(tuple);
  return hash;
}

PyObject* repr_signal(PyObject* self) {
  PyObject* tuple = as_tuple(self);
  if (tuple == nullptr) return nullptr;
  PyObject* repr =
      PyUnicode_FromFormat("Signal(price=%R, confidence=%R, take_profit=%R, stop=%R, index=%R, kind=%R)",
                           PyTuple_GET_ITEM(tuple, 0), PyTuple_GET_ITEM(tuple, 1), PyTuple_GET_ITEM(tuple, 2),
                           PyTuple_GET_ITEM(tuple, 3), PyTuple_GET_ITEM(tuple, 4), PyTuple_GET_ITEM(tuple, 5));
  Py_DECREF(tuple);
  return repr;
}

PyObject* reduce_signal(PyObject* self, PyObject*) {
  PyObject* tuple = as_tuple(self);
  return tuple == nullptr ? nullptr : Py_BuildValue("(ON)", Py_TYPE(self), tuple);
}

PyMethodDef signal_methods[] = {
    {"__reduce__", reduce_signal, METH_NOARGS, PyDoc_STR("__reduce__($self, /)\n--\n\nSupport pickling and copying.")},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef signal_members[] = {
    {"kind", T_OBJECT_EX, offsetof(SignalObject, kind), READONLY, PyDoc_STR("What was found: 'panic'.")},
    {"price", T_DOUBLE, offsetof(SignalObject, price), READONLY, PyDoc_STR("The tick's price: the entry.")},
    {"confidence", T_DOUBLE, offsetof(SignalObject, confidence), READONLY,
     PyDoc_STR("How far beyond the thresholds, within 0 and 1.")},
    {"take_profit", T_DOUBLE, offsetof(SignalObject, take_profit), READONLY, PyDoc_STR("The price to sell at.")},
    {"stop", T_DOUBLE, offsetof(SignalObject, stop), READONLY, PyDoc_STR("The price to give up at.")},
    {"index", T_LONGLONG, offsetof(SignalObject, index), READONLY,
     PyDoc_STR("The tick that gave it, the detector's first being 0.")},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot signal_slots[] = {
    {Py_tp_doc, const_cast<char*>(PyDoc_STR(
                    "Signal(price, confidence, take_profit, stop, index, kind='panic')\n--\n\n"
                    "An entry that a detector proposes; immutable.\n\n"
                    "Args:\n"
                    "    price: The entry, greater than 0.\n"
                    "    confidence: How far beyond the thresholds, within 0 and 1; a score, not a probability.\n"
                    "    take_profit: The price to sell at, greater than 0.\n"
                    "    stop: The price to give up at, greater than 0.\n"
                    "    index: The tick that gave it, the first being 0.\n"
                    "    kind: What was found.\n\n"
                    "Raises:\n"
                    "    InvalidValueError: A price is not finite and positive, confidence is not within 0 and 1,\n"
                    "        or index is negative."))},
    {Py_tp_new, reinterpret_cast<void*>(new_signal)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc_signal)},
    {Py_tp_richcompare, reinterpret_cast<void*>(compare_signals)},
    {Py_tp_hash, reinterpret_cast<void*>(hash_signal)},
    {Py_tp_repr, reinterpret_cast<void*>(repr_signal)},
    {Py_tp_methods, signal_methods},
    {Py_tp_members, signal_members},
    {0, nullptr},
};

PyType_Spec signal_spec = {"latencykit._core.Signal", sizeof(SignalObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, signal_slots};

// ---- PanicDetector

struct DetectorObject {
  PyObject_HEAD PanicDetector detector;
};

PanicDetector& detector_of(PyObject* self) { return reinterpret_cast<DetectorObject*>(self)->detector; }

bool in_range(ModuleState* state, const char* name, long long value, long long low, long long high) {
  if (value >= low && value <= high) return true;
  PyErr_Format(state->invalid_value, "%s is %lld; it must be within %lld and %lld", name, value, low, high);
  return false;
}

bool satisfies(ModuleState* state, const char* name, double value, bool holds, const char* range) {
  if (holds) return true;
  PyObject* number = PyFloat_FromDouble(value);
  if (number != nullptr) PyErr_Format(state->invalid_value, "%s is %R; it must be %s", name, number, range);
  Py_XDECREF(number);
  return false;
}

bool are_valid(ModuleState* state, const PanicSettings& s) {
  return in_range(state, "window", s.window, 2, 1'000'000) && in_range(state, "horizon", s.horizon, 3, 100'000) &&
         in_range(state, "rsi_period", s.rsi_period, 1, 1'000'000) &&
         in_range(state, "refractory", s.refractory, 0, 1'000'000'000) &&
         in_range(state, "turn", s.turn, 0, 1'000'000) &&
         satisfies(state, "fall_deviations", s.fall_deviations, s.fall_deviations > 0 && s.fall_deviations <= 1e6,
                   "greater than 0 and at most 1e6") &&
         satisfies(state, "least_fall", s.least_fall, s.least_fall > 0 && s.least_fall < 1,
                   "a fraction greater than 0 and less than 1") &&
         satisfies(state, "volume_ratio", s.volume_ratio, s.volume_ratio >= 0 && s.volume_ratio <= 1e6,
                   "within 0 and 1e6") &&
         satisfies(state, "oversold", s.oversold, s.oversold > 0 && s.oversold <= 100,
                   "greater than 0 and at most 100");
}

PyObject* new_detector(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static const char* names[] = {"window",     "horizon",  "fall_deviations", "least_fall", "volume_ratio",
                                "rsi_period", "oversold", "refractory",      "turn",       nullptr};
  PanicSettings s;
  long long window = s.window, horizon = s.horizon, rsi_period = s.rsi_period, refractory = s.refractory, turn = s.turn;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "|L$LdddLdLL:PanicDetector", const_cast<char**>(names), &window,
                                   &horizon, &s.fall_deviations, &s.least_fall, &s.volume_ratio, &rsi_period,
                                   &s.oversold, &refractory, &turn)) {
    return nullptr;
  }
  s.window = window;
  s.horizon = horizon;
  s.rsi_period = rsi_period;
  s.refractory = refractory;
  s.turn = turn;
  if (!are_valid(state_of(type), s)) return nullptr;
  PyObject* self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  try {
    new (&detector_of(self)) PanicDetector(s);
  } catch (const std::bad_alloc&) {
    free_instance(self);  // Its detector was never made.
    return PyErr_NoMemory();
  }
  return self;
}

void dealloc_detector(PyObject* self) {
  detector_of(self).~PanicDetector();
  free_instance(self);
}

// Says what is wrong with a tick; `where` is empty or names the row.
void refuse_tick(ModuleState* state, double price, double volume, PyObject* where) {
  const bool by_price = !is_price(price);
  PyObject* number = PyFloat_FromDouble(by_price ? price : volume);
  if (number == nullptr) return;
  PyErr_Format(state->invalid_value,
               by_price ? "price%S is %R; it must be finite and greater than 0; the tick was not taken in"
                        : "volume%S is %R; it must be finite and not negative; the tick was not taken in",
               where, number);
  Py_DECREF(number);
}

void refuse_row(ModuleState* state, double price, double volume, npy_intp row) {
  PyObject* where =
      row < 0 ? PyUnicode_FromString("") : PyUnicode_FromFormat(" of row %zd", static_cast<Py_ssize_t>(row));
  if (where == nullptr) return;
  refuse_tick(state, price, volume, where);
  Py_DECREF(where);
}

PyObject* update(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 2) {
    return PyErr_Format(PyExc_TypeError, "update() takes price and volume (%zd arguments given)", count);
  }
  double numbers[2];
  for (int i = 0; i < 2; ++i) {
    if (PyFloat_CheckExact(args[i])) [[likely]] {
      numbers[i] = PyFloat_AS_DOUBLE(args[i]);
      continue;
    }
    numbers[i] = number_argument(state_of(Py_TYPE(self)), i == 0 ? "price" : "volume", args[i]);
    if (numbers[i] == -1 && PyErr_Occurred()) return nullptr;
  }
  if (!(is_price(numbers[0]) & is_volume(numbers[1]))) [[unlikely]] {
    refuse_row(state_of(Py_TYPE(self)), numbers[0], numbers[1], -1);
    return nullptr;
  }
  PanicSignal signal;
  if (!detector_of(self).update(numbers[0], numbers[1], signal)) [[likely]]
    Py_RETURN_NONE;
  return make_panic_signal(state_of(Py_TYPE(self)), signal);
}

// A float64 series as a new reference, or nullptr with an exception.
PyArrayObject* doubles_from(ModuleState* state, PyObject* object, const char* name) {
  PyArrayObject* series = series_from(state, object, name);
  if (series == nullptr || PyArray_TYPE(series) == NPY_DOUBLE) return series;
  PyObject* doubles = PyArray_FromArray(series, PyArray_DescrFromType(NPY_DOUBLE), NPY_ARRAY_IN_ARRAY);
  Py_DECREF(series);
  return as_array(doubles);
}

PyObject* signals_of(ModuleState* state, PanicDetector& detector, const double* prices, const double* volumes,
                     npy_intp n) {
  for (npy_intp i = 0; i < n; ++i) {
    if (is_price(prices[i]) && is_volume(volumes[i])) continue;
    refuse_row(state, prices[i], volumes[i], i);
    return nullptr;
  }
  PyObject* signals = PyList_New(0);
  for (npy_intp i = 0; signals != nullptr && i < n; ++i) {
    PanicSignal panic;
    if (!detector.update(prices[i], volumes[i], panic)) continue;
    PyObject* signal = make_panic_signal(state, panic);
    if (signal == nullptr || PyList_Append(signals, signal) < 0) Py_CLEAR(signals);
    Py_XDECREF(signal);
  }
  return signals;
}

PyObject* scan(PyObject* self, PyObject* const* args, Py_ssize_t count) {
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
    signals = signals_of(state, detector_of(self), static_cast<const double*>(PyArray_DATA(prices)),
                         static_cast<const double*>(PyArray_DATA(volumes)), PyArray_DIM(prices, 0));
  }
  Py_XDECREF(prices);
  Py_XDECREF(volumes);
  return signals;
}

PyObject* get_ticks(PyObject* self, void*) { return PyLong_FromLongLong(detector_of(self).ticks()); }
PyObject* get_volatility(PyObject* self, void*) { return PyFloat_FromDouble(detector_of(self).volatility()); }
PyObject* get_rsi(PyObject* self, void*) { return PyFloat_FromDouble(detector_of(self).rsi()); }

PyMethodDef detector_methods[] = {
    {"update", as_method(update), METH_FASTCALL,
     PyDoc_STR("update($self, price, volume, /)\n--\n\n"
               "Take in a tick; return a Signal if it is the first of a panic, else None.\n\n"
               "Args:\n    price: Finite and greater than 0.\n    volume: Finite and at least 0.\n\n"
               "Raises:\n"
               "    InvalidTypeError: One of them is not a number.\n"
               "    InvalidValueError: One of them is out of range; the tick is then not taken in.")},
    {"scan", as_method(scan), METH_FASTCALL,
     PyDoc_STR("scan($self, prices, volumes, /)\n--\n\n"
               "Take in a series of ticks, as `update` would one by one; return the list of signals.\n\n"
               "Args:\n    prices: Series of floats or integers.\n    volumes: Series of the same length.\n\n"
               "Raises:\n"
               "    InvalidTypeError: A series is not of numbers.\n"
               "    InvalidValueError: The lengths differ or a value is out of range; no tick is then taken in.")},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef detector_properties[] = {
    {"ticks", get_ticks, nullptr, PyDoc_STR("The number of ticks taken in."), nullptr},
    {"volatility", get_volatility, nullptr, PyDoc_STR("The standard deviation of a tick's return, a fraction."),
     nullptr},
    {"rsi", get_rsi, nullptr, PyDoc_STR("The relative strength index, 0 to 100; 50 while no price has changed."),
     nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyDoc_STRVAR(detector_doc,
             "PanicDetector(window=100, *, horizon=30, fall_deviations=4.0, least_fall=0.005, volume_ratio=2.5,\n"
             "              rsi_period=14, oversold=30.0, refractory=100)\n--\n\n"
             "Find panics tick by tick: a fall abnormal for the recent volatility, on abnormal volume, oversold.\n\n"
             "The fall runs from the lowest of the three prices that ended `horizon` ticks ago to the highest of the\n"
             "last three, so that one bad print is none. Volatility and usual volume are exponential averages as "
             "they\n"
             "were before the fall. Nothing is signalled during the first 2 * window + horizon ticks. The signal "
             "aims\n"
             "at 0.4 of the fall, at least 0.5 % and at most 2 % above the price, and risks half of that. Its\n"
             "confidence is 0.5 just beyond every threshold and nears 1 far beyond: a score, not a probability.\n\n"
             "Args:\n"
             "    window: Span in ticks of the averages of squared returns and of volume, 2 to 1e6.\n"
             "    horizon: Ticks over which a fall is measured, 3 to 1e5.\n"
             "    fall_deviations: Least fall in standard deviations of the return over `horizon`, above 0, to 1e6.\n"
             "    least_fall: Least fall as a fraction of the price, between 0 and 1.\n"
             "    volume_ratio: Least ratio of the volume averaged over half the horizon to the usual one, 0 to 1e6;\n"
             "        0 leaves volume out. Without any volume nothing else is ever signalled.\n"
             "    rsi_period: Period in ticks of Wilder's relative strength index, 1 to 1e6.\n"
             "    oversold: The index at or below which the market is oversold, above 0, to 100.\n"
             "    refractory: Ticks without panic before another one can be signalled, 0 to 1e9.\n\n"
             "Raises:\n"
             "    InvalidValueError: A setting is out of range.");

PyType_Slot detector_slots[] = {
    {Py_tp_doc, const_cast<char*>(detector_doc)},
    {Py_tp_new, reinterpret_cast<void*>(new_detector)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc_detector)},
    {Py_tp_methods, detector_methods},
    {Py_tp_getset, detector_properties},
    {0, nullptr},
};

PyType_Spec detector_spec = {"latencykit._core.PanicDetector", sizeof(DetectorObject), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, detector_slots};

}  // namespace

void close_free_signals(ModuleState* state) {
  state->free_signals.closed = true;
  while (state->free_signals.count > 0) PyObject_Free(state->free_signals.memory[--state->free_signals.count]);
}

int add_panic_detector(PyObject* module) {
  ModuleState* state = state_of_module(module);
  state->panic_kind = PyUnicode_InternFromString("panic");
  if (state->panic_kind == nullptr) return -1;
  if (add_type(module, &signal_spec, &state->signal) < 0) return -1;
  return add_type(module, &detector_spec, &state->panic_detector);
}

}  // namespace latencykit::bind

// PanicDetector: made, asked, and given ticks one by one.
#include "bind/panic_detector.h"

#include <new>

#include "bind/numbers.h"
#include "bind/signal.h"
#include "bind/types.h"

namespace latencykit::bind {
namespace {

// `where` is empty or names the row.
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

}  // namespace

void refuse_row(ModuleState* state, double price, double volume, Py_ssize_t row) {
  PyObject* where = row < 0 ? PyUnicode_FromString("") : PyUnicode_FromFormat(" of row %zd", row);
  if (where == nullptr) return;
  refuse_tick(state, price, volume, where);
  Py_DECREF(where);
}

PyObject* refuse_call_during_scan(PyObject* self) {
  PyErr_SetString(
      state_of(Py_TYPE(self))->invalid_state,
      "the detector is scanning a series in another thread; wait for it, or use a detector for each thread");
  return nullptr;
}

namespace {

// A heap type's reference to itself goes with each of its instances.
void free_instance(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

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
    rename_overflow(state_of(type), "PanicDetector");
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
    as_detector(self)->scanning = false;
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

PyObject* update(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 2) {
    return PyErr_Format(PyExc_TypeError, "update() takes price and volume (%zd arguments given)", count);
  }
  double price, volume;
  if (!read_double(Py_TYPE(self), args[0], "price", &price)) return nullptr;
  if (!read_double(Py_TYPE(self), args[1], "volume", &volume)) return nullptr;
  if (!(is_price(price) & is_volume(volume))) [[unlikely]] {
    refuse_row(state_of(Py_TYPE(self)), price, volume, -1);
    return nullptr;
  }
  if (as_detector(self)->scanning) [[unlikely]]
    return refuse_call_during_scan(self);
  PanicSignal signal;
  if (!detector_of(self).update(price, volume, signal)) [[likely]]
    Py_RETURN_NONE;
  return make_panic_signal(state_of(Py_TYPE(self)), signal);
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
               "    InvalidValueError: One of them is out of range; the tick is then not taken in.\n"
               "    InvalidStateError: Another thread is scanning with this detector.")},
    {"scan", as_method(scan_ticks), METH_FASTCALL,
     PyDoc_STR(
         "scan($self, prices, volumes, /)\n--\n\n"
         "Take in a series of ticks, as `update` would one by one; return the list of signals.\n\n"
         "From 16,384 ticks on it runs without the GIL, on a copy of the detector that takes its place at the end.\n"
         "Meanwhile properties show it as it was before, and update() and scan() from other threads are refused. A\n"
         "value that another thread writes to the arrays is taken in as it is read, once. Do not resize them with\n"
         "refcheck=False.\n\n"
         "Args:\n    prices: Series of floats or integers.\n    volumes: Series of the same length.\n\n"
         "Raises:\n"
         "    InvalidTypeError: A series is not of numbers.\n"
         "    InvalidValueError: The lengths differ or a value is out of range; no tick is then taken in.\n"
         "    InvalidStateError: Another thread is scanning with this detector.")},
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

PyDoc_STRVAR(
    detector_doc,
    "PanicDetector(window=100, *, horizon=30, fall_deviations=4.0, least_fall=0.008, volume_ratio=2.5,\n"
    "              rsi_period=14, oversold=30.0, refractory=100, turn=2)\n--\n\n"
    "Find panics tick by tick (a fall abnormal for the recent volatility, on abnormal volume, oversold) and give\n"
    "an entry once the price has stopped falling.\n\n"
    "The fall runs from the lowest of the three prices that ended `horizon` ticks ago to the level, the highest of\n"
    "the last three, so that one bad print is none. Volatility and usual volume are exponential averages as they\n"
    "were before the fall. The first such tick opens a panic; the signal comes when the level has made no new low\n"
    "for `turn` ticks and is still `least_fall` below where the fall began. A panic that makes neither for `horizon`\n"
    "ticks is over without a signal. None opens during the first 2 * window + horizon ticks. The signal aims at 0.4\n"
    "of the fall, at least 0.5 % and at most 2 % above the price, and risks half of that. Its confidence is 0.5 just\n"
    "beyond every threshold and nears 1 far beyond: a score, not a probability.\n\n"
    "Args:\n"
    "    window: Span in ticks of the averages of squared returns and of volume, 2 to 1e6.\n"
    "    horizon: Ticks over which a fall is measured, 3 to 1e5; as long as the shortest panic to be found, or\n"
    "        a little longer.\n"
    "    fall_deviations: Least fall in standard deviations of the return over `horizon`, above 0, to 1e6.\n"
    "    least_fall: Least fall as a fraction of the price, between 0 and 1.\n"
    "    volume_ratio: Least ratio of the volume averaged over half the horizon to the usual one, 0 to 1e6;\n"
    "        0 leaves volume out. Without any volume nothing else is ever signalled.\n"
    "    rsi_period: Period in ticks of Wilder's relative strength index, 1 to 1e6.\n"
    "    oversold: The index at or below which the market is oversold, above 0, to 100.\n"
    "    refractory: Ticks without panic before another one can open, 0 to 1e9.\n"
    "    turn: Ticks without a new low before the entry, 0 to 1e6; 0 enters at the first tick in panic.\n\n"
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

const PanicSettings* panic_settings_of(ModuleState* state, PyObject* detector) {
  if (Py_TYPE(detector) == state->panic_detector) return &detector_of(detector).settings();
  PyErr_Format(state->invalid_type, "a PanicDetector is needed here, not %.80s", Py_TYPE(detector)->tp_name);
  return nullptr;
}

int add_panic_detector(PyObject* module) {
  return add_type(module, &detector_spec, &state_of_module(module)->panic_detector);
}

}  // namespace latencykit::bind

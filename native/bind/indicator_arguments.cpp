// The arguments of the indicators: which each takes, what they may be, and what they are when not passed.
#include "bind/indicator_arguments.h"

#include <cmath>

#include "bind/numbers.h"
#include "latency/ema_weight.h"

namespace latencykit::bind {
namespace {

using enum kernels::Indicator;
using Given = GivenArguments;
using kernels::Settings;

constexpr Signature kEma = {{Argument::period, Argument::alpha, Argument::seed, Argument::missing}, 4, 1, 0};
constexpr Signature kWindow = {{Argument::period, Argument::missing}, 2, 1, 1};
constexpr Signature kWilder = {{Argument::period, Argument::seed, Argument::missing}, 3, 1, 0};
constexpr Signature kMacd = {
    {Argument::fast, Argument::slow, Argument::signal, Argument::seed, Argument::missing}, 5, 3, 0};
constexpr Signature kBollinger = {{Argument::period, Argument::width, Argument::ddof, Argument::missing}, 4, 2, 0};
constexpr Signature kVwap = {{Argument::period, Argument::missing}, 2, 1, 0};
constexpr Signature kDeviation = {{Argument::period, Argument::ddof, Argument::missing}, 3, 1, 1};

// ---- One argument each: false with an exception, or the value

const char* name_of(Argument name) { return kArgumentNames[static_cast<std::size_t>(name)]; }

bool is_given(PyObject* argument) { return argument != nullptr && argument != Py_None; }

bool read_period(ModuleState* state, const Given& given, Argument name, std::size_t* period) {
  PyObject* object = given[name];
  if (object == nullptr) return true;
  if (std::int64_t small; read_small_int(object, &small) && small >= 1) {
    *period = static_cast<std::size_t>(small);
    return true;
  }
  if (!PyIndex_Check(object)) {
    PyErr_Format(state->invalid_type, "%s must be an int, a number of values, not %R", name_of(name), object);
    return false;
  }
  PyObject* index = PyNumber_Index(object);
  if (index == nullptr) return false;
  const Py_ssize_t count = PyLong_AsSsize_t(index);
  Py_DECREF(index);
  if (count < 1) {
    PyErr_Clear();
    PyErr_Format(state->invalid_value, "%s is %R; it must be at least 1 and fit an array's length", name_of(name),
                 object);
    return false;
  }
  *period = static_cast<std::size_t>(count);
  return true;
}

bool read_number(ModuleState* state, PyObject* object, Argument name, double* number) {
  *number = PyFloat_AsDouble(object);
  if (*number != -1 || !PyErr_Occurred()) return true;
  if (PyErr_ExceptionMatches(PyExc_TypeError)) {
    PyErr_Clear();
    PyErr_Format(state->invalid_type, "%s must be a number, not %R", name_of(name), object);
  } else if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
    PyErr_Clear();
    PyErr_Format(state->invalid_value, "%s is an int too large for a float; give a smaller one", name_of(name));
  }
  return false;
}

bool read_alpha(ModuleState* state, PyObject* object, double* alpha) {
  if (!read_number(state, object, Argument::alpha, alpha)) return false;
  if (*alpha > 0 && *alpha <= 1) return true;
  PyErr_Format(state->invalid_value, "alpha is %R; it must be greater than 0 and at most 1", object);
  return false;
}

bool read_width(ModuleState* state, const Given& given, double* width) {
  PyObject* object = given[Argument::width];
  if (object == nullptr) return true;
  if (!read_number(state, object, Argument::width, width)) return false;
  if (*width >= 0 && std::isfinite(*width)) return true;
  PyErr_Format(state->invalid_value, "width is %R; it must be a finite number of deviations, at least 0", object);
  return false;
}

// After the period, of which it is taken off.
bool read_ddof(ModuleState* state, const Given& given, Settings* settings) {
  PyObject* object = given[Argument::ddof];
  if (object != nullptr) {
    PyObject* index = PyIndex_Check(object) ? PyNumber_Index(object) : nullptr;
    if (index == nullptr) {
      if (!PyErr_Occurred()) PyErr_Format(state->invalid_type, "ddof must be the int 0 or 1, not %R", object);
      return false;
    }
    const long ddof = PyLong_AsLong(index);
    Py_DECREF(index);
    if (ddof != 0 && ddof != 1) {
      PyErr_Clear();
      PyErr_Format(state->invalid_value, "ddof is %R; use 0 (the population's deviation) or 1 (the sample's)", object);
      return false;
    }
    settings->ddof = static_cast<unsigned>(ddof);
  }
  if (settings->period > settings->ddof) return true;
  PyErr_Format(state->invalid_value, "period is %zu with ddof %u; it must be greater than ddof", settings->period,
               settings->ddof);
  return false;
}

bool is_word(PyObject* object, const char* word) {
  return PyUnicode_Check(object) && PyUnicode_CompareWithASCIIString(object, word) == 0;
}

bool read_seed(ModuleState* state, const Given& given, bool* mean_seed) {
  PyObject* object = given[Argument::seed];
  if (object == nullptr) return true;
  *mean_seed = is_word(object, "sma");
  if (*mean_seed || is_word(object, "first")) return true;
  PyErr_Format(state->invalid_value,
               "seed is %R; use 'first' (the first value) or 'sma' (the mean of the first period)", object);
  return false;
}

bool read_missing(ModuleState* state, const Given& given, bool* propagate) {
  PyObject* object = given[Argument::missing];
  if (object == nullptr) return true;
  *propagate = is_word(object, "propagate");
  if (*propagate || is_word(object, "skip")) return true;
  PyErr_Format(state->invalid_value,
               "missing is %R; use 'skip' (go on without the value) or 'propagate' (what depends on it is NaN)",
               object);
  return false;
}

// ---- One indicator each

bool read_ema(ModuleState* state, const Given& given, Settings* settings) {
  const bool by_period = is_given(given[Argument::period]);
  if (by_period == is_given(given[Argument::alpha])) {
    PyErr_Format(state->invalid_value, "%s of period and alpha given; pass one of them",
                 by_period ? "both" : "neither");
    return false;
  }
  if (!read_seed(state, given, &settings->mean_seed)) return false;
  if (by_period) {
    if (!read_period(state, given, Argument::period, &settings->period)) return false;
    settings->alpha = ema_weight(static_cast<double>(settings->period));
    return true;
  }
  if (settings->mean_seed) {
    PyErr_SetString(state->invalid_value, "seed 'sma' is the mean of the first period; pass period instead of alpha");
    return false;
  }
  return read_alpha(state, given[Argument::alpha], &settings->alpha);
}

bool read_wilder(ModuleState* state, const Given& given, Settings* settings) {
  settings->period = 14;
  settings->mean_seed = true;
  if (!read_period(state, given, Argument::period, &settings->period)) return false;
  return read_seed(state, given, &settings->mean_seed);
}

bool read_macd(ModuleState* state, const Given& given, Settings* settings) {
  settings->period = 12;
  settings->slow = 26;
  settings->signal = 9;
  if (!read_period(state, given, Argument::fast, &settings->period) ||
      !read_period(state, given, Argument::slow, &settings->slow) ||
      !read_period(state, given, Argument::signal, &settings->signal)) {
    return false;
  }
  if (settings->period >= settings->slow) {
    PyErr_Format(state->invalid_value, "fast is %zu and slow %zu; fast must be the shorter period", settings->period,
                 settings->slow);
    return false;
  }
  return read_seed(state, given, &settings->mean_seed);
}

bool read_bollinger(ModuleState* state, const Given& given, Settings* settings) {
  settings->period = 20;
  return read_period(state, given, Argument::period, &settings->period) && read_width(state, given, &settings->width) &&
         read_ddof(state, given, settings);
}

bool read_vwap(ModuleState* state, const Given& given, Settings* settings) {
  settings->period = 0;
  return !is_given(given[Argument::period]) || read_period(state, given, Argument::period, &settings->period);
}

bool read_deviation(ModuleState* state, const Given& given, Settings* settings) {
  return read_period(state, given, Argument::period, &settings->period) && read_ddof(state, given, settings);
}

bool read_window(ModuleState* state, const Given& given, Settings* settings) {
  return read_period(state, given, Argument::period, &settings->period);
}

struct Reader {
  const Signature* signature;
  bool (*read)(ModuleState*, const Given&, Settings*);
};

const Reader& reader_of(kernels::Indicator indicator) {
  static constexpr Reader ema_reader = {&kEma, read_ema}, window_reader = {&kWindow, read_window},
                          wilder_reader = {&kWilder, read_wilder}, macd_reader = {&kMacd, read_macd},
                          bollinger_reader = {&kBollinger, read_bollinger}, vwap_reader = {&kVwap, read_vwap},
                          deviation_reader = {&kDeviation, read_deviation};
  switch (indicator) {
    case ema:
      return ema_reader;
    case rsi:
    case atr:
      return wilder_reader;
    case macd:
      return macd_reader;
    case bollinger:
      return bollinger_reader;
    case vwap:
      return vwap_reader;
    case rolling_std:
    case zscore:
      return deviation_reader;
    case sma:
    case rolling_min:
    case rolling_max:
      break;
  }
  return window_reader;
}

}  // namespace

const Signature& signature_of(kernels::Indicator indicator) { return *reader_of(indicator).signature; }

bool read_settings(ModuleState* state, kernels::Indicator indicator, const GivenArguments& given, Settings* settings) {
  const Reader& reader = reader_of(indicator);
  for (Argument name : reader.signature->arguments().first(reader.signature->required)) {
    if (given[name] != nullptr) continue;
    PyErr_Format(PyExc_TypeError, "missing a required argument: '%s'", name_of(name));
    return false;
  }
  return reader.read(state, given, settings) && read_missing(state, given, &settings->propagate);
}

std::optional<Settings> settings_from(ModuleState* state, kernels::Indicator indicator, const GivenArguments& given) {
  Settings settings;
  if (!read_settings(state, indicator, given, &settings)) return {};
  return settings;
}

}  // namespace latencykit::bind

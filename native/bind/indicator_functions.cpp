// The table of the batch functions, and how a call's arguments find their places.
#include "bind/indicator_functions.h"

#include "bind/indicator_docs.h"

namespace latencykit::bind {
namespace {

using enum kernels::Indicator;

constexpr std::array<const char*, kernels::kMostArrays> kSeries = {"x"};

constexpr std::array<IndicatorFunction, kernels::kIndicators> kFunctions = {{
    {ema, "ema", kEmaDoc, 1, kSeries, 1, ""},
    {sma, "sma", kSmaDoc, 1, kSeries, 1, ""},
    {rsi, "rsi", kRsiDoc, 1, kSeries, 1, ""},
    {macd, "macd", kMacdDoc, 1, kSeries, 3, "line, signal, histogram"},
    {bollinger, "bollinger", kBollingerDoc, 1, kSeries, 3, "upper, middle, lower"},
    {atr, "atr", kAtrDoc, 3, {"high", "low", "close"}, 1, ""},
    {vwap, "vwap", kVwapDoc, 2, {"price", "volume"}, 1, ""},
    {rolling_std, "rolling_std", kRollingStdDoc, 1, kSeries, 1, ""},
    {rolling_min, "rolling_min", kRollingMinDoc, 1, kSeries, 1, ""},
    {rolling_max, "rolling_max", kRollingMaxDoc, 1, kSeries, 1, ""},
    {zscore, "zscore", kZscoreDoc, 1, kSeries, 1, ""},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kFunctions.size(); ++i) {
    if (static_cast<std::size_t>(kFunctions[i].indicator) != i) return false;
  }
  return true;
}
static_assert(in_order());

// A parameter: its name, interned so that a keyword of a call is found by its address, and its place, counted from
// the first input over the settings to out and isa.
struct Parameter {
  PyObject* interned;
  const char* name;
  unsigned place;
};

constexpr unsigned kFirstSetting = kernels::kMostArrays;
constexpr unsigned kOut = kFirstSetting + kArguments;
constexpr unsigned kIsa = kOut + 1;
constexpr std::size_t kMostParameters = 8;

struct Parameters {
  std::array<Parameter, kMostParameters> all{};
  std::size_t count = 0;
  std::size_t positional = 0;

  bool add(const char* name, unsigned place) {
    all[count] = {PyUnicode_InternFromString(name), name, place};
    return all[count++].interned != nullptr;
  }
};

// The interned names live as long as the interpreter.
std::array<Parameters, kernels::kIndicators> parameters;

bool describe(const IndicatorFunction& function, Parameters* described) {
  const Signature& settings = signature_of(function.indicator);
  for (unsigned i = 0; i < function.inputs; ++i) {
    if (!described->add(function.input_names[i], i)) return false;
  }
  described->positional = function.inputs + settings.positional;
  for (Argument name : settings.arguments()) {
    const auto i = static_cast<unsigned>(name);
    if (!described->add(kArgumentNames[i], kFirstSetting + i)) return false;
  }
  return described->add("out", kOut) && described->add("isa", kIsa);
}

PyObject*& at(PassedArguments* passed, unsigned place) {
  if (place < kFirstSetting) return passed->inputs[place];
  if (place < kOut) return passed->settings.values[place - kFirstSetting];
  return place == kOut ? passed->out : passed->isa;
}

const Parameter* parameter_named(const Parameters& known, PyObject* keyword) {
  // From the end, where `out` is: of the keywords, the one that is passed where nanoseconds count.
  for (std::size_t i = known.count; i-- > 0;) {
    if (keyword == known.all[i].interned) return &known.all[i];
  }
  for (std::size_t i = 0; i < known.count; ++i) {
    if (PyUnicode_CompareWithASCIIString(keyword, known.all[i].name) == 0) return &known.all[i];
  }
  return nullptr;
}

}  // namespace

std::span<const IndicatorFunction, kernels::kIndicators> indicator_functions() { return kFunctions; }

bool spread_arguments(const IndicatorFunction& function, PyObject* const* args, Py_ssize_t count, PyObject* keywords,
                      PassedArguments* passed) {
  const Parameters& known = parameters[static_cast<std::size_t>(function.indicator)];
  const auto positional = static_cast<std::size_t>(count);
  if (positional > known.positional) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %zu positional arguments (%zu given)", function.name,
                 known.positional, positional);
    return false;
  }
  for (std::size_t i = 0; i < function.inputs; ++i) passed->inputs[i] = nullptr;
  for (std::size_t i = 0; i < positional; ++i) at(passed, known.all[i].place) = args[i];
  const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < named; ++i) {
    PyObject* keyword = PyTuple_GET_ITEM(keywords, i);
    const Parameter* parameter = parameter_named(known, keyword);
    if (parameter == nullptr || at(passed, parameter->place) != nullptr) {
      PyErr_Format(PyExc_TypeError, "%s() got %s argument %R", function.name,
                   parameter == nullptr ? "an unexpected" : "multiple values for", keyword);
      return false;
    }
    at(passed, parameter->place) = args[count + i];
  }
  for (std::size_t i = 0; i < function.inputs; ++i) {
    if (passed->inputs[i] != nullptr) continue;
    PyErr_Format(PyExc_TypeError, "%s() is missing a required argument: '%s'", function.name, function.input_names[i]);
    return false;
  }
  return true;
}

int intern_argument_names() {
  for (std::size_t i = 0; i < kFunctions.size(); ++i) {
    Parameters described;
    if (parameters[i].count == 0 && !describe(kFunctions[i], &described)) return -1;
    if (parameters[i].count == 0) parameters[i] = described;
  }
  return 0;
}

}  // namespace latencykit::bind

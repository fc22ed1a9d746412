// What the types of the streaming indicators share and need not be fast: construction, settings as Python shows them.
#include "bind/streaming.h"

#include <cstring>
#include <limits>

#include "latency/memory_left.h"

namespace latencykit::bind {
namespace {

// Shorter windows are left to malloc: looking up what memory is left reads files.
constexpr std::size_t kCheckFrom = std::size_t{1} << 20;

const char* short_name(PyTypeObject* type) {
  const char* dot = std::strrchr(type->tp_name, '.');
  return dot == nullptr ? type->tp_name : dot + 1;
}

const char* name_of(Argument name) { return kArgumentNames[static_cast<std::size_t>(name)]; }

std::optional<Argument> argument_named(const Signature& signature, PyObject* keyword) {
  for (Argument name : signature.arguments()) {
    if (PyUnicode_CompareWithASCIIString(keyword, name_of(name)) == 0) return name;
  }
  return {};
}

// Takes over `text`, and gives it back with "name=value" after it.
PyObject* with_setting(PyObject* text, bool first, Argument name, PyObject* value) {
  PyObject* longer = PyUnicode_FromFormat("%U%s%s=%R", text, first ? "" : ", ", name_of(name), value);
  Py_DECREF(text);
  return longer;
}

}  // namespace

bool spread_construction(kernels::Indicator indicator, PyTypeObject* type, PyObject* args, PyObject* keywords,
                         GivenArguments* given) {
  const Signature& signature = signature_of(indicator);
  const auto count = static_cast<std::size_t>(PyTuple_GET_SIZE(args));
  if (count > signature.positional) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %zu positional arguments (%zu given)", short_name(type),
                 signature.positional, count);
    return false;
  }
  for (std::size_t i = 0; i < count; ++i) (*given)[signature.names[i]] = PyTuple_GET_ITEM(args, i);
  PyObject *keyword, *value;
  Py_ssize_t at = 0;
  while (keywords != nullptr && PyDict_Next(keywords, &at, &keyword, &value)) {
    const auto name = argument_named(signature, keyword);
    if (!name || (*given)[*name] != nullptr) {
      PyErr_Format(PyExc_TypeError, "%s() got %s argument %R", short_name(type),
                   name ? "multiple values for" : "an unexpected", keyword);
      return false;
    }
    (*given)[*name] = value;
  }
  return true;
}

bool check_window(ModuleState* state, std::size_t period, std::size_t bytes_per_row) {
  if (bytes_per_row == 0 || period < kCheckFrom / bytes_per_row) return true;
  if (period < std::numeric_limits<std::size_t>::max() / bytes_per_row && period * bytes_per_row <= memory_left()) {
    return true;
  }
  refuse_window(state, period, bytes_per_row);
  return false;
}

PyObject* refuse_window(ModuleState* state, std::size_t period, std::size_t bytes_per_row) {
  if (bytes_per_row == 0) return PyErr_NoMemory();
  return PyErr_Format(state->capacity,
                      "period is %zu: a window takes %zu bytes for each of its rows, more memory than is left; use a "
                      "shorter period",
                      period, bytes_per_row);
}

PyObject* setting_as_python(Argument name, const kernels::Settings& settings) {
  switch (name) {
    case Argument::period:
      if (settings.period == 0) Py_RETURN_NONE;
      return PyLong_FromSize_t(settings.period);
    case Argument::fast:
      return PyLong_FromSize_t(settings.period);
    case Argument::slow:
      return PyLong_FromSize_t(settings.slow);
    case Argument::signal:
      return PyLong_FromSize_t(settings.signal);
    case Argument::width:
      return PyFloat_FromDouble(settings.width);
    case Argument::alpha:
      return PyFloat_FromDouble(settings.alpha);
    case Argument::ddof:
      return PyLong_FromUnsignedLong(settings.ddof);
    case Argument::seed:
      return PyUnicode_FromString(settings.mean_seed ? "sma" : "first");
    case Argument::missing:
      return PyUnicode_FromString(settings.propagate ? "propagate" : "skip");
  }
  Py_UNREACHABLE();
}

const char* doc_of(Argument name) {
  switch (name) {
    case Argument::period:
      return PyDoc_STR("The number of values; None where there is none.");
    case Argument::fast:
      return PyDoc_STR("The period of the fast average.");
    case Argument::slow:
      return PyDoc_STR("The period of the slow average.");
    case Argument::signal:
      return PyDoc_STR("The period of the signal.");
    case Argument::width:
      return PyDoc_STR("The reach of the band to each side, in deviations.");
    case Argument::alpha:
      return PyDoc_STR("The weight of the newest value.");
    case Argument::ddof:
      return PyDoc_STR("What is taken off the period in the variance: 0 or 1.");
    case Argument::seed:
      return PyDoc_STR("Where averages start: 'first' or 'sma'.");
    case Argument::missing:
      return PyDoc_STR("What a value that is not finite does: 'skip' or 'propagate'.");
  }
  Py_UNREACHABLE();
}

PyObject* repr_of(PyTypeObject* type, kernels::Indicator indicator, const kernels::Settings& settings) {
  PyObject* text = PyUnicode_FromFormat("%s(", short_name(type));
  bool first = true;
  for (Argument name : signature_of(indicator).arguments()) {
    if (text == nullptr) return nullptr;
    if (name == Argument::alpha && settings.period != 0) continue;  // The period says it.
    PyObject* value = setting_as_python(name, settings);
    if (value != Py_None) {
      text = value == nullptr ? (Py_DECREF(text), nullptr) : with_setting(text, first, name, value);
      first = false;
    }
    Py_XDECREF(value);
  }
  if (text == nullptr) return nullptr;
  PyObject* closed = PyUnicode_FromFormat("%U)", text);
  Py_DECREF(text);
  return closed;
}

PyObject* refuse_row(PyTypeObject* type, std::size_t wanted, Py_ssize_t given) {
  return PyErr_Format(PyExc_TypeError, "%s.update() takes %zu numbers (%zd given)", short_name(type), wanted, given);
}

}  // namespace latencykit::bind

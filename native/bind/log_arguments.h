// From Python objects to the arguments of a log record: what is copied as it is and what is formatted in the call.
#pragma once

#include <cstdint>

#include "bind/types.h"
#include "latency/log_record.h"
#include "latency/log_template.h"

namespace latencykit::bind {

// The arguments of one call, and the objects made for it that they point into.
struct Call {
  LogArgument arguments[LogTemplate::kMostPlaceholders];
  PyObject* made[LogTemplate::kMostPlaceholders];
  int made_count = 0;

  ~Call() {
    if (made_count > 0 && !holds_gil()) return;
    for (int i = 0; i < made_count; ++i) Py_DECREF(made[i]);
  }
};

inline int to_text(PyObject* text, LogArgument* argument, LogTag tag) {
  argument->tag = tag;
  argument->ascii = PyUnicode_IS_COMPACT_ASCII(text);
#if PY_VERSION_HEX < 0x030C0000
  if (PyUnicode_READY(text) < 0) return -1;
#endif
  argument->text = PyUnicode_DATA(text);
  argument->length = static_cast<std::size_t>(PyUnicode_GET_LENGTH(text));
  argument->unit = static_cast<std::uint8_t>(PyUnicode_KIND(text));
  argument->encoded =
      argument->ascii ? argument->length : utf8::encoded_size(argument->text, argument->length, argument->unit);
  return 0;
}

inline PyObject* take_exception() {
#if PY_VERSION_HEX >= 0x030C0000
  return PyErr_GetRaisedException();
#else
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return value;
#endif
}

// The text that stands in the log for an argument whose own formatting raised; a new reference, or nullptr.
inline PyObject* describe_failure(PyObject* value, PyObject* spec) {
  PyObject* raised = take_exception();
  PyObject* text = PyUnicode_FromFormat("[BAD ARGUMENT: '{:%U}' cannot format the %.200s: %.200s: %S]", spec,
                                        Py_TYPE(value)->tp_name, Py_TYPE(raised)->tp_name, raised);
  if (text == nullptr && PyErr_ExceptionMatches(PyExc_Exception)) {
    PyErr_Clear();
    // The names are looked up again: the exception's __str__ may have renamed the types.
    text = PyUnicode_FromFormat("[BAD ARGUMENT: '{:%U}' cannot format the %.200s: %.200s]", spec,
                                Py_TYPE(value)->tp_name, Py_TYPE(raised)->tp_name);
  }
  Py_DECREF(raised);
  return text;
}

// Any type without a form of its own: formatted here and now, as str.format would.
inline int to_verbatim(PyObject* value, PyObject* spec, LogArgument* argument, Call* call) {
  PyObject* text = PyObject_Format(value, spec);
  // A bad argument must not stop what is being logged; only what is no Exception, as a Ctrl-C, goes through.
  if (text == nullptr && PyErr_ExceptionMatches(PyExc_Exception)) text = describe_failure(value, spec);
  if (text == nullptr) return -1;
  call->made[call->made_count++] = text;
  return to_text(text, argument, LogTag::kVerbatim);
}

[[gnu::noinline]] inline int to_rare_argument(PyObject* value, PyObject* spec, LogArgument* argument, Call* call) {
  if (value == Py_None) {
    argument->tag = LogTag::kNone;
  } else if (PyBool_Check(value)) {
    argument->tag = value == Py_True ? LogTag::kTrue : LogTag::kFalse;
  } else if (PyUnicode_CheckExact(value)) {
    return to_text(value, argument, LogTag::kText);
  } else if (PyBytes_CheckExact(value)) {
    argument->tag = LogTag::kBytes;
    argument->ascii = true;
    argument->text = PyBytes_AS_STRING(value);
    argument->encoded = static_cast<std::size_t>(PyBytes_GET_SIZE(value));
  } else {
    return to_verbatim(value, spec, argument, call);
  }
  return 0;
}

// Describes one argument without copying its text; `specs` holds the specification of each placeholder. 0, or -1 with an error.
inline int to_argument(PyObject* value, PyObject* specs, std::uint32_t index, Call* call) {
  LogArgument* argument = &call->arguments[index];
  PyTypeObject* type = Py_TYPE(value);
  if (type == &PyLong_Type) {
    int overflow;
    argument->integer = PyLong_AsLongLongAndOverflow(value, &overflow);
    argument->tag = LogTag::kInteger;
    if (overflow == 0) [[likely]]
      return 0;
  } else if (type == &PyFloat_Type) {
    argument->tag = LogTag::kDouble;
    argument->real = PyFloat_AS_DOUBLE(value);
    return 0;
  } else if (type == &PyUnicode_Type && PyUnicode_IS_COMPACT_ASCII(value)) {
    argument->tag = LogTag::kText;
    argument->ascii = true;
    argument->text = reinterpret_cast<PyASCIIObject*>(value) + 1;
    argument->encoded = static_cast<std::size_t>(PyUnicode_GET_LENGTH(value));
    return 0;
  }
  return to_rare_argument(value, PyTuple_GET_ITEM(specs, index), argument, call);
}

}  // namespace latencykit::bind

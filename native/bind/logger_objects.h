// The two objects of the logger, AsyncLogger and LogSite, as their binding files share them.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <system_error>

#include "bind/types.h"
#include "latency/log_backend.h"

namespace latencykit::bind {

struct AsyncLogger {
  PyObject ob_base;  // PyObject_HEAD, spelt out for the formatter.
  std::unique_ptr<LogBackend> backend;
  PyObject* path;
  bool block;
  int threshold;  // The least severity that is logged.
};

// Holds its logger, which holds no object in return, and texts that are exactly str: no cycle can arise, so
// neither type is tracked by the collector.
struct LogSite {
  PyObject ob_base;
  vectorcallfunc vectorcall;
  LogBackend* backend;
  LogRateLimit* limit;  // nullptr if every call passes.
  std::uint32_t number;
  std::uint32_t count;  // Of placeholders.
  int severity;
  AsyncLogger* logger;
  PyObject* specs;  // A tuple of str, the specification of each placeholder.
  PyObject* message;
  PyObject* level;
};

inline constexpr auto kWaitSlice = std::chrono::milliseconds(50);  // Between two looks at pending signals.

inline AsyncLogger* as_logger(PyObject* self) { return reinterpret_cast<AsyncLogger*>(self); }
inline LogSite* as_site(PyObject* self) { return reinterpret_cast<LogSite*>(self); }

// Runs f without the GIL.
template <typename F>
void without_gil(F f) {
  Py_BEGIN_ALLOW_THREADS;
  f();
  Py_END_ALLOW_THREADS;
}

// Raises the OSError of a system's error, of a file if one is named.
inline void raise_system_error(const std::system_error& failed, const char* path) {
  errno = failed.code().value();
  if (path == nullptr) {
    PyErr_SetFromErrno(PyExc_OSError);
  } else {
    PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
  }
}

// Raises InvalidStateError unless the logger can be used here. 0, or -1 with an error.
inline int check_open(const LogBackend& backend, ModuleState* state) {
  if (backend.is_open()) return 0;
  if (backend.is_forked()) {
    PyErr_Format(state->invalid_state,
                 "the logger of '%s' belongs to process %d, which forked this one; open another after the fork",
                 backend.path().c_str(), backend.process());
  } else {
    PyErr_Format(state->invalid_state, "the logger of '%s' is closed; open another", backend.path().c_str());
  }
  return -1;
}

// Makes the site of a template that parses, with at most `most` records a second, or any number if it is 0; a new
// reference, or nullptr with an error. Throws TemplateError and std::bad_alloc.
PyObject* make_site(AsyncLogger* logger, PyObject* text, PyObject* level, int severity, unsigned long long most);

// Adds LogSite to the module. 0, or -1 with an error.
int add_log_site(PyObject* module);

}  // namespace latencykit::bind

// AsyncLogger: the native half of latencykit.engine.AsyncLogger, which owns the backend.

#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <system_error>

#include "bind/logger_objects.h"

namespace latencykit::bind {
namespace {

PyObject* logger_site(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  ModuleState* state = state_of(Py_TYPE(self));
  if (count != 3 || !PyUnicode_Check(args[0]) || !PyUnicode_Check(args[1])) {
    PyErr_SetString(state->invalid_type, "site() takes a template, a level's name and whether it is enabled");
    return nullptr;
  }
  const int enabled = PyObject_IsTrue(args[2]);
  if (enabled < 0 || check_open(*as_logger(self)->backend, state) < 0) return nullptr;
  try {
    return make_site(as_logger(self), args[0], args[1], enabled != 0);
  } catch (const TemplateError& error) {
    PyErr_Format(error.unsupported ? state->unsupported : state->invalid_value, "log template %R: %s", args[0],
                 error.message.c_str());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  return nullptr;
}

// Raises what went wrong with the file since the last time. 0, or -1 with an error.
int raise_file_error(AsyncLogger* self) {
  const LogFileError error = self->backend->take_error();
  if (error.number == 0) return 0;
  PyObject* text = PyUnicode_FromFormat("%s; %llu lines of the log were lost", std::strerror(error.number),
                                        static_cast<unsigned long long>(error.lost_lines));
  if (text == nullptr) return -1;
  PyObject* raised = PyObject_CallFunction(PyExc_OSError, "iNO", error.number, text, self->path);
  if (raised == nullptr) return -1;
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(raised)), raised);
  Py_DECREF(raised);
  return -1;
}

PyObject* await_request(PyObject* self, bool to_device) {
  LogBackend& backend = *as_logger(self)->backend;
  if (check_open(backend, state_of(Py_TYPE(self))) < 0) return nullptr;
  bool done = false;
  std::uint64_t ticket = 0;
  without_gil([&] {
    ticket = backend.request(to_device);
    done = backend.wait(ticket, kWaitSlice);
  });
  while (!done) {
    if (PyErr_CheckSignals() < 0) return nullptr;
    without_gil([&] { done = backend.wait(ticket, kWaitSlice); });
  }
  if (to_device && raise_file_error(as_logger(self)) < 0) return nullptr;
  Py_RETURN_NONE;
}

PyObject* logger_flush(PyObject* self, PyObject*) { return await_request(self, true); }

PyObject* logger_drain(PyObject* self, PyObject*) { return await_request(self, false); }

PyObject* logger_close(PyObject* self, PyObject*) {
  LogBackend& backend = *as_logger(self)->backend;
  if (backend.is_forked()) Py_RETURN_NONE;  // It is the parent's to close.
  backend.refuse_producers();               // With the GIL held: no call is under way.
  without_gil([&] { backend.close(); });
  if (raise_file_error(as_logger(self)) < 0) return nullptr;
  Py_RETURN_NONE;
}

void logger_dealloc(PyObject* self) {
  AsyncLogger* logger = as_logger(self);
  PyTypeObject* type = Py_TYPE(self);
  if (logger->backend != nullptr && logger->backend->is_forked()) {
    // The thread and the state of the locks are the parent's: leaving them alone is all that is safe.
    static_cast<void>(logger->backend.release());
  } else if (logger->backend != nullptr) {
    PyObject *error_type, *error, *traceback;
    PyErr_Fetch(&error_type, &error, &traceback);
    without_gil([&] { logger->backend->close(); });
    if (raise_file_error(logger) < 0) PyErr_WriteUnraisable(logger->path);
    PyErr_Restore(error_type, error, traceback);
  }
  std::destroy_at(&logger->backend);
  Py_XDECREF(logger->path);
  type->tp_free(self);
  Py_DECREF(type);
}

// Opens the file and starts the backend. 0, or -1 with an error.
int start(AsyncLogger* self, const char* path, Py_ssize_t capacity, long long interval_ns) {
  int fd = -1;
  int error = 0;
  do {
    without_gil([&] {
      fd = open_log(path);
      error = errno;
    });
    // A signal may have come while a FIFO without a reader, or a slow server, kept us waiting.
    if (fd < 0 && error == EINTR && PyErr_CheckSignals() < 0) return -1;
  } while (fd < 0 && error == EINTR);
  if (fd < 0) {
    errno = error;
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, self->path);
    return -1;
  }
  try {
    self->backend = std::make_unique<LogBackend>(
        fd, LogBackend::Options{path, static_cast<std::size_t>(capacity) * LogBackend::kTypicalRecordBytes,
                                std::chrono::nanoseconds(interval_ns)});
    return 0;
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::system_error& failed) {
    errno = failed.code().value();
    PyErr_SetFromErrno(PyExc_OSError);
  }
  return -1;
}

// The path as exactly a str or bytes, so that it cannot lead back to the logger; a new reference.
PyObject* plain_path(PyObject* path) {
  PyObject* text = PyOS_FSPath(path);
  if (text == nullptr) return nullptr;
  PyObject* plain = PyUnicode_Check(text) ? PyUnicode_FromObject(text) : PyBytes_FromObject(text);
  Py_DECREF(text);
  return plain;
}

PyObject* logger_new(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static const char* names[] = {"path", "capacity", "flush_interval_ns", "block", nullptr};
  PyObject* path;
  PyObject* encoded;
  Py_ssize_t capacity;
  long long interval_ns;
  int block;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "OnLp", const_cast<char**>(names), &path, &capacity, &interval_ns,
                                   &block)) {
    return nullptr;
  }
  if (capacity < 1 || interval_ns < 1) {
    PyErr_Format(state_of(type)->invalid_value, "capacity %zd and flush_interval_ns %lld must be at least 1", capacity,
                 interval_ns);
    return nullptr;
  }
  path = plain_path(path);
  if (path == nullptr) return nullptr;
  if (!PyUnicode_FSConverter(path, &encoded)) {
    Py_DECREF(path);
    return nullptr;
  }
  AsyncLogger* self = as_logger(type->tp_alloc(type, 0));
  if (self != nullptr) {
    std::construct_at(&self->backend);
    self->path = Py_NewRef(path);
    self->block = block != 0;
    if (start(self, PyBytes_AS_STRING(encoded), capacity, interval_ns) < 0) Py_CLEAR(self);
  }
  Py_DECREF(path);
  Py_DECREF(encoded);
  return reinterpret_cast<PyObject*>(self);
}

PyObject* logger_dropped(PyObject* self, void*) {
  LogBackend& backend = *as_logger(self)->backend;
  if (backend.is_forked()) return PyLong_FromLong(0);  // Nothing was logged here, and the lock is not ours.
  return PyLong_FromUnsignedLongLong(backend.dropped());
}

PyObject* logger_written(PyObject* self, void*) {
  return PyLong_FromUnsignedLongLong(as_logger(self)->backend->written());
}

PyObject* logger_lost(PyObject* self, void*) { return PyLong_FromUnsignedLongLong(as_logger(self)->backend->lost()); }

PyObject* logger_closed(PyObject* self, void*) { return PyBool_FromLong(!as_logger(self)->backend->is_open()); }

PyMethodDef logger_methods[] = {
    {"site", as_method(logger_site), METH_FASTCALL,
     "Register a place that logs: a template, the level's name, and whether calls of it do anything."},
    {"flush", as_method(logger_flush), METH_NOARGS, "Wait until everything logged so far is on the device."},
    {"drain", as_method(logger_drain), METH_NOARGS, "Wait until everything logged so far is written to the file."},
    {"close", as_method(logger_close), METH_NOARGS, "Flush, end the backend and close the file."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef logger_properties[] = {
    {"dropped", logger_dropped, nullptr, "Records dropped because a ring was full.", nullptr},
    {"written", logger_written, nullptr, "Records whose line is wholly in the file.", nullptr},
    {"lost", logger_lost, nullptr, "Records lost because the file could not be written.", nullptr},
    {"closed", logger_closed, nullptr, "Whether the logger cannot be used any more in this process.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot logger_slots[] = {
    {Py_tp_doc, const_cast<char*>("The native half of latencykit.engine.AsyncLogger: rings, backend thread and file.")},
    {Py_tp_new, reinterpret_cast<void*>(logger_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(logger_dealloc)},
    {Py_tp_methods, logger_methods},
    {Py_tp_getset, logger_properties},
    {0, nullptr},
};

PyType_Spec logger_spec = {
    "latencykit._core.AsyncLogger", sizeof(AsyncLogger), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, logger_slots,
};

}  // namespace

int add_logger(PyObject* module) {
  if (add_type(module, &logger_spec, &state_of_module(module)->async_logger) < 0) return -1;
  return add_log_site(module);
}

}  // namespace latencykit::bind

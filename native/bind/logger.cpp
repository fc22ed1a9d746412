// AsyncLogger: the native half of latencykit.engine.AsyncLogger, which owns the backend.

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "bind/logger_objects.h"

namespace latencykit::bind {
namespace {

// -1 with an error set if it is not an int that C has too.
int to_int(PyObject* value) {
  const long number = PyLong_AsLong(value);
  if (number >= INT_MIN && number <= INT_MAX) return static_cast<int>(number);
  PyErr_Format(PyExc_OverflowError, "%R is beyond the range of a C int", value);
  return -1;
}

PyObject* logger_site(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  ModuleState* state = state_of(Py_TYPE(self));
  if ((count != 3 && count != 4) || !PyUnicode_Check(args[0]) || !PyUnicode_Check(args[1])) {
    PyErr_SetString(state->invalid_type,
                    "site() takes a template, a level's name, its severity and the most records a second");
    return nullptr;
  }
  const int severity = to_int(args[2]);
  const unsigned long long most = count == 3 ? 0 : PyLong_AsUnsignedLongLong(args[3]);
  if (PyErr_Occurred() || check_open(*as_logger(self)->backend, state) < 0) return nullptr;
  try {
    return make_site(as_logger(self), args[0], args[1], severity, most);
  } catch (const TemplateError& error) {
    PyErr_Format(error.unsupported ? state->unsupported : state->invalid_value, "log template %R: %s", args[0],
                 error.message.c_str());
  } catch (const std::system_error& failed) {
    raise_system_error(failed, rings_file::path_beside(as_logger(self)->backend->path()).c_str());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  return nullptr;
}

// Raises what went wrong with the file since the last time. 0, or -1 with an error.
int raise_file_error(AsyncLogger* self) {
  const LogFileError error = self->backend->take_error();
  if (error.number == 0) return 0;
  PyObject* text = PyUnicode_FromString(error.text().c_str());
  if (text == nullptr) return -1;
  PyObject* raised = PyObject_CallFunction(PyExc_OSError, "iNO", error.number, text, self->path);
  if (raised == nullptr) return -1;
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(raised)), raised);
  Py_DECREF(raised);
  return -1;
}

PyObject* await_request(PyObject* self, LogBackend::After after) {
  LogBackend& backend = *as_logger(self)->backend;
  if (check_open(backend, state_of(Py_TYPE(self))) < 0) return nullptr;
  bool done = false;
  std::uint64_t ticket = 0;
  without_gil([&] {
    ticket = backend.request(after);
    done = backend.wait(ticket, kWaitSlice);
  });
  while (!done) {
    if (PyErr_CheckSignals() < 0) return nullptr;
    without_gil([&] { done = backend.wait(ticket, kWaitSlice); });
  }
  if (after != LogBackend::After::kNothing && raise_file_error(as_logger(self)) < 0) return nullptr;
  Py_RETURN_NONE;
}

PyObject* logger_flush(PyObject* self, PyObject*) { return await_request(self, LogBackend::After::kSync); }

PyObject* logger_drain(PyObject* self, PyObject*) { return await_request(self, LogBackend::After::kNothing); }

PyObject* logger_reopen(PyObject* self, PyObject*) { return await_request(self, LogBackend::After::kReopen); }

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

bool is_regular(int fd) {
  struct stat found;
  return ::fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
}

// Opens the file and starts the backend. 0, or -1 with an error.
int start(AsyncLogger* self, LogBackend::Options options) {
  int fd = -1;
  int error = 0;
  do {
    without_gil([&] {
      fd = open_log(options.path.c_str());
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
  if (options.rotation.wanted() && !is_regular(fd)) {
    ::close(fd);
    PyErr_Format(state_of(Py_TYPE(self))->unsupported, "%R is no regular file and cannot be rotated; log without it",
                 self->path);
    return -1;
  }
  if (options.crash_proof && !is_regular(fd)) {
    ::close(fd);
    PyErr_Format(state_of(Py_TYPE(self))->unsupported,
                 "%R is no regular file: what it has got could not be told after a crash; log without crash_proof",
                 self->path);
    return -1;
  }
  const std::string rings = rings_file::path_beside(options.path);
  const bool crash_proof = options.crash_proof;
  try {
    std::exception_ptr thrown;
    // Reserving and touching the memory of a large ring takes its time.
    without_gil([&] {
      try {
        self->backend = std::make_unique<LogBackend>(fd, std::move(options));
      } catch (...) {
        thrown = std::current_exception();
      }
    });
    if (thrown) std::rethrow_exception(thrown);
    return 0;
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::system_error& failed) {
    raise_system_error(failed, crash_proof ? rings.c_str() : nullptr);
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

// What logger_new is called with, beside the path.
struct LoggerArguments {
  PyObject* path;
  Py_ssize_t capacity;
  long long interval_ns;
  int block;
  int drop_oldest = 0;
  int crash_proof = 0;
  int threshold = 0;
  int json = 0;
  unsigned long long rotate_bytes = 0;
  long long rotate_every_ns = 0;
  int backups = 1;
};

int parse_arguments(PyTypeObject* type, PyObject* args, PyObject* keywords, LoggerArguments* given) {
  static const char* names[] = {"path",      "capacity",    "flush_interval_ns", "block",
                                "threshold", "json",        "rotate_bytes",      "rotate_every_ns",
                                "backups",   "drop_oldest", "crash_proof",       nullptr};
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "OnLp|ipKLipp", const_cast<char**>(names), &given->path,
                                   &given->capacity, &given->interval_ns, &given->block, &given->threshold,
                                   &given->json, &given->rotate_bytes, &given->rotate_every_ns, &given->backups,
                                   &given->drop_oldest, &given->crash_proof)) {
    return -1;
  }
  if (given->capacity < 1 || given->interval_ns < 1) {
    PyErr_Format(state_of(type)->invalid_value, "capacity %zd and flush_interval_ns %lld must be at least 1",
                 given->capacity, given->interval_ns);
    return -1;
  }
  if (given->rotate_every_ns < 0 || given->backups < 1) {
    PyErr_Format(state_of(type)->invalid_value, "rotate_every_ns %lld must be at least 0 and backups %d at least 1",
                 given->rotate_every_ns, given->backups);
    return -1;
  }
  return 0;
}

LogBackend::Options options_of(const LoggerArguments& given, const char* path) {
  return {.path = path,
          .ring_bytes = static_cast<std::size_t>(given.capacity) * LogBackend::kTypicalRecordBytes,
          .flush_interval = std::chrono::nanoseconds(given.interval_ns),
          .format = given.json != 0 ? LogFormat::kJson : LogFormat::kText,
          .rotation = {given.rotate_bytes, given.rotate_every_ns, given.backups},
          .ring_kind = given.drop_oldest != 0 ? LogRingKind::kOverwriting : LogRingKind::kBounded,
          .crash_proof = given.crash_proof != 0};
}

PyObject* logger_new(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  LoggerArguments given;
  PyObject* encoded;
  if (parse_arguments(type, args, keywords, &given) < 0) return nullptr;
  PyObject* path = plain_path(given.path);
  if (path == nullptr) return nullptr;
  if (!PyUnicode_FSConverter(path, &encoded)) {
    Py_DECREF(path);
    return nullptr;
  }
  AsyncLogger* self = as_logger(type->tp_alloc(type, 0));
  if (self != nullptr) {
    std::construct_at(&self->backend);
    self->path = Py_NewRef(path);
    self->block = given.block != 0;
    self->threshold = given.threshold;
    if (start(self, options_of(given, PyBytes_AS_STRING(encoded))) < 0) Py_CLEAR(self);
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

PyObject* logger_late(PyObject* self, void*) { return PyLong_FromUnsignedLongLong(as_logger(self)->backend->late()); }

PyObject* logger_threshold(PyObject* self, void*) { return PyLong_FromLong(as_logger(self)->threshold); }

int logger_set_threshold(PyObject* self, PyObject* value, void*) {
  if (value == nullptr) {
    PyErr_SetString(PyExc_AttributeError, "the threshold cannot be deleted");
    return -1;
  }
  const int threshold = to_int(value);
  if (PyErr_Occurred()) return -1;
  as_logger(self)->threshold = threshold;
  return 0;
}

PyMethodDef logger_methods[] = {
    {"site", as_method(logger_site), METH_FASTCALL,
     "Register a place that logs: a template, the level's name, its severity and the most records a second."},
    {"flush", as_method(logger_flush), METH_NOARGS, "Wait until everything logged so far is on the device."},
    {"drain", as_method(logger_drain), METH_NOARGS, "Wait until everything logged so far is written to the file."},
    {"reopen", as_method(logger_reopen), METH_NOARGS, "Write everything logged so far, then open the path again."},
    {"close", as_method(logger_close), METH_NOARGS, "Flush, end the backend and close the file."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef logger_properties[] = {
    {"dropped", logger_dropped, nullptr, "Records dropped because a ring was full.", nullptr},
    {"written", logger_written, nullptr, "Records whose line is wholly in the file.", nullptr},
    {"lost", logger_lost, nullptr, "Records lost because the file could not be written.", nullptr},
    {"late", logger_late, nullptr, "Records written after a younger one of another thread.", nullptr},
    {"threshold", logger_threshold, logger_set_threshold, "The least severity that is logged.", nullptr},
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

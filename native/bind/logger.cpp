// AsyncLogger and LogSite: the caller's side of the logger, between Python objects and log records.

#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <system_error>

#include "bind/types.h"
#include "latency/log_backend.h"
#include "structmember.h"

namespace latencykit::bind {
namespace {

struct AsyncLogger {
  PyObject ob_base;  // PyObject_HEAD, spelt out for the formatter.
  std::unique_ptr<LogBackend> backend;
  PyObject* path;
  bool block;
};

// Holds its logger, which holds no object in return, and texts that are exactly str: no cycle can arise, so
// neither type is tracked by the collector.
struct LogSite {
  PyObject ob_base;
  vectorcallfunc vectorcall;
  LogBackend* backend;
  std::uint32_t number;
  std::uint32_t count;  // Of placeholders.
  bool enabled;
  AsyncLogger* logger;
  PyObject* specs;  // A tuple of str, the specification of each placeholder.
  PyObject* message;
  PyObject* level;
};

constexpr auto kWaitSlice = std::chrono::milliseconds(50);  // Between two looks at pending signals.
constexpr int kSpins = 200;

AsyncLogger* as_logger(PyObject* self) { return reinterpret_cast<AsyncLogger*>(self); }
LogSite* as_site(PyObject* self) { return reinterpret_cast<LogSite*>(self); }

// Runs f without the GIL.
template <typename F>
void without_gil(F f) {
  Py_BEGIN_ALLOW_THREADS;
  f();
  Py_END_ALLOW_THREADS;
}

// Raises InvalidStateError unless the logger can be used here. 0, or -1 with an error.
int check_open(const LogBackend& backend, ModuleState* state) {
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

// --- arguments of a call -----------------------------------------------------------------------------------

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

int to_text(PyObject* text, LogArgument* argument, LogTag tag) {
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

PyObject* take_exception() {
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
PyObject* describe_failure(PyObject* value, PyObject* spec) {
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
int to_verbatim(PyObject* value, PyObject* spec, LogArgument* argument, Call* call) {
  PyObject* text = PyObject_Format(value, spec);
  // A bad argument must not stop what is being logged; only what is no Exception, as a Ctrl-C, goes through.
  if (text == nullptr && PyErr_ExceptionMatches(PyExc_Exception)) text = describe_failure(value, spec);
  if (text == nullptr) return -1;
  call->made[call->made_count++] = text;
  return to_text(text, argument, LogTag::kVerbatim);
}

[[gnu::noinline]] int to_rare_argument(PyObject* value, PyObject* spec, LogArgument* argument, Call* call) {
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

// Describes one argument without copying its text. 0, or -1 with an error.
inline int to_argument(PyObject* value, const LogSite* site, std::uint32_t index, Call* call) {
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
  return to_rare_argument(value, PyTuple_GET_ITEM(site->specs, index), argument, call);
}

// --- the call ----------------------------------------------------------------------------------------------

PyObject* refuse_call(const LogSite* site, Py_ssize_t given, PyObject* keywords) {
  ModuleState* state = state_of(Py_TYPE(site));
  if (keywords != nullptr && PyTuple_GET_SIZE(keywords) > 0) {
    PyErr_Format(state->invalid_type, "log site %R takes no keyword arguments, but got %R; pass values in order",
                 site->message, PyTuple_GET_ITEM(keywords, 0));
  } else {
    PyErr_Format(state->invalid_type,
                 "log site %R has %u placeholder%s but was called with %zd argument%s; pass one each", site->message,
                 site->count, site->count == 1 ? "" : "s", given, given == 1 ? "" : "s");
  }
  return nullptr;
}

PyObject* refuse_record(const LogSite* site, std::size_t bytes) {
  PyErr_Format(state_of(Py_TYPE(site))->capacity,
               "a record of %zu bytes does not fit into the logger's ring, which takes up to %zu; "
               "raise capacity or log less at once",
               bytes, site->backend->longest_record());
  return nullptr;
}

// Waits for room in a full ring with the GIL released; nullptr with an error.
char* wait_for_room(const LogSite* site, LogRing& ring, std::size_t bytes) {
  for (int i = 0; i < kSpins; ++i) {
    cpu_relax();
    if (char* room = ring.reserve(bytes)) return room;
  }
  while (true) {
    without_gil([&] { site->backend->wait_for_room(ring, bytes, kWaitSlice); });
    if (PyErr_CheckSignals() < 0 || check_open(*site->backend, state_of(Py_TYPE(site))) < 0) return nullptr;
    if (char* room = ring.reserve(bytes)) return room;
  }
}

PyObject* push(const LogSite* site, LogRing& ring, const Call& call) {
  const std::size_t bytes = record_bytes(call.arguments, site->count);
  if (bytes > ring.longest_record()) [[unlikely]]
    return refuse_record(site, bytes);
  char* room = ring.reserve(bytes);
  if (room == nullptr) [[unlikely]] {
    if (!site->logger->block) {
      ring.count_dropped();
      Py_RETURN_NONE;
    }
    room = wait_for_room(site, ring, bytes);
    if (room == nullptr) return nullptr;
  }
  // The clock is read when there is room, so that records become visible in the order of their times.
  write_record(room, bytes, site->number, log_ticks(), call.arguments, site->count);
  ring.commit(bytes);
  Py_RETURN_NONE;
}

PyObject* site_call(PyObject* self, PyObject* const* values, size_t flagged_count, PyObject* keywords) {
  const LogSite* site = as_site(self);
  const Py_ssize_t given = PyVectorcall_NARGS(flagged_count);
  if (given != static_cast<Py_ssize_t>(site->count) || keywords != nullptr) [[unlikely]] {
    if (given != static_cast<Py_ssize_t>(site->count) || PyTuple_GET_SIZE(keywords) > 0) {
      return refuse_call(site, given, keywords);
    }
  }
  if (!site->enabled) Py_RETURN_NONE;
  Call call;
  for (std::uint32_t i = 0; i < site->count; ++i) {
    if (to_argument(values[i], site, i, &call) < 0) return nullptr;
  }
  // Only now: formatting an argument may have run any code, closing the logger included.
  if (!site->backend->is_open()) [[unlikely]] {
    check_open(*site->backend, state_of(Py_TYPE(self)));
    return nullptr;
  }
  try {
    return push(site, site->backend->ring_of_this_thread(), call);
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

// --- sites -------------------------------------------------------------------------------------------------

void site_dealloc(PyObject* self) {
  LogSite* site = as_site(self);
  PyTypeObject* type = Py_TYPE(self);
  Py_XDECREF(site->specs);
  Py_XDECREF(site->message);
  Py_XDECREF(site->level);
  Py_XDECREF(site->logger);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* site_repr(PyObject* self) {
  return PyUnicode_FromFormat("<LogSite %R level=%U>", as_site(self)->message, as_site(self)->level);
}

PyMemberDef site_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(LogSite, vectorcall), READONLY, nullptr},
    {"template", T_OBJECT_EX, offsetof(LogSite, message), READONLY, "The template, as given."},
    {"level", T_OBJECT_EX, offsetof(LogSite, level), READONLY, "The level's name."},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot site_slots[] = {
    {Py_tp_doc, const_cast<char*>("One place in a program that logs. Call it with one argument per placeholder.")},
    {Py_tp_dealloc, reinterpret_cast<void*>(site_dealloc)},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_repr, reinterpret_cast<void*>(site_repr)},
    {Py_tp_members, site_members},
    {0, nullptr},
};

PyType_Spec site_spec = {
    "latencykit._core.LogSite",
    sizeof(LogSite),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_VECTORCALL,
    site_slots,
};

PyObject* specs_of(const LogTemplate& message) {
  PyObject* specs = PyTuple_New(static_cast<Py_ssize_t>(message.pieces.size()));
  for (std::size_t i = 0; specs != nullptr && i < message.pieces.size(); ++i) {
    const std::string& text = message.pieces[i].spec.text;
    PyObject* spec = PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
    if (spec == nullptr) {
      Py_CLEAR(specs);
    } else {
      PyTuple_SET_ITEM(specs, static_cast<Py_ssize_t>(i), spec);
    }
  }
  return specs;
}

struct Release {
  void operator()(LogSite* site) const { Py_DECREF(site); }
};

PyObject* make_site(AsyncLogger* logger, PyObject* text, PyObject* level, bool enabled) {
  Py_ssize_t size;
  const char* utf8 = PyUnicode_AsUTF8AndSize(text, &size);
  const char* label = utf8 == nullptr ? nullptr : PyUnicode_AsUTF8(level);
  if (label == nullptr) return nullptr;
  LogTemplate message = parse_template({utf8, static_cast<std::size_t>(size)});
  PyTypeObject* type = state_of(Py_TYPE(logger))->log_site;
  const std::unique_ptr<LogSite, Release> owned(as_site(type->tp_alloc(type, 0)));
  LogSite* site = owned.get();
  if (site == nullptr) return nullptr;
  site->vectorcall = site_call;
  site->backend = logger->backend.get();
  site->count = static_cast<std::uint32_t>(message.pieces.size());
  site->enabled = enabled;
  site->logger = as_logger(Py_NewRef(reinterpret_cast<PyObject*>(logger)));
  site->message = PyUnicode_FromObject(text);
  site->level = PyUnicode_FromObject(level);
  site->specs = specs_of(message);
  if (site->message == nullptr || site->level == nullptr || site->specs == nullptr) return nullptr;
  if (enabled) site->number = site->backend->add_site({label, std::move(message)});
  return Py_NewRef(reinterpret_cast<PyObject*>(site));
}

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

// --- the logger --------------------------------------------------------------------------------------------

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
  ModuleState* state = state_of_module(module);
  if (add_type(module, &logger_spec, &state->async_logger) < 0) return -1;
  return add_type(module, &site_spec, &state->log_site);
}

}  // namespace latencykit::bind

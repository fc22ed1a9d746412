// LogSite: one place in a program that logs, and what a call of it does.

#include <memory>
#include <new>
#include <string>
#include <utility>

#include "bind/log_arguments.h"
#include "bind/logger_objects.h"
#include "structmember.h"

namespace latencykit::bind {
namespace {

constexpr int kSpins = 200;

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

// `limited` for sites with a limit a second: the others do not even look.
template <bool limited>
PyObject* site_call(PyObject* self, PyObject* const* values, size_t flagged_count, PyObject* keywords) {
  const LogSite* site = as_site(self);
  const Py_ssize_t given = PyVectorcall_NARGS(flagged_count);
  if (given != static_cast<Py_ssize_t>(site->count) || keywords != nullptr) [[unlikely]] {
    if (given != static_cast<Py_ssize_t>(site->count) || PyTuple_GET_SIZE(keywords) > 0) {
      return refuse_call(site, given, keywords);
    }
  }
  if (site->severity < site->logger->threshold) Py_RETURN_NONE;
  if constexpr (limited) {
    if (site->backend->is_open() && !site->limit->admit(log_ticks())) Py_RETURN_NONE;
  }
  Call call;
  for (std::uint32_t i = 0; i < site->count; ++i) {
    if (to_argument(values[i], site->specs, i, &call) < 0) return nullptr;
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
  } catch (const std::system_error& failed) {
    // A thread's first call makes its ring, for which a crash-proof logger needs room on the disk.
    raise_system_error(failed, rings_file::path_beside(site->backend->path()).c_str());
    return nullptr;
  }
}

// --- the type ----------------------------------------------------------------------------------------------

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

PyObject* site_suppressed(PyObject* self, void*) {
  const LogRateLimit* limit = as_site(self)->limit;
  return PyLong_FromUnsignedLongLong(limit == nullptr ? 0 : limit->suppressed());
}

PyObject* site_max_per_second(PyObject* self, void*) {
  const LogRateLimit* limit = as_site(self)->limit;
  if (limit == nullptr) Py_RETURN_NONE;
  return PyLong_FromUnsignedLongLong(limit->most());
}

PyGetSetDef site_properties[] = {
    {"suppressed", site_suppressed, nullptr, "Calls that logged nothing because of max_per_second.", nullptr},
    {"max_per_second", site_max_per_second, nullptr, "The most records a second, or None.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

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
    {Py_tp_getset, site_properties},
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

}  // namespace

PyObject* make_site(AsyncLogger* logger, PyObject* text, PyObject* level, int severity, unsigned long long most) {
  Py_ssize_t size;
  const char* utf8 = PyUnicode_AsUTF8AndSize(text, &size);
  if (utf8 == nullptr && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
    PyErr_Clear();
    throw TemplateError{false, "holds a lone surrogate, which UTF-8 cannot; pass it as an argument"};
  }
  const char* label = utf8 == nullptr ? nullptr : PyUnicode_AsUTF8(level);
  if (label == nullptr) return nullptr;
  LogTemplate message = parse_template({utf8, static_cast<std::size_t>(size)});
  PyTypeObject* type = state_of(Py_TYPE(logger))->log_site;
  const std::unique_ptr<LogSite, Release> owned(as_site(type->tp_alloc(type, 0)));
  LogSite* site = owned.get();
  if (site == nullptr) return nullptr;
  site->vectorcall = most == 0 ? site_call<false> : site_call<true>;
  site->backend = logger->backend.get();
  site->count = static_cast<std::uint32_t>(message.pieces.size());
  site->severity = severity;
  site->logger = as_logger(Py_NewRef(reinterpret_cast<PyObject*>(logger)));
  site->message = PyUnicode_FromObject(text);
  site->level = PyUnicode_FromObject(level);
  site->specs = specs_of(message);
  if (site->message == nullptr || site->level == nullptr || site->specs == nullptr) return nullptr;
  auto limit = most == 0 ? nullptr : std::make_unique<LogRateLimit>(most, log_ticks_in_a_second());
  site->limit = limit.get();
  site->number = site->backend->add_site({label, std::move(message), std::move(limit)});
  return Py_NewRef(reinterpret_cast<PyObject*>(site));
}

int add_log_site(PyObject* module) { return add_type(module, &site_spec, &state_of_module(module)->log_site); }

}  // namespace latencykit::bind

// What an engine tells of itself.
#include <algorithm>
#include <cmath>

#include "bind/engine_object.h"
#include "bind/numbers.h"

namespace latencykit::bind {
namespace {

// A symbol's number, or -1 with an error.
std::int64_t known_symbol(PyObject* self, const Engine& engine, PyObject* object) {
  std::int64_t symbol = 0;
  if (!read_int(state_of_subtype(Py_TYPE(self))->engine, object, "symbol", &symbol)) return -1;
  const std::int64_t symbols = engine.settings().symbols;
  if (symbol >= 0 && symbol < symbols) return symbol;
  PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_value, "symbol %R is none of this engine's %lld; count from 0",
               object, static_cast<long long>(symbols));
  return -1;
}

PyObject* number_or_none(double value) { return std::isnan(value) ? Py_NewRef(Py_None) : PyFloat_FromDouble(value); }

}  // namespace

PyObject* engine_counts(PyObject* self, PyObject*) {
  const Engine* engine = open_engine(self);
  if (engine == nullptr) return nullptr;
  const EngineCounts& c = engine->counts();
  return Py_BuildValue("(KKKKKKKKd)", c.ticks, c.skipped, c.held, c.updates, c.signals, c.entries, c.exits, c.refused,
                       c.profit);
}

PyObject* engine_feed_counts(PyObject* self, PyObject*) {
  const Engine* engine = open_engine(self);
  if (engine == nullptr) return nullptr;
  PyObject* counts = PyTuple_New(static_cast<Py_ssize_t>(kTickKinds));
  for (std::size_t kind = 0; counts != nullptr && kind < kTickKinds; ++kind) {
    const TickCount count = engine->gate().counts().of(static_cast<TickKind>(kind));
    PyObject* entry = Py_BuildValue("(sKKK)", kTickKindNames[kind], count.count, count.first_row, count.last_row);
    if (entry == nullptr) {
      Py_CLEAR(counts);
    } else {
      PyTuple_SET_ITEM(counts, static_cast<Py_ssize_t>(kind), entry);
    }
  }
  return counts;
}

PyObject* engine_events(PyObject* self, PyObject*) {
  const Engine* engine = open_engine(self);
  if (engine == nullptr) return nullptr;
  // Read once: another thread may be at it without the GIL.
  const std::uint64_t count = engine->decisions().count();
  const std::size_t kept = std::min<std::uint64_t>(count, static_cast<std::uint64_t>(engine->settings().kept_events));
  PyObject* bytes = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(kept * sizeof(EngineEvent)));
  if (bytes == nullptr) return nullptr;
  char* out = PyBytes_AS_STRING(bytes);
  engine->decisions().each_of(count, kept, [&](const EngineEvent& event) {
    std::memcpy(out, &event, sizeof event);
    out += sizeof event;
  });
  return bytes;
}

PyObject* engine_quote(PyObject* self, PyObject* object) {
  const Engine* engine = open_engine(self);
  const std::int64_t symbol = engine == nullptr ? -1 : known_symbol(self, *engine, object);
  if (symbol < 0) return nullptr;
  const TopOfBook& book = engine->book(static_cast<std::size_t>(symbol));
  std::optional<TopOfBook::Quote> quote;
  // The engine's thread may run without the GIL: it is never at it for longer than a few stores.
  while (!(quote = book.try_load()) && !book.is_empty()) relax();
  if (!quote) Py_RETURN_NONE;
  return Py_BuildValue("(LddNN)", static_cast<long long>(quote->timestamp_ns), quote->price, quote->volume,
                       number_or_none(quote->bid), number_or_none(quote->ask));
}

PyObject* engine_indicators(PyObject* self, PyObject* object) {
  const Engine* engine = open_engine(self);
  const std::int64_t symbol = engine == nullptr ? -1 : known_symbol(self, *engine, object);
  if (symbol < 0) return nullptr;
  const Indicators values = engine->indicators(static_cast<std::size_t>(symbol));
  return Py_BuildValue("(dddd)", values.fast, values.slow, values.vwap, values.rsi);
}

PyObject* engine_position(PyObject* self, PyObject* object) {
  const Engine* engine = open_engine(self);
  const std::int64_t symbol = engine == nullptr ? -1 : known_symbol(self, *engine, object);
  return symbol < 0 ? nullptr : PyLong_FromLongLong(engine->units(static_cast<std::size_t>(symbol)));
}

PyObject* engine_health(PyObject* self, PyObject*) {
  const Engine* engine = open_engine(self);
  if (engine == nullptr) return nullptr;
  const EngineHealth& health = engine->health();
  return Py_BuildValue("(NKd)", PyBool_FromLong(health.degraded()), health.times(), health.mean_ns());
}

PyObject* engine_journal_state(PyObject* self, PyObject*) {
  if (open_engine(self) == nullptr) return nullptr;
  const EngineJournal* journal = as_engine(self)->journal.get();
  if (journal == nullptr) Py_RETURN_NONE;
  return Py_BuildValue("(KKKK)", journal->pushed(), journal->lost(), journal->stalls(), journal->stalled_ns());
}

namespace {

PyObject* get_killed(PyObject* self, void*) {
  const Engine* engine = open_engine(self);
  return engine == nullptr ? nullptr : PyBool_FromLong(engine->killed());
}

PyObject* get_stopped(PyObject* self, void*) {
  const Engine* engine = open_engine(self);
  if (engine == nullptr) return nullptr;
  if (!engine->stopped()) Py_RETURN_NONE;
  return Py_BuildValue("(Ks)", engine->stopped_row(), stop_reason_name(engine->stop_reason()));
}

PyObject* get_failures(PyObject* self, void*) {
  const EngineObject* object = as_engine(self);
  return Py_BuildValue("(KKO)", object->failures, object->failed_row,
                       object->failure == nullptr ? Py_None : object->failure);
}

PyObject* get_sample_floor(PyObject* self, void*) {
  Engine* engine = open_engine(self);
  return engine == nullptr ? nullptr : PyFloat_FromDouble(engine->samples().pair_ns());
}

PyObject* get_halted(PyObject* self, void*) {
  const Engine* engine = open_engine(self);
  return engine == nullptr ? nullptr : PyBool_FromLong(engine->halted());
}

PyObject* get_closed(PyObject* self, void*) { return PyBool_FromLong(as_engine(self)->engine == nullptr); }

}  // namespace

PyGetSetDef engine_attributes[] = {
    {"killed", get_killed, nullptr, "Whether no order is made any more, until rearm().", nullptr},
    {"stopped", get_stopped, nullptr, "The row at which orders stopped, and why; None while they go on.", nullptr},
    {"_failures", get_failures, nullptr, "How often the strategy failed, the first row, and the first exception.",
     nullptr},
    {"_halted", get_halted, nullptr, "Whether the newest tick ended the run and none is taken until rearm().", nullptr},
    {"_sample_floor_ns", get_sample_floor, nullptr, "What was taken off each stage: a pair of readings by itself.",
     nullptr},
    {"closed", get_closed, nullptr, "Whether it is closed.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

}  // namespace latencykit::bind

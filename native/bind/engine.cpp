// The engine for Python: the native half of latencykit.engine.Engine, which gives it settings, an arena and histograms.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <stdexcept>
#include <system_error>

#include "bind/engine_object.h"
#include "bind/order_arena.h"
#include "bind/panic_detector.h"
#include "bind/subclass_methods.h"

namespace latencykit::bind {

Engine* open_engine(PyObject* self) {
  EngineObject* object = as_engine(self);
  if (object->engine == nullptr) {
    PyErr_SetString(state_of_subtype(Py_TYPE(self))->closed, "the engine is closed; make a new one");
  }
  return object->engine.get();
}

EngineTurn::EngineTurn(PyObject* self) {
  EngineObject* object = as_engine(self);
  if (open_engine(self) == nullptr) return;
  ModuleState* state = state_of_subtype(Py_TYPE(self));
  if (object->busy) {
    PyErr_SetString(state->invalid_state,
                    "the engine is taken: another thread runs it, or its strategy calls it; one at a time");
  } else if (object->journal != nullptr && object->journal->is_forked()) {
    PyErr_SetString(state->invalid_state, "the engine is the parent process's; make a new one after fork()");
  } else {
    object->busy = true;
    engine_ = object;
  }
}

namespace {

// ---- making one

struct NewEngine {
  EngineSettings settings;
  JournalQueueOptions queue;
  PyObject* arena = nullptr;
  PyObject* histograms = nullptr;  // A tuple.
  PyObject* strategy = nullptr;    // Null for None.
  int journal_fd = -1;
  PyObject* journal_path = nullptr;  // Bytes.
  PyObject* head = nullptr;          // Bytes.
  double flush_interval_s = 0.001;
  bool failure_halts = true;
};

bool read_parts(ModuleState* state, PyObject* args, PyObject* kwargs, NewEngine* wanted) {
  static const char* names[] = {"settings", "detector",     "arena",        "stages", "strategy",
                                "journal",  "journal_path", "journal_head", nullptr};
  PyObject *settings, *detector;
  PyObject* strategy = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO!O!|O$iSS:EngineCore", const_cast<char**>(names), &settings,
                                   &detector, state->order_arena, &wanted->arena, &PyTuple_Type, &wanted->histograms,
                                   &strategy, &wanted->journal_fd, &wanted->journal_path, &wanted->head)) {
    return false;
  }
  const PanicSettings* panic = panic_settings_of(state, detector);
  if (panic == nullptr || !read_engine_settings(state, settings, &wanted->settings, &wanted->queue)) return false;
  wanted->settings.panic = *panic;
  PyObject* interval = PyDict_GetItemString(settings, "journal_flush_interval");
  PyObject* halts = PyDict_GetItemString(settings, "strategy_halts");
  if (interval != nullptr) wanted->flush_interval_s = PyFloat_AsDouble(interval);
  if (halts != nullptr) wanted->failure_halts = PyObject_IsTrue(halts) == 1;
  if (strategy != Py_None) wanted->strategy = strategy;
  return !PyErr_Occurred();
}

bool are_stages(ModuleState* state, PyObject* histograms) {
  if (PyTuple_GET_SIZE(histograms) != kStages + 1) {
    PyErr_Format(state->invalid_value, "stages must be %d histograms", kStages + 1);
    return false;
  }
  for (Py_ssize_t i = 0; i <= kStages; ++i) {
    if (native_histogram(state, PyTuple_GET_ITEM(histograms, i)) == nullptr) return false;
  }
  return true;
}

std::string_view text_of(PyObject* bytes) {
  if (bytes == nullptr) return {};
  return {PyBytes_AS_STRING(bytes), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes))};
}

constexpr double kLongestFlush = 3'600;  // seconds; far below what a clock's deadline can hold

// Makes the native half. It owns the descriptor of the journal from here on, whatever fails.
void start(EngineObject* object, const NewEngine& wanted) {
  if (wanted.journal_fd >= 0) {
    // Written so that what is not a number is short.
    const double seconds = wanted.flush_interval_s > 0 ? std::min(wanted.flush_interval_s, kLongestFlush) : 0;
    const auto interval = std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
    object->journal = std::make_unique<EngineJournal>(wanted.journal_fd, std::string(text_of(wanted.journal_path)),
                                                      text_of(wanted.head), wanted.queue, interval);
  }
  object->engine = std::make_unique<Engine>(wanted.settings, as_arena(wanted.arena)->arena, object->journal.get());
}

PyObject* new_engine(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  ModuleState* state = state_of_subtype(type);
  NewEngine wanted;
  const bool good = read_parts(state, args, kwargs, &wanted) && are_stages(state, wanted.histograms);
  PyObject* self = good ? type->tp_alloc(type, 0) : nullptr;
  if (self == nullptr) {
    if (wanted.journal_fd >= 0) ::close(wanted.journal_fd);
    return nullptr;
  }
  EngineObject* object = as_engine(self);
  new (&object->journal) std::unique_ptr<EngineJournal>();
  new (&object->engine) std::unique_ptr<Engine>();
  object->arena = Py_NewRef(wanted.arena);
  object->strategy = Py_XNewRef(wanted.strategy);
  object->failure_halts = wanted.failure_halts;
  for (Py_ssize_t i = 0; i <= kStages; ++i) object->stages[i] = Py_NewRef(PyTuple_GET_ITEM(wanted.histograms, i));
  try {
    start(object, wanted);
    return self;
  } catch (const std::system_error& error) {
    PyErr_Format(PyExc_OSError, "the journal's thread cannot be started: %s", error.what());
  } catch (const std::exception&) {  // bad_alloc, or a length beyond what a vector may have.
    PyErr_Format(state->capacity,
                 "the system refused memory for an engine of %lld symbols; ask for less, or for shorter windows",
                 static_cast<long long>(wanted.settings.symbols));
  }
  Py_DECREF(self);
  return nullptr;
}

// ---- its end

// Completes the journal without the GIL. The engine goes first: it uses the journal.
void end(EngineObject* object) {
  object->engine.reset();
  EngineJournal* journal = object->journal.get();
  if (journal == nullptr || journal->is_forked()) return;
  Py_BEGIN_ALLOW_THREADS;
  journal->close();
  Py_END_ALLOW_THREADS;
}

// Raises the error of the journal, if there was one.
bool journal_is_good(PyObject* self) {
  EngineJournal* journal = as_engine(self)->journal.get();
  if (journal == nullptr) return true;
  const LogFileError error = journal->take_error();
  if (error.number == 0) return true;
  PyErr_Format(PyExc_OSError, "journal %s: %s", journal->path().c_str(), error.text().c_str());
  return false;
}

PyObject* engine_close(PyObject* self, PyObject*) {
  EngineObject* object = as_engine(self);
  if (object->engine == nullptr) Py_RETURN_NONE;
  if (object->busy) {
    PyErr_SetString(state_of_subtype(Py_TYPE(self))->invalid_state,
                    "the engine is running; call kill(), and close it when its run() has returned");
    return nullptr;
  }
  end(object);
  return journal_is_good(self) ? Py_NewRef(Py_None) : nullptr;
}

template <void (EngineJournal::*kWait)()>
PyObject* engine_wait(PyObject* self, PyObject*) {
  const EngineTurn turn(self);
  if (!turn) return nullptr;
  EngineJournal* journal = as_engine(self)->journal.get();
  if (journal == nullptr) Py_RETURN_NONE;
  Py_BEGIN_ALLOW_THREADS;
  (journal->*kWait)();
  Py_END_ALLOW_THREADS;
  return journal_is_good(self) ? Py_NewRef(Py_None) : nullptr;
}

PyObject* engine_kill(PyObject* self, PyObject*) {
  Engine* engine = open_engine(self);
  if (engine == nullptr) return nullptr;
  engine->kill();
  Py_RETURN_NONE;
}

PyObject* engine_rearm(PyObject* self, PyObject*) {
  const EngineTurn turn(self);
  if (!turn) return nullptr;
  as_engine(self)->engine->rearm();
  Py_RETURN_NONE;
}

int traverse_engine(PyObject* self, visitproc visit, void* arg) {
  EngineObject* object = as_engine(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(object->arena);
  Py_VISIT(object->strategy);
  Py_VISIT(object->failure);
  for (PyObject* stage : object->stages) Py_VISIT(stage);
  return 0;
}

int clear_engine(PyObject* self) {
  EngineObject* object = as_engine(self);
  // The strategy is what cycles lead through. The native engine writes into the arena and the histograms.
  Py_CLEAR(object->strategy);
  Py_CLEAR(object->failure);
  return 0;
}

void dealloc_engine(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  EngineObject* object = as_engine(self);
  PyObject_GC_UnTrack(self);
  end(object);
  // In a forked child the thread is not there to be joined, and nothing of the journal may be touched.
  if (object->journal != nullptr && object->journal->is_forked()) static_cast<void>(object->journal.release());
  object->engine.~unique_ptr();
  object->journal.~unique_ptr();
  clear_engine(self);
  Py_CLEAR(object->arena);
  for (PyObject*& stage : object->stages) Py_CLEAR(stage);
  type->tp_free(self);
  Py_DECREF(type);
}

// ---- the type

PyObject* init_subclass(PyObject* subclass, PyObject* arguments, PyObject* keywords);

PyMethodDef methods[] = {
    {"on_tick", as_method(engine_on_tick), METH_FASTCALL,
     "on_tick($self, timestamp_ns, price, volume, symbol=0, bid=nan, ask=nan, /)\n--\n\n"
     "Take one tick through all stages; return the order that it led to, or None.\n\n"
     "The order is valid until so many newer ones were made that the arena recycles it. What of a tick is\n"
     "damaged, out of order or repeated is dealt with by the feed rules of the configuration: a tick that is\n"
     "skipped changes nothing but the counts.\n\n"
     "Args:\n"
     "    timestamp_ns: Time of the tick, UTC nanoseconds since 1970.\n"
     "    price: Finite and above 0.\n"
     "    volume: Finite and at least 0.\n"
     "    symbol: Number of the instrument, from 0.\n"
     "    bid: Best bid; NaN without a quote.\n"
     "    ask: Best ask; NaN without a quote.\n\n"
     "Raises:\n"
     "    InvalidTypeError: An argument is not a number, or the strategy returned neither a Signal nor None.\n"
     "    InvalidStateError: The engine is closed, taken by another thread, or halted."},
    {"_run", engine_run, METH_O,
     "_run($self, ticks, /)\n--\n\n"
     "Take the rows of an array of TICK_DTYPE, without the GIL unless a strategy decides; return how many."},
    {"_run_paced", as_method(engine_run_paced), METH_FASTCALL,
     "_run_paced($self, ticks, begin, interval, responses, /)\n--\n\n"
     "Take each row when it is due, in ticks of the clock from `begin` on; record what passed since in ns."},
    {"_counts", engine_counts, METH_NOARGS,
     "_counts($self, /)\n--\n\nReturn ticks, skipped, held, updates, signals, entries, exits, refused, profit."},
    {"_feed_counts", engine_feed_counts, METH_NOARGS,
     "_feed_counts($self, /)\n--\n\nReturn (kind, count, first row, last row) of what the feed rules met."},
    {"_events", engine_events, METH_NOARGS, "_events($self, /)\n--\n\nReturn the newest decisions as bytes."},
    {"_quote", engine_quote, METH_O,
     "_quote($self, symbol, /)\n--\n\nReturn (timestamp_ns, price, volume, bid, ask), or None before the first tick."},
    {"_indicators", engine_indicators, METH_O,
     "_indicators($self, symbol, /)\n--\n\nReturn (fast, slow, vwap, rsi) of a symbol."},
    {"position", engine_position, METH_O,
     "position($self, symbol, /)\n--\n\nReturn how many units of a symbol are held, taking orders for filled."},
    {"_health", engine_health, METH_NOARGS,
     "_health($self, /)\n--\n\nReturn whether it is degraded, how often it became so, and the mean of a tick in ns."},
    {"_journal_state", engine_journal_state, METH_NOARGS,
     "_journal_state($self, /)\n--\n\nReturn (lines, lost, stalls, stalled_ns) of the journal, or None without one."},
    {"kill", engine_kill, METH_NOARGS,
     "kill($self, /)\n--\n\nMake no order from the next tick on; ticks are still taken in. From any thread."},
    {"rearm", engine_rearm, METH_NOARGS, "rearm($self, /)\n--\n\nMake orders again after a kill or a halt."},
    {"drain", engine_wait<&EngineJournal::drain>, METH_NOARGS,
     "drain($self, /)\n--\n\nReturn when every line journaled so far is in the file."},
    {"flush", engine_wait<&EngineJournal::flush>, METH_NOARGS,
     "flush($self, /)\n--\n\nReturn when every line journaled so far is on the device."},
    {"_close", engine_close, METH_NOARGS, "_close($self, /)\n--\n\nComplete the journal; again: nothing."},
    {"__init_subclass__", as_method(init_subclass), METH_VARARGS | METH_KEYWORDS | METH_CLASS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyObject* init_subclass(PyObject* subclass, PyObject* arguments, PyObject* keywords) {
  PyTypeObject* base = state_of_subtype(reinterpret_cast<PyTypeObject*>(subclass))->engine;
  return init_subclass_with_methods(base, methods, subclass, arguments, keywords);
}

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("EngineCore(settings, detector, arena, stages, strategy=None, *, journal=-1, "
                                  "journal_path=b'', journal_head=b'')\n--\n\n"
                                  "The native half of an engine; latencykit.engine.Engine is what is to be used.")},
    {Py_tp_new, reinterpret_cast<void*>(new_engine)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc_engine)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse_engine)},
    {Py_tp_clear, reinterpret_cast<void*>(clear_engine)},
    {Py_tp_methods, methods},
    {Py_tp_getset, engine_attributes},
    {0, nullptr},
};

PyType_Spec spec = {"latencykit._core.EngineCore", sizeof(EngineObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_BASETYPE, slots};

}  // namespace

int add_engine(PyObject* module) { return add_type(module, &spec, &state_of_module(module)->engine); }

}  // namespace latencykit::bind

// What the binding files of the engine share: its object, and the way in for a call that moves it.
#pragma once

#include <memory>

#include "bind/histogram.h"
#include "bind/types.h"
#include "latency/engine.h"

namespace latencykit::bind {

struct EngineObject {
  PyObject base;
  std::unique_ptr<EngineJournal> journal;  // Null if none is asked for.
  std::unique_ptr<Engine> engine;          // Null once it is closed; before the journal, which it uses.
  PyObject* arena;                         // An OrderArena.
  PyObject* stages[kStages + 1];           // Histograms, the last of whole ticks.
  PyObject* strategy;                      // Null: the detector decides.
  PyObject* failure;                       // The first exception of the strategy; null if there was none.
  std::uint64_t failures, failed_row;      // How many, and at which row the first.
  bool failure_halts;
  bool busy;  // A call runs without the GIL, or a strategy is being asked.
};

inline EngineObject* as_engine(PyObject* self) { return reinterpret_cast<EngineObject*>(self); }

// Keeps other threads, and a strategy that calls back, out of an engine for as long as it lives. Only with the GIL.
class EngineTurn {
 public:
  // False, with an error, if the engine is closed, in a forked child, or taken.
  explicit EngineTurn(PyObject* self);
  ~EngineTurn() {
    if (engine_ != nullptr) engine_->busy = false;
  }
  EngineTurn(const EngineTurn&) = delete;
  EngineTurn& operator=(const EngineTurn&) = delete;
  explicit operator bool() const { return engine_ != nullptr; }

 private:
  EngineObject* engine_ = nullptr;
};

// The open engine, or null with an error.
Engine* open_engine(PyObject* self);

// ---- engine_settings.cpp

// Reads the settings from a mapping that EngineConfig has checked. False with an error.
bool read_engine_settings(ModuleState* state, PyObject* settings, EngineSettings* engine, JournalQueueOptions* queue);

// ---- engine_run.cpp

PyObject* engine_on_tick(PyObject* self, PyObject* const* arguments, Py_ssize_t count);
PyObject* engine_run(PyObject* self, PyObject* ticks);
PyObject* engine_run_paced(PyObject* self, PyObject* const* arguments, Py_ssize_t count);

// ---- engine_state.cpp

extern PyMethodDef engine_state_methods[];
extern PyGetSetDef engine_attributes[];
PyObject* engine_counts(PyObject* self, PyObject*);
PyObject* engine_feed_counts(PyObject* self, PyObject*);
PyObject* engine_events(PyObject* self, PyObject*);
PyObject* engine_quote(PyObject* self, PyObject* symbol);
PyObject* engine_indicators(PyObject* self, PyObject* symbol);
PyObject* engine_position(PyObject* self, PyObject* symbol);
PyObject* engine_health(PyObject* self, PyObject*);
PyObject* engine_journal_state(PyObject* self, PyObject*);

}  // namespace latencykit::bind

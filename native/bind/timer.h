// What the binding files of the timer share: the timer itself, and how its clock is read.
#pragma once

#include <cstdint>

#include "bind/stamps.h"
#include "bind/types.h"
#include "latency/tsc_clock.h"

namespace latencykit::bind {

// Where the ticks come from; with `tsc_fenced`, a scope's first read waits for what the code before it has begun.
enum class ClockKind { tsc, tsc_fenced, monotonic, simulated, object };

struct TimerObject {
  PyObject_HEAD ClockKind kind;
  const TscClock* machine;    // The process's clock; null with a clock of the user's.
  SimulatedTicks* simulated;  // Within `clock`, if that is a SimulatedClock.
  PyObject* clock;            // What was given, or null.
  PyObject* read;             // now_ns of any other clock, bound once.
  StampBox stamps;
  // Memory of dropped scopes. It names their type, which must therefore outlive it.
  static constexpr int kMostFree = 8;
  PyTypeObject* scope_type;
  PyObject* free[kMostFree];
  int free_count;
};

inline TimerObject* as_timer(PyObject* self) { return reinterpret_cast<TimerObject*>(self); }

// The bound now_ns of a clock that is any object, or nullptr with an error.
PyObject* reader_of(const ModuleState* state, PyObject* clock);

// The time of any clock but the processor's counter. False with an error, the clock's own or ours.
bool read_other(const TimerObject* timer, uint64_t* ns);

// PrecisionTimer.measure().
PyObject* timer_measure(PyObject* self, PyObject* stats);

// Adds the type TimerScope. 0, or -1 with an error.
int add_timer_scope(PyObject* module);

}  // namespace latencykit::bind

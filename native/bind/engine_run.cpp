// Ticks into an engine: one from Python, many from an array, or many when they are due.
#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include <cmath>
#include <limits>
#include <vector>

#include "bind/engine_object.h"
#include "bind/numbers.h"
#include "bind/order_arena.h"

namespace latencykit::bind {
namespace {

// So many ticks at most between two looks at signals and at what other threads want of the GIL.
constexpr std::size_t kTicksWithoutGil = 65'536;

// Gives the timed ticks to the histograms, and to what watches them.
void hand_over_samples(EngineObject* self) {
  StageSamples& samples = self->engine->samples();
  for (const StageSample& sample : samples.samples()) {
    for (int i = 0; i <= kStages; ++i) record_into(reinterpret_cast<HistogramObject*>(self->stages[i]), sample[i]);
  }
  samples.clear();
}

constexpr std::uint64_t kBetweenSignalsNs = 20'000'000;

// Waits, without the GIL, until the journal has room for so many records, or at least for a tick; false with an error if
// a signal handler raised.
[[gnu::noinline]] bool await_room(EngineObject* self, std::size_t records) {
  for (bool there = false, again = false; !there; again = true) {
    Py_BEGIN_ALLOW_THREADS;
    there = self->journal->await_room(records, kBetweenSignalsNs, again);
    Py_END_ALLOW_THREADS;
    if (PyErr_CheckSignals() < 0) return false;
  }
  return true;
}

bool has_room(EngineObject* self) { return self->engine->has_room() || await_room(self, 0); }

// For a run, which is no faster for going on at once: a quarter of the queue, so that it seldom has to wait.
bool has_room_for_run(EngineObject* self) {
  return self->engine->has_room() || await_room(self, self->journal->capacity() / 4);
}

// ---- one tick

// The type whose module has our exceptions: a subclass has none.
PyTypeObject* native_type(PyObject* self) { return state_of_subtype(Py_TYPE(self))->engine; }

bool read_int_argument(PyObject* self, PyObject* object, const char* name, std::int64_t* value) {
  // A time in nanoseconds has more than one of CPython's digits.
  if (PyLong_CheckExact(object)) [[likely]] {
    int overflow = 0;
    *value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow == 0) [[likely]]
      return true;
  }
  return read_int_slowly(native_type(self), object, name, value);
}

bool read_double_argument(PyObject* self, PyObject* object, const char* name, double* value) {
  if (!PyFloat_CheckExact(object)) [[unlikely]]
    return read_double_slowly(native_type(self), object, name, value);
  *value = PyFloat_AS_DOUBLE(object);
  return true;
}

bool read_tick(PyObject* self, PyObject* const* arguments, Py_ssize_t count, Tick* tick) {
  std::int64_t symbol = 0;
  tick->bid = tick->ask = std::numeric_limits<double>::quiet_NaN();
  if (!read_int_argument(self, arguments[0], "timestamp_ns", &tick->timestamp_ns) ||
      !read_double_argument(self, arguments[1], "price", &tick->price) ||
      !read_double_argument(self, arguments[2], "volume", &tick->volume) ||
      (count > 3 && !read_int_argument(self, arguments[3], "symbol", &symbol)) ||
      (count > 4 && !read_double_argument(self, arguments[4], "bid", &tick->bid)) ||
      (count > 5 && !read_double_argument(self, arguments[5], "ask", &tick->ask))) {
    return false;
  }
  constexpr std::int64_t kUnknown = std::numeric_limits<std::uint32_t>::max();
  tick->symbol = static_cast<std::uint32_t>(symbol < 0 || symbol > kUnknown ? kUnknown : symbol);
  tick->reserved = 0;
  return true;
}

[[gnu::noinline]] PyObject* refuse_count(PyObject* self, Py_ssize_t count) {
  return PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_type,
                      "on_tick() takes timestamp_ns, price, volume and, if need be, symbol, bid, ask (%zd arguments "
                      "were given)",
                      count);
}

[[gnu::noinline]] PyObject* refuse_halted(PyObject* self) {
  EngineObject* object = as_engine(self);
  const char* why = object->engine->halt_reason() == StopReason::kBadTick
                        ? kTickKindNames[static_cast<int>(object->engine->gate().refused())]
                        : stop_reason_name(object->engine->halt_reason());
  return PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_state,
                      "the engine halted at row %llu (%s); look into it, then call rearm()",
                      static_cast<unsigned long long>(object->engine->halted_row()), why);
}

// A double attribute of a signal. False with an error.
bool read_attribute(PyObject* object, const char* name, double* value) {
  PyObject* attribute = PyObject_GetAttrString(object, name);
  if (attribute == nullptr) return false;
  *value = PyFloat_AsDouble(attribute);
  Py_DECREF(attribute);
  return !(*value == -1 && PyErr_Occurred());
}

// What the strategy says of a tick: 1 with the signal, 0 without one, -1 with an error.
int ask_strategy(PyObject* self, const Tick& tick, double volume, PanicSignal* signal) {
  PyObject* arguments[4] = {PyLong_FromUnsignedLong(tick.symbol), PyLong_FromLongLong(tick.timestamp_ns),
                            PyFloat_FromDouble(tick.price), PyFloat_FromDouble(volume)};
  PyObject* answer = nullptr;
  if (arguments[0] && arguments[1] && arguments[2] && arguments[3]) {
    answer = PyObject_Vectorcall(as_engine(self)->strategy, arguments, 4, nullptr);
  }
  for (PyObject* argument : arguments) Py_XDECREF(argument);
  if (answer == nullptr) return -1;
  int said = 0;
  if (answer != Py_None) {
    ModuleState* state = state_of_subtype(Py_TYPE(self));
    if (!PyObject_TypeCheck(answer, state->signal)) {
      PyErr_Format(state->invalid_type, "the strategy returned %R; return a Signal or None", answer);
      said = -1;
    } else {
      said = read_attribute(answer, "price", &signal->price) &&
                     read_attribute(answer, "confidence", &signal->confidence) &&
                     read_attribute(answer, "take_profit", &signal->take_profit) &&
                     read_attribute(answer, "stop", &signal->stop)
                 ? 1
                 : -1;
    }
  }
  Py_DECREF(answer);
  return said;
}

// Keeps the strategy's first exception. Whether it ends the run: exits and interrupts always do.
bool keep_failure(EngineObject* self, std::uint64_t row) {
  const bool ends = self->failure_halts || !PyErr_ExceptionMatches(PyExc_Exception);
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  if (trace != nullptr) PyException_SetTraceback(value, trace);
  if (self->failures++ == 0) {
    self->failed_row = row;
    Py_XSETREF(self->failure, Py_XNewRef(value));
  }
  if (ends) {
    PyErr_Restore(type, value, trace);
  } else {
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
  }
  return ends;
}

// A tick on which the strategy decides. 0, or -1 with the error that ends the run; a strategy that failed gives no order.
template <bool kTimed>
int pass_by_strategy(PyObject* self, const Tick& tick, const OrderSlot** order) {
  EngineObject* object = as_engine(self);
  Engine& engine = *object->engine;
  Engine::Step step{.tick = tick};
  const bool updates = engine.begin<kTimed>(step);
  PanicSignal signal;
  const int said = updates ? ask_strategy(self, tick, step.volume, &signal) : 0;
  const bool ends = said < 0 && keep_failure(object, step.row);
  if (said < 0) {
    engine.strategy_failed(step, ends);
  } else if (updates) {
    engine.finish<kTimed>(step, said == 1 ? &signal : nullptr);
    *order = step.order;
  }
  if (kTimed) engine.learn(step, updates && said >= 0);
  return ends ? -1 : 0;
}

int decide_by_strategy(PyObject* self, const Tick& tick, const OrderSlot** order) {
  return as_engine(self)->engine->is_due() ? pass_by_strategy<true>(self, tick, order)
                                           : pass_by_strategy<false>(self, tick, order);
}

// ---- many ticks

// The rows of an array of TICK_DTYPE, whose dtype the caller has seen to. False with an error.
bool read_ticks(ModuleState* state, PyObject* object, std::span<const Tick>* ticks) {
  auto* array = reinterpret_cast<PyArrayObject*>(object);
  if (!PyArray_Check(object) || PyArray_NDIM(array) != 1 || !PyArray_ISCARRAY_RO(array) ||
      PyArray_ITEMSIZE(array) != static_cast<npy_intp>(sizeof(Tick))) {
    PyErr_Format(state->invalid_type, "ticks must be a one-dimensional contiguous array of TICK_DTYPE, not %R", object);
    return false;
  }
  *ticks = {static_cast<const Tick*>(PyArray_DATA(array)), static_cast<std::size_t>(PyArray_SIZE(array))};
  return true;
}

// Runs natively without the GIL until the end of the ticks or a stop; false with an error if a signal handler raised.
bool run_natively(EngineObject* self, std::span<const Tick> ticks, std::size_t* taken) {
  Engine& engine = *self->engine;
  while (*taken < ticks.size() && !engine.halted()) {
    if (!has_room_for_run(self)) return false;
    const auto some = ticks.subspan(*taken, std::min(kTicksWithoutGil, ticks.size() - *taken));
    Py_BEGIN_ALLOW_THREADS;
    *taken += engine.run(some);
    Py_END_ALLOW_THREADS;
    hand_over_samples(self);
    if (PyErr_CheckSignals() < 0) return false;
  }
  return true;
}

// With a strategy that fails, *taken counts the tick at which it did.
bool run_by_strategy(PyObject* self, std::span<const Tick> ticks, std::size_t* taken) {
  EngineObject* object = as_engine(self);
  bool good = true;
  while (good && *taken < ticks.size() && !object->engine->halted()) {
    good = has_room(object);
    if (!good) break;
    const Tick tick = ticks[(*taken)++];
    const OrderSlot* order = nullptr;
    good = decide_by_strategy(self, tick, &order) == 0;
    if (object->engine->samples().is_full()) hand_over_samples(object);
    if (good && *taken % 1'024 == 0) good = PyErr_CheckSignals() == 0;
  }
  hand_over_samples(object);
  return good;
}

}  // namespace

PyObject* engine_on_tick(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  if (count < 3 || count > 6) [[unlikely]]
    return refuse_count(self, count);
  Tick tick;
  if (!read_tick(self, arguments, count, &tick)) return nullptr;
  const EngineTurn turn(self);
  if (!turn) [[unlikely]]
    return nullptr;
  EngineObject* object = as_engine(self);
  if (object->engine->halted()) [[unlikely]]
    return refuse_halted(self);
  if (!has_room(object)) [[unlikely]]
    return nullptr;
  const OrderSlot* order = nullptr;
  if (object->strategy == nullptr) [[likely]] {
    order = object->engine->on_tick(tick);
  } else if (decide_by_strategy(self, tick, &order) < 0) {
    return nullptr;
  }
  if (!object->engine->samples().samples().empty()) [[unlikely]]
    hand_over_samples(object);
  if (object->engine->halted()) [[unlikely]]
    return refuse_halted(self);
  if (order == nullptr) [[likely]]
    Py_RETURN_NONE;
  return view_of(as_arena(object->arena), const_cast<OrderSlot*>(order));
}

PyObject* engine_run(PyObject* self, PyObject* array) {
  std::span<const Tick> ticks;
  if (!read_ticks(state_of_subtype(Py_TYPE(self)), array, &ticks)) return nullptr;
  const EngineTurn turn(self);
  if (!turn) return nullptr;
  if (as_engine(self)->engine->halted()) return refuse_halted(self);
  std::size_t taken = 0;
  Py_INCREF(array);  // The caller's reference may go while the GIL is released.
  const bool good = as_engine(self)->strategy == nullptr ? run_natively(as_engine(self), ticks, &taken)
                                                         : run_by_strategy(self, ticks, &taken);
  Py_DECREF(array);
  return good ? PyLong_FromSize_t(taken) : nullptr;
}

PyObject* engine_run_paced(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  ModuleState* state = state_of_subtype(Py_TYPE(self));
  if (count != 4) {
    return PyErr_Format(state->invalid_type, "run_paced() takes ticks, begin, interval and responses (%zd were given)",
                        count);
  }
  std::span<const Tick> ticks;
  std::int64_t begin = 0;
  double interval = 0;
  // The array last: the numbers may be objects whose code resizes it.
  if (!read_int_argument(self, arguments[1], "begin", &begin) ||
      !read_double_argument(self, arguments[2], "interval", &interval) || !read_ticks(state, arguments[0], &ticks)) {
    return nullptr;
  }
  if (!(interval >= 0 && interval <= 1e18)) {
    return PyErr_Format(state->invalid_value, "interval %R is not within 0 and 1e18 clock ticks", arguments[2]);
  }
  if (native_histogram(state, arguments[3]) == nullptr) return nullptr;
  const EngineTurn turn(self);
  if (!turn) return nullptr;
  if (as_engine(self)->engine->halted()) return refuse_halted(self);
  std::vector<std::uint64_t> responses;
  try {
    responses.reserve(ticks.size());
  } catch (const std::exception&) {
    return PyErr_NoMemory();
  }
  Engine& engine = *as_engine(self)->engine;
  Py_INCREF(arguments[0]);
  bool good = true;
  for (std::size_t taken = 0; good && taken < ticks.size() && !engine.halted();) {
    const auto some = ticks.first(std::min(taken + kTicksWithoutGil, ticks.size()));
    Py_BEGIN_ALLOW_THREADS;
    taken += engine.run_paced(
        some, static_cast<std::uint64_t>(begin), interval,
        [&](std::uint64_t response) { responses.push_back(response); }, taken);
    Py_END_ALLOW_THREADS;
    hand_over_samples(as_engine(self));
    good = PyErr_CheckSignals() == 0;
  }
  Py_DECREF(arguments[0]);
  auto* histogram = reinterpret_cast<HistogramObject*>(arguments[3]);
  for (const std::uint64_t response : responses) {
    record_into(histogram, TscClock::instance().elapsed_ns(0, response));
  }
  return good ? PyLong_FromSize_t(responses.size()) : nullptr;
}

}  // namespace latencykit::bind

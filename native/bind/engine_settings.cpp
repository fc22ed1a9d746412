// The settings of an engine, from the mapping that EngineConfig makes of itself.
#include "bind/engine_object.h"
#include "bind/panic_detector.h"

namespace latencykit::bind {
namespace {

class SettingsReader {
 public:
  SettingsReader(ModuleState* state, PyObject* mapping) : state_(state), mapping_(mapping) {}

  // Within bounds that keep memory safe; that they make sense, EngineConfig has seen to.
  template <typename Integer>
  void integer(const char* name, long long low, long long high, Integer* value) {
    PyObject* object = find(name);
    if (object == nullptr) return;
    const long long number = PyLong_AsLongLong(object);
    good_ = !(number == -1 && PyErr_Occurred());
    if (good_ && (number < low || number > high)) {
      PyErr_Format(state_->invalid_value, "%s is %lld; it must be within %lld and %lld", name, number, low, high);
      good_ = false;
    }
    if (good_) *value = static_cast<Integer>(number);
  }

  void number(const char* name, double* value) {
    PyObject* object = find(name);
    if (object == nullptr) return;
    *value = PyFloat_AsDouble(object);
    good_ = !(*value == -1 && PyErr_Occurred());
  }

  void flag(const char* name, bool* value) {
    PyObject* object = find(name);
    if (object == nullptr) return;
    const int truth = PyObject_IsTrue(object);
    good_ = truth >= 0;
    *value = truth == 1;
  }

  void policies(const char* name, TickRules* rules) {
    PyObject* object = find(name);
    if (object == nullptr) return;
    good_ = PyTuple_Check(object) && PyTuple_GET_SIZE(object) == static_cast<Py_ssize_t>(kTickKinds);
    for (std::size_t kind = 0; good_ && kind < kTickKinds; ++kind) {
      const long policy = PyLong_AsLong(PyTuple_GET_ITEM(object, static_cast<Py_ssize_t>(kind)));
      good_ = policy >= 0 && policy <= 2;
      if (good_) rules->policies[kind] = static_cast<TickPolicy>(policy);
    }
    good_ = good_ && rules->fault() == nullptr;  // An unknown symbol that is accepted has no state to be in.
    if (!good_ && !PyErr_Occurred()) PyErr_Format(state_->invalid_value, "%s %R are no policies", name, object);
  }

  bool good() const { return good_; }

 private:
  // Borrowed; null when something was wrong already.
  PyObject* find(const char* name) {
    if (!good_) return nullptr;
    PyObject* object = PyDict_GetItemString(mapping_, name);
    if (object == nullptr) {
      PyErr_Format(state_->invalid_value, "the setting %s is missing", name);
      good_ = false;
    }
    return object;
  }

  ModuleState* state_;
  PyObject* mapping_;
  bool good_ = true;
};

constexpr long long kMost = 0x7FFF'FFFF'FFFF'FFFF;

}  // namespace

bool read_engine_settings(ModuleState* state, PyObject* settings, EngineSettings* engine, JournalQueueOptions* queue) {
  if (!PyDict_Check(settings)) {
    PyErr_Format(state->invalid_type, "the settings must be a dict, not %R", settings);
    return false;
  }
  SettingsReader read(state, settings);
  read.integer("symbols", 1, 1'000'000, &engine->symbols);
  read.integer("fast_period", 1, kMost, &engine->averages.fast);
  read.integer("slow_period", 1, kMost, &engine->averages.slow);
  read.integer("rsi_period", 1, kMost, &engine->averages.rsi);
  read.integer("max_order_quantity", 1, kMost, &engine->risk.max_order_quantity);
  read.integer("max_position", 1, kMost, &engine->risk.max_position);
  read.number("price_collar", &engine->risk.price_collar);
  read.integer("max_orders_per_second", 0, 10'000'000, &engine->risk.max_orders_per_second);
  read.policies("policies", &engine->rules);
  read.integer("longest_gap_ns", 0, kMost, &engine->rules.longest_gap_ns);
  read.integer("update_interval_ns", 0, kMost, &engine->update_interval_ns);
  read.integer("order_quantity", 1, kMost, &engine->order_quantity);
  read.flag("exits", &engine->exits);
  read.flag("simd", &engine->simd);
  read.integer("when_degraded", 0, 2, &engine->when_degraded);
  read.number("latency_limit_ns", &engine->latency_limit_ns);
  read.integer("sample_every", 0, 1LL << 31, &engine->sample_every);
  read.integer("kept_events", 1, 100'000'000, &engine->kept_events);
  read.integer("journal_capacity", 1, 1LL << 25, &queue->capacity);
  read.flag("lockfree", &queue->lockfree);
  read.flag("preallocated", &queue->preallocated);
  return read.good();
}

}  // namespace latencykit::bind

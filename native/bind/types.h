// What the binding files share: the module's state, one registration function per file, and error raising.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

namespace latencykit::bind {

// Memory of dropped signals, kept for the next ones as CPython keeps floats: a panic is no moment to allocate.
struct FreeSignals {
  static constexpr int kMost = 64;
  PyObject* memory[kMost];
  int count;
  bool closed;
};

// Per-module state. The heap types that other types create or check for, and the exception classes of
// latencykit.errors, which the module looks up once when it is executed.
struct ModuleState {
  PyObject* invalid_value;
  PyObject* invalid_type;
  PyObject* invalid_state;
  PyObject* capacity;
  PyObject* unsupported;
  PyObject* closed;
  PyObject* data_error;
  PyTypeObject* histogram;
  PyTypeObject* duration_watch;
  PyTypeObject* operation;
  PyTypeObject* simulated_clock;
  PyTypeObject* precision_timer;
  PyTypeObject* timer_scope;
  PyTypeObject* order_arena;
  PyTypeObject* order;
  PyTypeObject* order_book;
  PyTypeObject* book_snapshot;
  PyObject* book_level_dtype;
  PyTypeObject* async_logger;
  PyTypeObject* log_site;
  PyTypeObject* bound;
  PyTypeObject* shared_ring;
  PyTypeObject* panic_detector;
  PyTypeObject* signal;
  PyTypeObject* spsc_queue;
  PyTypeObject* mpmc_queue;
  PyTypeObject* unbounded_queue;
  PyTypeObject* record_queue;
  PyTypeObject* echo;
  PyTypeObject* engine;
  PyObject* panic_kind;
  FreeSignals free_signals;
};

inline ModuleState* state_of_module(PyObject* module) { return static_cast<ModuleState*>(PyModule_GetState(module)); }

// Only for our own final types, whose defining class is the object's class.
inline ModuleState* state_of(PyTypeObject* type) { return static_cast<ModuleState*>(PyType_GetModuleState(type)); }

// For our types that can be subclassed, and for their subclasses; slower.
ModuleState* state_of_subtype(PyTypeObject* type);

// Creates a heap type from its spec, adds it to the module, and keeps a reference in `slot`. 0, or -1 with an error.
int add_type(PyObject* module, PyType_Spec* spec, PyTypeObject** slot);

// A method of any calling convention as the type that PyMethodDef wants.
template <typename F>
PyCFunction as_method(F* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

// Whether this thread may touch Python's objects. A thread that the exiting interpreter ends inside a wait for
// the GIL is unwound through our frames without it: destructors that release references must ask.
inline bool holds_gil() {
#if PY_VERSION_HEX >= 0x030D0000
  return PyThreadState_GetUnchecked() != nullptr;
#elif PY_VERSION_HEX >= 0x030C0000
  return _PyThreadState_UncheckedGet() != nullptr;
#else
  return PyGILState_Check() != 0;
#endif
}

// Frees what the free list holds, and keeps it from growing again.
void close_free_signals(ModuleState* state);

int add_clock(PyObject* module);
int add_timer(PyObject* module);
int add_histogram(PyObject* module);
int add_duration_watch(PyObject* module);
int add_operation(PyObject* module);
int add_meter(PyObject* module);
int add_allocations(PyObject* module);
int add_probes(PyObject* module);
int add_order_arena(PyObject* module);
int add_order_book(PyObject* module);
int add_logger(PyObject* module);
int add_log_recovery(PyObject* module);
int add_indicators(PyObject* module);
int add_streaming_averages(PyObject* module);
int add_streaming_windows(PyObject* module);
int add_signal(PyObject* module);
int add_panic_detector(PyObject* module);
int add_engine(PyObject* module);
int add_object_queues(PyObject* module);
int add_record_queue(PyObject* module);
int add_round_trips(PyObject* module);
int add_shared_ring(PyObject* module);

}  // namespace latencykit::bind

// The module object: multi-phase initialisation and the state that every binding file shares.
#include "bind/types.h"

// The one file that defines NumPy's function table; the others declare it with NO_IMPORT_ARRAY.
#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#include <numpy/arrayobject.h>

#include <initializer_list>

namespace latencykit::bind {

int add_type(PyObject* module, PyType_Spec* spec, PyTypeObject** slot) {
  PyObject* type = PyType_FromModuleAndSpec(module, spec, nullptr);
  if (type == nullptr) return -1;
  *slot = reinterpret_cast<PyTypeObject*>(type);
  return PyModule_AddType(module, *slot);
}

namespace {

int find_error(PyObject* errors, const char* name, PyObject** slot) {
  *slot = PyObject_GetAttrString(errors, name);
  return *slot == nullptr ? -1 : 0;
}

int find_errors(ModuleState* state) {
  PyObject* errors = PyImport_ImportModule("latencykit.errors");
  if (errors == nullptr) return -1;
  const int failed = find_error(errors, "InvalidValueError", &state->invalid_value) ||
                     find_error(errors, "InvalidTypeError", &state->invalid_type) ||
                     find_error(errors, "InvalidStateError", &state->invalid_state) ||
                     find_error(errors, "CapacityError", &state->capacity) ||
                     find_error(errors, "UnsupportedError", &state->unsupported) ||
                     find_error(errors, "ClosedError", &state->closed) ||
                     find_error(errors, "DataError", &state->data_error);
  Py_DECREF(errors);
  return failed ? -1 : 0;
}

// Before 3.12 nobody else refuses, and later only where an interpreter asks for it: what we share between
// modules (hooks on the allocators, NumPy's table) belongs to the main one.
int refuse_subinterpreter() {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return 0;
  PyErr_SetString(PyExc_ImportError,
                  "latencykit._core does not work in a subinterpreter; import it in the main one or in a process");
  return -1;
}

int execute(PyObject* module) {
  if (refuse_subinterpreter() < 0) return -1;
  if (PyArray_ImportNumPyAPI() < 0) return -1;
  if (find_errors(state_of_module(module)) < 0) return -1;
  for (auto add :
       {add_clock,       add_timer,          add_histogram,     add_duration_watch,     add_operation,
        add_meter,       add_allocations,    add_probes,        add_order_arena,        add_order_book,
        add_logger,      add_log_recovery,   add_indicators,    add_streaming_averages, add_streaming_windows,
        add_signal,      add_panic_detector, add_object_queues, add_record_queue,       add_round_trips,
        add_shared_ring, add_engine}) {
    if (add(module) < 0) return -1;
  }
  return 0;
}

// Calls f on the address of every reference that the state holds.
template <typename F>
int each_reference(ModuleState* s, F f) {
  if (s == nullptr) return 0;  // The collector may come before the module was executed.
  for (PyObject** object : {&s->invalid_value, &s->invalid_type, &s->invalid_state, &s->capacity, &s->unsupported,
                            &s->closed, &s->data_error, &s->book_level_dtype, &s->panic_kind}) {
    if (int stop = f(object)) return stop;
  }
  for (PyTypeObject** type :
       {&s->histogram,    &s->duration_watch, &s->operation,  &s->simulated_clock, &s->precision_timer,
        &s->timer_scope,  &s->order_arena,    &s->order,      &s->order_book,      &s->book_snapshot,
        &s->async_logger, &s->log_site,       &s->bound,      &s->shared_ring,     &s->panic_detector,
        &s->signal,       &s->spsc_queue,     &s->mpmc_queue, &s->unbounded_queue, &s->record_queue,
        &s->echo,         &s->engine}) {
    if (int stop = f(reinterpret_cast<PyObject**>(type))) return stop;
  }
  return 0;
}

int traverse(PyObject* module, visitproc visit, void* arg) {
  return each_reference(state_of_module(module), [&](PyObject** reference) {
    Py_VISIT(*reference);
    return 0;
  });
}

int clear(PyObject* module) {
  if (ModuleState* state = state_of_module(module)) close_free_signals(state);
  return each_reference(state_of_module(module), [](PyObject** reference) {
    Py_CLEAR(*reference);
    return 0;
  });
}

void free_module(void* module) { clear(static_cast<PyObject*>(module)); }

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(execute)},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, nullptr},
};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "latencykit._core",
    "The native core of latencykit: clocks, histograms, samplers and the parts of the reference engine.",
    sizeof(ModuleState),
    nullptr,
    slots,
    traverse,
    clear,
    free_module,
};

}  // namespace

ModuleState* state_of_subtype(PyTypeObject* type) {
  PyObject* module = PyType_GetModuleByDef(type, &definition);
  // That looks along the method resolution order, from which a metaclass can leave our type out. It cannot leave it
  // out of the bases that give an object its layout.
  for (; module == nullptr && type->tp_base != nullptr; type = type->tp_base) {
    PyErr_Clear();
    module = PyType_GetModuleByDef(type->tp_base, &definition);
  }
  return module == nullptr ? nullptr : state_of_module(module);
}

}  // namespace latencykit::bind

PyMODINIT_FUNC PyInit__core() { return PyModuleDef_Init(&latencykit::bind::definition); }

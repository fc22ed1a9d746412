// Indicators over arrays: the module's batch functions.
#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <utility>

#include "bind/indicator_call.h"
#include "bind/indicator_isa.h"

namespace latencykit::bind {
namespace {

// Below this many values the lock is kept: giving it up and taking it back would cost more than the work.
constexpr npy_intp kReleaseGilFrom = 1 << 16;

template <typename T>
bool run_rows(const IndicatorCall& call) {
  const Arrays& arrays = call.arrays;
  const std::size_t inputs = call.function->inputs, outputs = call.function->outputs;
  kernels::Series<T> series;
  series.n = static_cast<std::size_t>(arrays.n);
  for (std::size_t i = 0; i < inputs; ++i) series.in[i] = static_cast<const T*>(PyArray_DATA(arrays.in[i]));
  for (std::size_t i = 0; i < outputs; ++i) series.out[i] = static_cast<T*>(PyArray_DATA(arrays.out[i]));
  return kernels::compute<T>(*call.table, call.function->indicator, call.settings, series,
                             static_cast<std::size_t>(arrays.rows));
}

PyObject* call_indicator(const IndicatorFunction& function, PyObject* module, PyObject* const* args, Py_ssize_t count,
                         PyObject* keywords) {
  PassedArguments passed;
  IndicatorCall call;
  PyObject* result = nullptr;
  if (resolve(state_of_module(module), function, args, count, keywords, &passed, &call) && run(call)) {
    result = Py_NewRef(call.arrays.result);
  }
  release(&call.arrays);
  return result;
}

template <std::size_t i>
PyObject* batch_function(PyObject* module, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
  return call_indicator(indicator_functions()[i], module, args, count, keywords);
}

// Ends with a row of nulls.
std::array<PyMethodDef, kernels::kIndicators + 1> definitions{};

template <std::size_t... i>
void define_functions(std::index_sequence<i...>) {
  ((definitions[i] = {indicator_functions()[i].name, as_method(batch_function<i>), METH_FASTCALL | METH_KEYWORDS,
                      indicator_functions()[i].doc}),
   ...);
}

}  // namespace

bool resolve(ModuleState* state, const IndicatorFunction& function, PyObject* const* args, Py_ssize_t count,
             PyObject* keywords, PassedArguments* passed, IndicatorCall* call) {
  call->function = &function;
  if (!spread_arguments(function, args, count, keywords, passed)) return false;
  if (!read_settings(state, function.indicator, passed->settings, &call->settings)) return false;
  call->table = isa_argument(state, passed->isa);
  return call->table != nullptr && take_arrays(state, function, passed->inputs.data(), passed->out, &call->arrays);
}

bool run(const IndicatorCall& call) {
  const Arrays& arrays = call.arrays;
  if (arrays.n == 0) return true;
  PyThreadState* released = arrays.rows * arrays.n < kReleaseGilFrom ? nullptr : PyEval_SaveThread();
  const bool computed = arrays.type() == NPY_DOUBLE ? run_rows<double>(call) : run_rows<float>(call);
  if (released != nullptr) PyEval_RestoreThread(released);
  if (!computed) PyErr_NoMemory();
  return computed;
}

const IndicatorFunction* function_behind(PyObject* object) {
  if (!PyCFunction_Check(object)) return nullptr;
  const PyMethodDef* definition = reinterpret_cast<PyCFunctionObject*>(object)->m_ml;
  for (std::size_t i = 0; i < kernels::kIndicators; ++i) {
    if (definition == &definitions[i]) return &indicator_functions()[i];
  }
  return nullptr;
}

int add_indicators(PyObject* module) {
  if (intern_argument_names() < 0 || add_isas(module) < 0) return -1;
  define_functions(std::make_index_sequence<kernels::kIndicators>());
  return PyModule_AddFunctions(module, definitions.data()) < 0 ? -1 : add_bound(module);
}

}  // namespace latencykit::bind

// Indicators: ema() over arrays, and the choice of instruction set at import.
#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include <cstdlib>
#include <optional>
#include <string_view>

#include "bind/arrays.h"
#include "bind/types.h"
#include "kernels/kernels.h"

namespace latencykit::bind {
namespace {

// Below this length the lock is kept: giving it up and taking it back would cost more than the work.
constexpr npy_intp kReleaseGilFrom = 1 << 16;

const kernels::Table* active_table = nullptr;

// ---- The choice of instruction set

PyObject* isa_names() {
  PyObject* names = PyTuple_New(static_cast<Py_ssize_t>(kernels::available().size()));
  if (names == nullptr) return nullptr;
  Py_ssize_t i = 0;
  for (const kernels::Table* table : kernels::available()) {
    PyObject* name = PyUnicode_FromStringAndSize(table->isa.data(), static_cast<Py_ssize_t>(table->isa.size()));
    if (name == nullptr) {
      Py_DECREF(names);
      return nullptr;
    }
    PyTuple_SET_ITEM(names, i++, name);
  }
  return names;
}

// The table of that name, or nullptr with an exception. `where` says where the name came from.
const kernels::Table* table_named(ModuleState* state, const char* where, std::string_view isa) {
  if (const kernels::Table* table = kernels::find(isa)) return table;
  PyObject* names = isa_names();
  if (names == nullptr) return nullptr;
  PyObject* name = PyUnicode_DecodeUTF8(isa.data(), static_cast<Py_ssize_t>(isa.size()), "replace");
  if (name != nullptr && kernels::is_known(isa)) {
    PyErr_Format(state->unsupported, "%s asks for %R, which this CPU or this build lacks; use one of %R", where, name,
                 names);
  } else if (name != nullptr) {
    PyErr_Format(state->invalid_value, "%s asks for an unknown instruction set %R; use one of %R", where, name, names);
  }
  Py_XDECREF(name);
  Py_DECREF(names);
  return nullptr;
}

const kernels::Table* table_argument(ModuleState* state, PyObject* isa) {
  if (isa == nullptr || isa == Py_None) return active_table;
  Py_ssize_t size = 0;
  const char* text = PyUnicode_Check(isa) ? PyUnicode_AsUTF8AndSize(isa, &size) : nullptr;
  if (text == nullptr) {
    if (!PyErr_Occurred()) PyErr_Format(state->invalid_type, "isa must be a str or None, not %R", isa);
    return nullptr;
  }
  return table_named(state, "isa", {text, static_cast<std::size_t>(size)});
}

// ---- What the average is: alpha and seed

struct Form {
  double alpha;
  std::size_t seed_count;
};

std::optional<std::size_t> period_argument(ModuleState* state, PyObject* period) {
  PyObject* index = PyNumber_Index(period);
  if (index == nullptr) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) return {};
    PyErr_Clear();
    PyErr_Format(state->invalid_type, "period must be an int, a number of values, not %R", period);
    return {};
  }
  const Py_ssize_t count = PyLong_AsSsize_t(index);
  Py_DECREF(index);
  if (count < 1) {
    PyErr_Clear();
    PyErr_Format(state->invalid_value, "period is %R; it must be at least 1 and fit an array's length", period);
    return {};
  }
  return static_cast<std::size_t>(count);
}

std::optional<double> alpha_argument(ModuleState* state, PyObject* alpha) {
  const double value = PyFloat_AsDouble(alpha);
  if (value == -1 && PyErr_Occurred()) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) return {};
    PyErr_Clear();
    PyErr_Format(state->invalid_type, "alpha must be a number, not %R", alpha);
    return {};
  }
  if (!(value > 0 && value <= 1)) {
    PyErr_Format(state->invalid_value, "alpha is %R; it must be greater than 0 and at most 1", alpha);
    return {};
  }
  return value;
}

// Whether the seed is the mean of the first period; empty with an exception if it is neither word.
std::optional<bool> seeds_with_mean(ModuleState* state, PyObject* seed) {
  if (seed == nullptr) return false;
  if (PyUnicode_Check(seed)) {
    if (PyUnicode_CompareWithASCIIString(seed, "first") == 0) return false;
    if (PyUnicode_CompareWithASCIIString(seed, "sma") == 0) return true;
  }
  PyErr_Format(state->invalid_value,
               "seed is %R; use 'first' (the first value) or 'sma' (the mean of the first period)", seed);
  return {};
}

bool is_given(PyObject* argument) { return argument != nullptr && argument != Py_None; }

std::optional<Form> form_of(ModuleState* state, PyObject* period, PyObject* alpha, PyObject* seed) {
  if (is_given(period) == is_given(alpha)) {
    PyErr_Format(state->invalid_value, "%s of period and alpha given; pass one of them",
                 is_given(period) ? "both" : "neither");
    return {};
  }
  const auto mean = seeds_with_mean(state, seed);
  if (!mean) return {};
  if (is_given(period)) {
    const auto count = period_argument(state, period);
    if (!count) return {};
    return Form{2 / (static_cast<double>(*count) + 1), *mean ? *count : 1};
  }
  if (*mean) {
    PyErr_SetString(state->invalid_value, "seed 'sma' is the mean of the first period; pass period instead of alpha");
    return {};
  }
  const auto weight = alpha_argument(state, alpha);
  if (!weight) return {};
  return Form{*weight, 1};
}

// ---- ema(x, period=None, *, alpha=None, seed="first", out=None, isa=None)

enum Argument { kX, kPeriod, kAlpha, kSeed, kOut, kIsa, kArguments };
constexpr const char* kNames[kArguments] = {"x", "period", "alpha", "seed", "out", "isa"};
constexpr Py_ssize_t kPositional = 2;

// Interned, so that a keyword of a call is found by its address; they live as long as the interpreter.
PyObject* interned_names[kArguments];

int index_of_keyword(PyObject* keyword) {
  for (int i = 0; i < kArguments; ++i) {
    if (keyword == interned_names[i]) return i;
  }
  for (int i = 0; i < kArguments; ++i) {
    if (PyUnicode_CompareWithASCIIString(keyword, kNames[i]) == 0) return i;
  }
  return -1;
}

// Spreads a call's arguments over `values`; false with a TypeError, as for a Python function.
bool spread(PyObject* const* args, Py_ssize_t count, PyObject* keywords, PyObject** values) {
  if (count > kPositional) {
    PyErr_Format(PyExc_TypeError, "ema() takes at most %zd positional arguments (%zd given)", kPositional, count);
    return false;
  }
  for (Py_ssize_t i = 0; i < count; ++i) values[i] = args[i];
  const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < named; ++i) {
    PyObject* keyword = PyTuple_GET_ITEM(keywords, i);
    const int at = index_of_keyword(keyword);
    if (at < 0 || values[at] != nullptr) {
      PyErr_Format(PyExc_TypeError, "ema() got %s argument %R", at < 0 ? "an unexpected" : "multiple values for",
                   keyword);
      return false;
    }
    values[at] = args[count + i];
  }
  if (values[kX] == nullptr) {
    PyErr_SetString(PyExc_TypeError, "ema() needs x, the series to average");
    return false;
  }
  return true;
}

// Whether two arrays of one dimension share any byte of the range that each spans.
bool spans_overlap(PyArrayObject* a, PyArrayObject* b) {
  if (PyArray_NDIM(a) != 1 || PyArray_NDIM(b) != 1 || PyArray_SIZE(a) == 0 || PyArray_SIZE(b) == 0) return false;
  auto span = [](PyArrayObject* array, const char** low, const char** high) {
    const char* data = PyArray_BYTES(array);
    const npy_intp reach = (PyArray_DIM(array, 0) - 1) * PyArray_STRIDE(array, 0);
    *low = reach < 0 ? data + reach : data;
    *high = (reach < 0 ? data : data + reach) + PyArray_ITEMSIZE(array);
  };
  const char *a_low, *a_high, *b_low, *b_high;
  span(a, &a_low, &a_high);
  span(b, &b_low, &b_high);
  return a_low < b_high && b_low < a_high;
}

bool check_out(ModuleState* state, PyObject* x, PyArrayObject* series, PyObject* out) {
  PyObject* dtype = reinterpret_cast<PyObject*>(PyArray_DESCR(series));
  if (!PyArray_Check(out)) {
    PyErr_Format(state->invalid_type, "out must be a NumPy array, not %R", out);
    return false;
  }
  PyArrayObject* array = as_array(out);
  if (PyArray_TYPE(array) != PyArray_TYPE(series)) {
    PyErr_Format(state->invalid_type, "out has dtype %S; it must have %S, as the result has",
                 reinterpret_cast<PyObject*>(PyArray_DESCR(array)), dtype);
    return false;
  }
  if (PyArray_NDIM(array) != 1 || PyArray_DIM(array, 0) != PyArray_DIM(series, 0)) {
    PyErr_Format(state->invalid_value, "out has %zd elements in %d dimensions; it must have %zd in one, as x has",
                 PyArray_SIZE(array), PyArray_NDIM(array), PyArray_DIM(series, 0));
    return false;
  }
  if (!PyArray_ISCARRAY(array)) {
    PyErr_SetString(state->invalid_value,
                    "out is read-only, not contiguous, not aligned or in foreign byte order; pass a plain array, such "
                    "as numpy.empty_like(x)");
    return false;
  }
  // The same memory from its beginning is averaged in place. x is looked at beside the series because a
  // strided x was copied, the series because x may be another object that lends its memory.
  const bool in_place = PyArray_DATA(array) == PyArray_DATA(series);
  const bool overlaps = spans_overlap(array, series) || (PyArray_Check(x) && spans_overlap(array, as_array(x)));
  if (!in_place && overlaps) {
    PyErr_SetString(state->invalid_value, "out overlaps x without being x; pass x itself or other memory");
    return false;
  }
  return true;
}

template <typename T>
void run_ema(const kernels::Table& table, PyArrayObject* series, PyArrayObject* out, const Form& form) {
  const npy_intp n = PyArray_DIM(series, 0);
  const T* from = static_cast<const T*>(PyArray_DATA(series));
  T* to = static_cast<T*>(PyArray_DATA(out));
  PyThreadState* released = n < kReleaseGilFrom ? nullptr : PyEval_SaveThread();
  const kernels::Settings settings{.period = form.seed_count, .alpha = form.alpha, .mean_seed = form.seed_count > 1};
  const auto size = static_cast<std::size_t>(n);
  (void)kernels::compute<T>(table, kernels::Indicator::ema, settings, {{from}, {to}, size});
  if (released != nullptr) PyEval_RestoreThread(released);
}

// A new reference to `out`, or to a new array of the result's type.
PyArrayObject* result_array(ModuleState* state, PyObject* x, PyArrayObject* series, PyObject* out) {
  if (is_given(out)) return check_out(state, x, series, out) ? as_array(Py_NewRef(out)) : nullptr;
  return as_array(PyArray_SimpleNew(1, PyArray_DIMS(series), PyArray_TYPE(series)));
}

PyObject* ema(PyObject* module, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
  ModuleState* state = state_of_module(module);
  PyObject* values[kArguments] = {};
  if (!spread(args, count, keywords, values)) return nullptr;
  const auto form = form_of(state, values[kPeriod], values[kAlpha], values[kSeed]);
  if (!form) return nullptr;
  const kernels::Table* table = table_argument(state, values[kIsa]);
  if (table == nullptr) return nullptr;
  PyArrayObject* series = series_from(state, values[kX], "x");
  if (series == nullptr) return nullptr;
  PyArrayObject* out = result_array(state, values[kX], series, values[kOut]);
  if (out != nullptr) {
    auto run = PyArray_TYPE(series) == NPY_DOUBLE ? run_ema<double> : run_ema<float>;
    run(*table, series, out, *form);
  }
  Py_DECREF(series);
  return reinterpret_cast<PyObject*>(out);
}

PyDoc_STRVAR(ema_doc,
             "ema(x, period=None, *, alpha=None, seed='first', out=None, isa=None)\n"
             "--\n\n"
             "Compute the exponential moving average of a series.\n\n"
             "y[i] = (1 - alpha) * y[i-1] + alpha * x[i], with alpha = 2 / (period + 1)\n"
             "(P. N. Haurlan, Measuring Trend Values, 1968).\n\n"
             "A value that is not finite (NaN or an infinity) counts as missing: its output is NaN and the\n"
             "average goes on from the last finite value, as in pandas with adjust=False, ignore_na=True.\n"
             "Instruction sets differ by rounding only: each result is within 4 * eps * max|x| / alpha of the\n"
             "exact one, eps being that of the dtype.\n\n"
             "Args:\n"
             "    x: Series of one dimension and any length. float64 and float32 are computed as they are;\n"
             "        integers and sequences of numbers are converted to float64. What is not contiguous,\n"
             "        aligned and in native byte order is copied first.\n"
             "    period: Number of values, at least 1. Give either period or alpha.\n"
             "    alpha: Weight of the newest value, greater than 0 and at most 1.\n"
             "    seed: 'first' starts from the first finite value (pandas adjust=False); 'sma' starts from\n"
             "        the mean of the first `period` finite values and is NaN before (TA-Lib).\n"
             "    out: Where to write: a contiguous writable array of x's length and of the result's dtype, x\n"
             "        itself or one that does not overlap it. With it, nothing is allocated.\n"
             "    isa: Instruction set of this call, one of ISAS; None for the one chosen at import.\n\n"
             "Returns:\n"
             "    out, or a new array of x's length.\n\n"
             "Raises:\n"
             "    InvalidTypeError: x or out has a type or dtype that cannot be used.\n"
             "    InvalidValueError: period, alpha, seed or isa is out of range, both or neither of period\n"
             "        and alpha are given, x is not of one dimension, or out does not fit.\n"
             "    UnsupportedError: This CPU lacks the instruction set.");

PyMethodDef functions[] = {
    {"ema", as_method(ema), METH_FASTCALL | METH_KEYWORDS, ema_doc},
    {nullptr, nullptr, 0, nullptr},
};

// ---- Registration

int choose_isa(PyObject* module) {
  const char* wanted = std::getenv("LATENCYKIT_ISA");
  const bool chosen = wanted != nullptr && *wanted != '\0';
  active_table = chosen ? table_named(state_of_module(module), "LATENCYKIT_ISA", wanted) : &kernels::best();
  if (active_table == nullptr) return -1;
  PyObject* names = isa_names();
  if (names == nullptr) return -1;
  const int failed = PyModule_AddObjectRef(module, "ISAS", names);
  Py_DECREF(names);
  return failed < 0 ? -1 : PyModule_AddStringConstant(module, "ISA", active_table->isa.data());
}

int intern_names() {
  for (int i = 0; i < kArguments; ++i) {
    if (interned_names[i] == nullptr) interned_names[i] = PyUnicode_InternFromString(kNames[i]);
    if (interned_names[i] == nullptr) return -1;
  }
  return 0;
}

}  // namespace

int add_indicators(PyObject* module) {
  if (intern_names() < 0 || choose_isa(module) < 0) return -1;
  return PyModule_AddFunctions(module, functions);
}

}  // namespace latencykit::bind

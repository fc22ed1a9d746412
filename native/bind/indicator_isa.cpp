// The choice of instruction set: at import by the environment or the CPU, and for one call by its argument.
#include "bind/indicator_isa.h"

#include <cstdlib>
#include <string_view>

namespace latencykit::bind {
namespace {

const kernels::Table* active_table = nullptr;

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

// Sets the exception for a name, which is taken over. `where` says where it came from.
void refuse_isa(ModuleState* state, const char* where, PyObject* name, bool known) {
  PyObject* names = isa_names();
  if (name != nullptr && names != nullptr && known) {
    PyErr_Format(state->unsupported, "%s asks for %R, which this CPU or this build lacks; use one of %R", where, name,
                 names);
  } else if (name != nullptr && names != nullptr) {
    PyErr_Format(state->invalid_value, "%s asks for an unknown instruction set %R; use one of %R", where, name, names);
  }
  Py_XDECREF(name);
  Py_XDECREF(names);
}

// The table of that name, or nullptr with an exception.
const kernels::Table* table_named(ModuleState* state, const char* where, std::string_view isa) {
  if (const kernels::Table* table = kernels::find(isa)) return table;
  PyObject* name = PyUnicode_DecodeUTF8(isa.data(), static_cast<Py_ssize_t>(isa.size()), "replace");
  refuse_isa(state, where, name, kernels::is_known(isa));
  return nullptr;
}

}  // namespace

const kernels::Table* isa_argument(ModuleState* state, PyObject* isa) {
  if (isa == nullptr || isa == Py_None) return active_table;
  if (!PyUnicode_Check(isa)) {
    PyErr_Format(state->invalid_type, "isa must be a str or None, not %R", isa);
    return nullptr;
  }
  Py_ssize_t size = 0;
  if (const char* text = PyUnicode_AsUTF8AndSize(isa, &size)) {
    return table_named(state, "isa", {text, static_cast<std::size_t>(size)});
  }
  if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
    PyErr_Clear();
    refuse_isa(state, "isa", Py_NewRef(isa), false);
  }
  return nullptr;
}

int add_isas(PyObject* module) {
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

}  // namespace latencykit::bind

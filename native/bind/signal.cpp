// Signal: what a detector proposes.
#include "bind/signal.h"

#include <structmember.h>

#include <cstddef>

namespace latencykit::bind {
namespace {

struct SignalObject {
  PyObject_HEAD PyObject* kind;  // a str
  double price;
  double confidence;
  double take_profit;
  double stop;
  long long index;
};

SignalObject* as_signal(PyObject* self) { return reinterpret_cast<SignalObject*>(self); }

PyObject* make_signal(PyTypeObject* type, PyObject* kind, const PanicSignal& panic) {
  FreeSignals& free = state_of(type)->free_signals;
  PyObject* self = free.count > 0 ? PyObject_Init(free.memory[--free.count], type) : type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  SignalObject* signal = as_signal(self);
  signal->kind = Py_NewRef(kind);  // Exactly a str, which cannot lead back to the signal: no collector needed.
  signal->price = panic.price;
  signal->confidence = panic.confidence;
  signal->take_profit = panic.take_profit;
  signal->stop = panic.stop;
  signal->index = panic.index;
  return self;
}

bool is_valid_signal(ModuleState* state, const PanicSignal& signal) {
  struct {
    const char* name;
    double value;
  } const prices[] = {{"price", signal.price}, {"take_profit", signal.take_profit}, {"stop", signal.stop}};
  PyObject* wrong = nullptr;
  for (const auto& price : prices) {
    if (is_price(price.value)) continue;
    wrong = PyFloat_FromDouble(price.value);
    if (wrong != nullptr) {
      PyErr_Format(state->invalid_value, "%s is %R; it must be finite and greater than 0", price.name, wrong);
    }
    Py_XDECREF(wrong);
    return false;
  }
  if (!(signal.confidence >= 0 && signal.confidence <= 1)) {
    wrong = PyFloat_FromDouble(signal.confidence);
    if (wrong != nullptr) PyErr_Format(state->invalid_value, "confidence is %R; it must be within 0 and 1", wrong);
    Py_XDECREF(wrong);
    return false;
  }
  if (signal.index < 0) {
    PyErr_Format(state->invalid_value, "index is %lld; it counts ticks from 0", static_cast<long long>(signal.index));
    return false;
  }
  return true;
}

PyObject* new_signal(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static const char* names[] = {"price", "confidence", "take_profit", "stop", "index", "kind", nullptr};
  PanicSignal signal{};
  long long index = 0;
  PyObject* kind = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "ddddL|U:Signal", const_cast<char**>(names), &signal.price,
                                   &signal.confidence, &signal.take_profit, &signal.stop, &index, &kind)) {
    rename_overflow(state_of(type), "Signal");
    return nullptr;
  }
  signal.index = index;
  ModuleState* state = state_of(type);
  if (!is_valid_signal(state, signal)) return nullptr;
  if (kind == nullptr) return make_signal(type, state->panic_kind, signal);
  PyObject* plain = PyUnicode_FromObject(kind);
  if (plain == nullptr) return nullptr;
  PyObject* self = make_signal(type, plain, signal);
  Py_DECREF(plain);
  return self;
}

void dealloc_signal(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  Py_CLEAR(as_signal(self)->kind);
  FreeSignals& free = state_of(type)->free_signals;
  if (free.closed || free.count == FreeSignals::kMost) {
    type->tp_free(self);
  } else {
    free.memory[free.count++] = self;
  }
  Py_DECREF(type);
}

// The arguments that make an equal signal.
PyObject* as_tuple(PyObject* self) {
  const SignalObject* s = as_signal(self);
  return Py_BuildValue("(ddddLO)", s->price, s->confidence, s->take_profit, s->stop, s->index, s->kind);
}

PyObject* compare_signals(PyObject* self, PyObject* other, int operation) {
  if ((operation != Py_EQ && operation != Py_NE) || Py_TYPE(self) != Py_TYPE(other)) Py_RETURN_NOTIMPLEMENTED;
  PyObject* mine = as_tuple(self);
  PyObject* theirs = as_tuple(other);
  PyObject* result = mine == nullptr || theirs == nullptr ? nullptr : PyObject_RichCompare(mine, theirs, operation);
  Py_XDECREF(mine);
  Py_XDECREF(theirs);
  return result;
}

Py_hash_t hash_signal(PyObject* self) {
  PyObject* tuple = as_tuple(self);
  if (tuple == nullptr) return -1;
  const Py_hash_t hash = PyObject_Hash(tuple);
  Py_DECREF(tuple);
  return hash;
}

PyObject* repr_signal(PyObject* self) {
  PyObject* tuple = as_tuple(self);
  if (tuple == nullptr) return nullptr;
  PyObject* repr =
      PyUnicode_FromFormat("Signal(price=%R, confidence=%R, take_profit=%R, stop=%R, index=%R, kind=%R)",
                           PyTuple_GET_ITEM(tuple, 0), PyTuple_GET_ITEM(tuple, 1), PyTuple_GET_ITEM(tuple, 2),
                           PyTuple_GET_ITEM(tuple, 3), PyTuple_GET_ITEM(tuple, 4), PyTuple_GET_ITEM(tuple, 5));
  Py_DECREF(tuple);
  return repr;
}

PyObject* reduce_signal(PyObject* self, PyObject*) {
  PyObject* tuple = as_tuple(self);
  return tuple == nullptr ? nullptr : Py_BuildValue("(ON)", Py_TYPE(self), tuple);
}

PyMethodDef signal_methods[] = {
    {"__reduce__", reduce_signal, METH_NOARGS, PyDoc_STR("__reduce__($self, /)\n--\n\nSupport pickling and copying.")},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef signal_members[] = {
    {"kind", T_OBJECT_EX, offsetof(SignalObject, kind), READONLY, PyDoc_STR("What was found: 'panic'.")},
    {"price", T_DOUBLE, offsetof(SignalObject, price), READONLY, PyDoc_STR("The tick's price: the entry.")},
    {"confidence", T_DOUBLE, offsetof(SignalObject, confidence), READONLY,
     PyDoc_STR("How far beyond the thresholds, within 0 and 1.")},
    {"take_profit", T_DOUBLE, offsetof(SignalObject, take_profit), READONLY, PyDoc_STR("The price to sell at.")},
    {"stop", T_DOUBLE, offsetof(SignalObject, stop), READONLY, PyDoc_STR("The price to give up at.")},
    {"index", T_LONGLONG, offsetof(SignalObject, index), READONLY,
     PyDoc_STR("The tick that gave it, the detector's first being 0.")},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot signal_slots[] = {
    {Py_tp_doc, const_cast<char*>(PyDoc_STR(
                    "Signal(price, confidence, take_profit, stop, index, kind='panic')\n--\n\n"
                    "An entry that a detector proposes; immutable.\n\n"
                    "Args:\n"
                    "    price: The entry, greater than 0.\n"
                    "    confidence: How far beyond the thresholds, within 0 and 1; a score, not a probability.\n"
                    "    take_profit: The price to sell at, greater than 0.\n"
                    "    stop: The price to give up at, greater than 0.\n"
                    "    index: The tick that gave it, the first being 0.\n"
                    "    kind: What was found.\n\n"
                    "Raises:\n"
                    "    InvalidValueError: A price is not finite and positive, confidence is not within 0 and 1,\n"
                    "        or index is negative."))},
    {Py_tp_new, reinterpret_cast<void*>(new_signal)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc_signal)},
    {Py_tp_richcompare, reinterpret_cast<void*>(compare_signals)},
    {Py_tp_hash, reinterpret_cast<void*>(hash_signal)},
    {Py_tp_repr, reinterpret_cast<void*>(repr_signal)},
    {Py_tp_methods, signal_methods},
    {Py_tp_members, signal_members},
    {0, nullptr},
};

PyType_Spec signal_spec = {"latencykit._core.Signal", sizeof(SignalObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, signal_slots};

}  // namespace

PyObject* make_panic_signal(ModuleState* state, const PanicSignal& panic) {
  if (state->signal == nullptr) {  // A detector may outlive the module when the interpreter ends.
    PyErr_SetString(PyExc_RuntimeError, "the module is gone; make no signals while the interpreter exits");
    return nullptr;
  }
  return make_signal(state->signal, state->panic_kind, panic);
}

void close_free_signals(ModuleState* state) {
  state->free_signals.closed = true;
  while (state->free_signals.count > 0) PyObject_Free(state->free_signals.memory[--state->free_signals.count]);
}

int add_signal(PyObject* module) {
  ModuleState* state = state_of_module(module);
  state->panic_kind = PyUnicode_InternFromString("panic");
  if (state->panic_kind == nullptr) return -1;
  return add_type(module, &signal_spec, &state->signal);
}

}  // namespace latencykit::bind

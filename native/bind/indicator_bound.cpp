// Bound calls of indicators: everything is resolved and checked once, each call only computes.
#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <new>

#include "bind/indicator_call.h"
#include "structmember.h"

namespace latencykit::bind {
namespace {

// What a call relies on and the array's owner can change.
struct Form {
  const void* data;
  const PyArray_Descr* descr;
  int dimensions;
  npy_intp shape[2];

  static Form of(PyArrayObject* array) {
    Form form = {PyArray_DATA(array), PyArray_DESCR(array), PyArray_NDIM(array), {0, 0}};
    for (int i = 0; i < form.dimensions; ++i) form.shape[i] = PyArray_DIM(array, i);
    return form;
  }

  bool fits(PyArrayObject* array) const {
    if (PyArray_DATA(array) != data || PyArray_DESCR(array) != descr || PyArray_NDIM(array) != dimensions) return false;
    for (int i = 0; i < dimensions; ++i) {
      if (PyArray_DIM(array, i) != shape[i]) return false;
    }
    return true;
  }
};

struct BoundObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* function;
  IndicatorCall call;
  std::array<Form, kernels::kMostArrays> in, out;
};

BoundObject* as_bound(PyObject* self) { return reinterpret_cast<BoundObject*>(self); }

// ---- The call

bool refuse_changed(PyObject* self, const char* name) {
  PyErr_Format(state_of(Py_TYPE(self))->invalid_state,
               "%s was resized, or its dtype, memory or writability changed; bind again", name);
  return false;
}

bool check_unchanged(PyObject* self) {
  const BoundObject* bound = as_bound(self);
  const Arrays& arrays = bound->call.arrays;
  if (arrays.result == nullptr) [[unlikely]] {  // The collector has taken a cycle apart that this call is part of.
    PyErr_SetString(state_of(Py_TYPE(self))->invalid_state, "the arrays of this bound call are gone; bind again");
    return false;
  }
  for (std::size_t i = 0; i < arrays.inputs; ++i) {
    if (!bound->in[i].fits(arrays.in[i])) return refuse_changed(self, bound->call.function->input_names[i]);
  }
  for (std::size_t i = 0; i < arrays.outputs; ++i) {
    if (!bound->out[i].fits(arrays.out[i]) || !PyArray_ISWRITEABLE(arrays.out[i])) return refuse_changed(self, "out");
  }
  return true;
}

PyObject* call_bound(PyObject* self, PyObject* const*, std::size_t flags, PyObject* keywords) {
  if (PyVectorcall_NARGS(flags) != 0 || (keywords != nullptr && PyTuple_GET_SIZE(keywords) != 0)) {
    PyErr_SetString(PyExc_TypeError, "a bound call takes no arguments; all were given to bind()");
    return nullptr;
  }
  if (!check_unchanged(self) || !run(as_bound(self)->call)) return nullptr;
  return Py_NewRef(as_bound(self)->call.arrays.result);
}

// ---- The object

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_bound(self)->function);
  const Arrays& arrays = as_bound(self)->call.arrays;
  Py_VISIT(arrays.result);
  for (std::size_t i = 0; i < arrays.inputs; ++i) Py_VISIT(arrays.in[i]);
  for (std::size_t i = 0; i < arrays.outputs; ++i) Py_VISIT(arrays.out[i]);
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(as_bound(self)->function);
  release(&as_bound(self)->call.arrays);
  return 0;
}

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* repr(PyObject* self) {
  const BoundObject* bound = as_bound(self);
  const char* name = bound->call.function->name;
  if (bound->call.arrays.inputs == 0) return PyUnicode_FromFormat("<Bound %s>", name);
  PyObject* shape = PyArray_IntTupleFromIntp(bound->in[0].dimensions, bound->in[0].shape);
  if (shape == nullptr) return nullptr;
  PyObject* text = PyUnicode_FromFormat("<Bound %s of %s %R>", name,
                                        bound->call.arrays.type() == NPY_DOUBLE ? "float64" : "float32", shape);
  Py_DECREF(shape);
  return text;
}

PyObject* get_inputs(PyObject* self, void*) {
  const Arrays& arrays = as_bound(self)->call.arrays;
  PyObject* inputs = PyTuple_New(static_cast<Py_ssize_t>(arrays.inputs));
  for (std::size_t i = 0; inputs != nullptr && i < arrays.inputs; ++i) {
    PyTuple_SET_ITEM(inputs, static_cast<Py_ssize_t>(i), Py_NewRef(as_object(arrays.in[i])));
  }
  return inputs;
}

PyObject* get_out(PyObject* self, void*) {
  PyObject* out = as_bound(self)->call.arrays.result;
  return Py_NewRef(out == nullptr ? Py_None : out);
}

PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(BoundObject, vectorcall), READONLY, nullptr},
    {"function", T_OBJECT, offsetof(BoundObject, function), READONLY, "The function that was bound."},
    {nullptr, 0, 0, 0, nullptr},
};

PyGetSetDef properties[] = {
    {"inputs", get_inputs, nullptr, "The arrays that each call reads.", nullptr},
    {"out", get_out, nullptr, "The array, or the arrays, that each call writes and returns.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

// Beside the vectorcall, so that inspection tells that there are no arguments.
PyObject* call_method(PyObject* self, PyObject*) { return call_bound(self, nullptr, 0, nullptr); }

PyMethodDef methods[] = {
    {"__call__", call_method, METH_NOARGS | METH_COEXIST, "__call__($self, /)\n--\n\nCompute again and return out."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, item, /)\n--\n\nFor annotations, as Bound[NDArray[float64]]."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc,
     const_cast<char*>("A call of an indicator whose arguments are fixed; see `bind`.\n\n"
                       "Calling it computes again, from what the inputs hold by then, into the same out, and\n"
                       "returns out.\n\n"
                       "Raises:\n"
                       "    InvalidStateError: An array was resized or made read-only since it was bound.")},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_repr, reinterpret_cast<void*>(repr)},
    {Py_tp_members, members},
    {Py_tp_getset, properties},
    {Py_tp_methods, methods},
    {0, nullptr},
};

PyType_Spec spec = {
    "latencykit._core.Bound",
    sizeof(BoundObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION |
        Py_TPFLAGS_HAVE_VECTORCALL,
    slots,
};

// ---- bind()

// A copy would not see what the caller writes into its array later.
bool check_borrowed(ModuleState* state, const IndicatorCall& call, const PassedArguments& passed) {
  for (std::size_t i = 0; i < call.function->inputs; ++i) {
    if (as_object(call.arrays.in[i]) == passed.inputs[i]) continue;
    const char* name = call.function->input_names[i];
    PyErr_Format(
        state->invalid_value,
        "%s would be copied, and bound calls would never see it change; bind a C-contiguous float64 or float32 "
        "array, such as numpy.array(%s, float)",
        name, name);
    return false;
  }
  return true;
}

// New arrays hold NaN until they are written.
bool fill_with_nan(const IndicatorCall& call) {
  PyObject* nan = PyFloat_FromDouble(Py_NAN);
  bool filled = nan != nullptr;
  for (std::size_t i = 0; filled && i < call.function->outputs; ++i) {
    filled = PyArray_FillWithScalar(call.arrays.out[i], nan) == 0;
  }
  Py_XDECREF(nan);
  return filled;
}

// Takes the call's arrays over.
PyObject* make_bound(ModuleState* state, PyObject* function, IndicatorCall* call) {
  PyObject* self = state->bound->tp_alloc(state->bound, 0);
  if (self == nullptr) return nullptr;
  BoundObject* bound = as_bound(self);
  bound->vectorcall = call_bound;
  bound->function = Py_NewRef(function);
  new (&bound->call) IndicatorCall(*call);
  const Arrays& arrays = bound->call.arrays;
  call->arrays.inputs = call->arrays.outputs = 0;
  call->arrays.result = nullptr;
  for (std::size_t i = 0; i < arrays.inputs; ++i) bound->in[i] = Form::of(arrays.in[i]);
  for (std::size_t i = 0; i < arrays.outputs; ++i) bound->out[i] = Form::of(arrays.out[i]);
  if (check_as_taken(state, arrays)) return self;  // The allocation may have run the collector.
  Py_DECREF(self);
  return nullptr;
}

PyObject* bind(PyObject* module, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
  ModuleState* state = state_of_module(module);
  if (count < 1) {
    PyErr_SetString(PyExc_TypeError, "bind() is missing a required argument: the function to bind");
    return nullptr;
  }
  const IndicatorFunction* function = function_behind(args[0]);
  if (function == nullptr) {
    return PyErr_Format(state->invalid_type, "bind() takes one of the indicator functions, such as ema, not %R",
                        args[0]);
  }
  PassedArguments passed;
  IndicatorCall call;
  PyObject* bound = nullptr;
  if (resolve(state, *function, args + 1, count - 1, keywords, &passed, &call) && check_borrowed(state, call, passed) &&
      (passed.out == nullptr || passed.out == Py_None ? fill_with_nan(call) : true)) {
    bound = make_bound(state, args[0], &call);
  }
  release(&call.arrays);
  return bound;
}

PyMethodDef functions[] = {
    {"bind", as_method(bind), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("bind(function, /, *args, **kwargs)\n--\n\n"
               "Fix the arguments of an indicator function and return a call that only computes.\n\n"
               "The arguments are read and checked here, once. Each call of what is returned reads the same arrays,\n"
               "with what they hold by then, and writes the same `out`. Without `out`, arrays are made here; they\n"
               "hold NaN until the first call. Nothing is computed here.\n\n"
               "Args:\n"
               "    function: One of the indicator functions of this module.\n"
               "    args: Its arguments by position. Arrays must be C-contiguous float64 or float32 NumPy arrays in\n"
               "        native byte order: of anything else a bound call would see only a copy.\n"
               "    kwargs: Its arguments by name.\n\n"
               "Returns:\n"
               "    A callable without arguments that computes and returns `out`.\n\n"
               "Raises:\n"
               "    InvalidTypeError: function is not one of the indicators, or as for the function.\n"
               "    InvalidValueError: An array would be copied, or as for the function.")},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_bound(PyObject* module) {
  if (PyModule_AddFunctions(module, functions) < 0) return -1;
  return add_type(module, &spec, &state_of_module(module)->bound);
}

}  // namespace latencykit::bind

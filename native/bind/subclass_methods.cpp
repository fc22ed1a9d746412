#include "bind/subclass_methods.h"

namespace latencykit::bind {
namespace {

// What a class itself has under a name; borrowed, or nullptr.
PyObject* own_attribute(PyTypeObject* type, PyObject* name) {
#if PY_VERSION_HEX >= 0x030C0000
  PyObject* dictionary = PyType_GetDict(type);
#else
  PyObject* dictionary = Py_XNewRef(type->tp_dict);
#endif
  PyObject* found = dictionary == nullptr ? nullptr : PyDict_GetItemWithError(dictionary, name);
  Py_XDECREF(dictionary);
  return found;
}

// Whether an attribute is this method of ours, as a descriptor of any class.
bool is_method(PyObject* attribute, const PyMethodDef* method) {
  return Py_IS_TYPE(attribute, &PyMethodDescr_Type) &&
         reinterpret_cast<PyMethodDescrObject*>(attribute)->d_method == method;
}

// The method that a subclass inherits, passing over the descriptors that classes were given here: those of one base
// would hide what the base after it makes of the method, and *hidden says that they do. Borrowed, or nullptr.
PyObject* inherited_method(PyTypeObject* base, PyTypeObject* subclass, const PyMethodDef* method, PyObject* name,
                           bool* hidden) {
  PyObject* order = subclass->tp_mro;
  *hidden = false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(order); ++i) {
    auto* type = reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(order, i));
    PyObject* found = own_attribute(type, name);
    if (found == nullptr && PyErr_Occurred()) return nullptr;
    if (found == nullptr) continue;
    if (type == base || !is_method(found, method) || PyDescr_TYPE(found) != type) return found;
    *hidden = true;
  }
  return nullptr;
}

// Gives the subclass a descriptor of its own for a method of ours, or the other method that a base's descriptor
// would hide. 0, or -1 with an error.
int give_own_method(PyTypeObject* base, PyTypeObject* subclass, PyMethodDef* method, PyObject* name) {
  bool hidden = false;
  PyObject* inherited = inherited_method(base, subclass, method, name, &hidden);
  if (inherited == nullptr) return PyErr_Occurred() ? -1 : 0;
  const bool ours = is_method(inherited, method);
  if (!ours && !hidden) return 0;
  PyObject* own = ours ? PyDescr_NewMethod(subclass, method) : Py_NewRef(inherited);
  const int set = own == nullptr ? -1 : PyObject_SetAttr(reinterpret_cast<PyObject*>(subclass), name, own);
  Py_XDECREF(own);
  return set;
}

int give_own_methods(PyTypeObject* base, PyTypeObject* subclass, PyMethodDef* methods) {
  for (PyMethodDef* method = methods; method->ml_name != nullptr; ++method) {
    if ((method->ml_flags & METH_CLASS) != 0) continue;
    PyObject* name = PyUnicode_InternFromString(method->ml_name);
    const int given = name == nullptr ? -1 : give_own_method(base, subclass, method, name);
    Py_XDECREF(name);
    if (given < 0) return -1;
  }
  return 0;
}

}  // namespace

PyObject* init_subclass_with_methods(PyTypeObject* base, PyMethodDef* methods, PyObject* subclass, PyObject* arguments,
                                     PyObject* keywords) {
  auto* type = reinterpret_cast<PyTypeObject*>(subclass);
  PyObject* next = PyObject_CallFunctionObjArgs(reinterpret_cast<PyObject*>(&PySuper_Type), base, subclass, nullptr);
  PyObject* method = next == nullptr ? nullptr : PyObject_GetAttrString(next, "__init_subclass__");
  PyObject* answer = method == nullptr ? nullptr : PyObject_Call(method, arguments, keywords);
  Py_XDECREF(method);
  Py_XDECREF(next);
  if (answer != nullptr && give_own_methods(base, type, methods) < 0) Py_CLEAR(answer);
  return answer;
}

}  // namespace latencykit::bind

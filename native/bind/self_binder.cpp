#include "bind/self_binder.h"

namespace latencykit::bind {
namespace {

struct SelfBinderObject {
  PyObject_HEAD PyObject* method;  // the method descriptor that it stands in for
};

PyObject* binder_method(PyObject* self) { return reinterpret_cast<SelfBinderObject*>(self)->method; }

PyObject* bind_self(PyObject* self, PyObject* object, PyObject* type) {
  PyObject* method = binder_method(self);
  if (object != nullptr && Py_TYPE(object) == PyDescr_TYPE(method)) return Py_NewRef(object);
  return Py_TYPE(method)->tp_descr_get(method, object, type);
}

int traverse_binder(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(binder_method(self));
  return 0;
}

// No tp_clear: the cycle through the type's dictionary is cleared there.
void deallocate_binder(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_DECREF(binder_method(self));
  type->tp_free(self);
  Py_DECREF(type);
}

PyType_Slot binder_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate_binder)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse_binder)},
    {Py_tp_descr_get, reinterpret_cast<void*>(bind_self)},
    {0, nullptr},
};

PyType_Spec binder_spec = {
    "latencykit._core._SelfBinder",
    sizeof(SelfBinderObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    binder_slots,
};

// Puts a binder in the place of one of a type's methods. 0, or -1 with an error.
int put_binder(PyTypeObject* binder_type, PyObject* type, const char* name) {
  PyObject* method = PyObject_GetAttrString(type, name);
  if (method == nullptr) return -1;
  PyObject* binder = binder_type->tp_alloc(binder_type, 0);
  if (binder == nullptr) {
    Py_DECREF(method);
    return -1;
  }
  reinterpret_cast<SelfBinderObject*>(binder)->method = method;
  const int failed = PyObject_SetAttrString(type, name, binder);
  Py_DECREF(binder);
  return failed;
}

}  // namespace

int bind_by_self(PyObject* module, PyTypeObject* type, std::initializer_list<const char*> methods) {
  PyObject* binder = PyType_FromModuleAndSpec(module, &binder_spec, nullptr);
  if (binder == nullptr) return -1;
  int failed = 0;
  for (const char* method : methods) {
    failed = put_binder(reinterpret_cast<PyTypeObject*>(binder), reinterpret_cast<PyObject*>(type), method);
    if (failed != 0) break;
  }
  Py_DECREF(binder);
  return failed;
}

}  // namespace latencykit::bind

// How a SharedRing comes to be: made or attached to, its dtype as text and back, and what is said when it cannot.
#include <string>
#include <string_view>

#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>

#include "bind/shared_names.h"
#include "bind/shared_ring.h"
#include "bind/types.h"

namespace latencykit::bind {
namespace {

// ---- arguments

bool read_count(ModuleState* state, PyObject* argument, const char* name, std::uint64_t most, std::uint64_t* count) {
  if (!PyIndex_Check(argument)) {
    PyErr_Format(state->invalid_type, "%s must be an int, not %R", name, argument);
    return false;
  }
  const Py_ssize_t value = PyNumber_AsSsize_t(argument, nullptr);  // Clips what is too large.
  if (value == -1 && PyErr_Occurred()) return false;
  if (value < 1 || static_cast<std::uint64_t>(value) > most) {
    PyErr_Format(state->invalid_value, "%s %R is out of range; use 1 to %llu", name, argument,
                 static_cast<unsigned long long>(most));
    return false;
  }
  *count = static_cast<std::uint64_t>(value);
  return true;
}

PyArray_Descr* read_dtype(ModuleState* state, PyObject* argument) {
  PyArray_Descr* dtype = nullptr;
  if (PyArray_DescrConverter(argument, &dtype) == NPY_SUCCEED) return dtype;
  PyErr_Clear();
  PyErr_Format(state->invalid_type, "dtype must be a NumPy dtype, such as np.dtype([('price', 'f8')]), not %R",
               argument);
  return nullptr;
}

// ---- a dtype as text

PyObject* new_call(const char* module, const char* function, PyObject* argument) {
  PyObject* home = PyImport_ImportModule(module);
  if (home == nullptr) return nullptr;
  PyObject* result = PyObject_CallMethod(home, function, "O", argument);
  Py_DECREF(home);
  return result;
}

// The dtype that this text, made by text_of(), is of. The text may be anything.
PyArray_Descr* dtype_of(PyObject* text) {
  PyObject* description = new_call("ast", "literal_eval", text);
  if (description == nullptr) return nullptr;
  PyObject* dtype = new_call("numpy.lib.format", "descr_to_dtype", description);
  Py_DECREF(description);
  if (dtype != nullptr && !PyArray_DescrCheck(dtype)) Py_CLEAR(dtype);
  return reinterpret_cast<PyArray_Descr*>(dtype);
}

bool can_be_shared(const PyArray_Descr* dtype) {
  return !PyDataType_REFCHK(dtype) && PyDataType_ELSIZE(dtype) > 0 && !PyDataType_HASSUBARRAY(dtype);
}

// The text of a dtype, or nullptr if there is none from which it can be made again.
PyObject* text_of(PyArray_Descr* dtype) {
  PyObject* self = reinterpret_cast<PyObject*>(dtype);
  PyObject* description = PyObject_GetAttrString(self, PyDataType_HASFIELDS(dtype) ? "descr" : "str");
  if (description == nullptr) return nullptr;
  PyObject* text = PyObject_Repr(description);
  Py_DECREF(description);
  if (text == nullptr) return nullptr;
  PyArray_Descr* again = dtype_of(text);
  const bool same = again != nullptr && PyArray_EquivTypes(again, dtype);
  Py_XDECREF(reinterpret_cast<PyObject*>(again));
  if (!same) Py_CLEAR(text);
  return text;
}

PyObject* checked_text(ModuleState* state, PyArray_Descr* dtype) {
  PyObject* self = reinterpret_cast<PyObject*>(dtype);
  if (!can_be_shared(dtype)) {
    return PyErr_Format(state->invalid_type,
                        "dtype %R cannot be shared: records must have a fixed size above 0 and hold no Python objects; "
                        "use numbers, S or V of a fixed length, and put arrays into fields",
                        self);
  }
  if (static_cast<std::uint64_t>(PyDataType_ELSIZE(dtype)) > RingShape::kMostRecordBytes) {
    return PyErr_Format(state->invalid_value, "dtype %R has records of %zd bytes; the most is %llu", self,
                        static_cast<Py_ssize_t>(PyDataType_ELSIZE(dtype)),
                        static_cast<unsigned long long>(RingShape::kMostRecordBytes));
  }
  PyObject* text = text_of(dtype);
  if (text == nullptr || PyUnicode_GET_LENGTH(text) > static_cast<Py_ssize_t>(RingBlock::kLongestText / 4)) {
    Py_CLEAR(text);
    PyErr_Clear();
    return PyErr_Format(state->invalid_type,
                        "dtype %R cannot be told to other processes; put its fields in the order of their offsets, "
                        "without overlap or types of other packages",
                        self);
  }
  return text;
}

// ---- making the object

// Steals the dtype.
PyObject* new_ring(PyTypeObject* type, std::shared_ptr<RingPeer> peer, PyArray_Descr* dtype, PyObject* name_argument) {
  PyObject* name = PyUnicode_FromObject(name_argument);
  PyObject* object = name == nullptr ? nullptr : type->tp_alloc(type, 0);
  if (object == nullptr) {
    Py_XDECREF(name);
    Py_DECREF(reinterpret_cast<PyObject*>(dtype));
    return nullptr;
  }
  SharedRingObject* self = as_ring(object);
  self->capacity = peer->block().shape().capacity;
  self->max_producers = peer->block().shape().lanes;
  ::new (&self->peer) std::shared_ptr<RingPeer>(std::move(peer));
  self->dtype = dtype;
  self->name = name;
  return object;
}

PyArray_Descr* refuse_dtype(ModuleState* state, PyObject* name) {
  PyErr_Format(state->data_error,
               "shared memory %R holds a ring whose dtype cannot be read; use another name, or free this one with "
               "SharedRing.remove(%R)",
               name, name);
  return nullptr;
}

// The dtype of a ring that another process made.
PyArray_Descr* dtype_of_ring(ModuleState* state, PyObject* name, const RingBlock& block) {
  const std::string copy(block.text());
  PyObject* text = PyUnicode_DecodeUTF8(copy.data(), static_cast<Py_ssize_t>(copy.size()), "replace");
  if (text == nullptr) return nullptr;
  PyArray_Descr* dtype = dtype_of(text);
  Py_DECREF(text);
  if (dtype == nullptr) {
    PyErr_Clear();
    return refuse_dtype(state, name);
  }
  if (can_be_shared(dtype) && static_cast<std::uint64_t>(PyDataType_ELSIZE(dtype)) == block.shape().record_bytes) {
    return dtype;
  }
  Py_DECREF(reinterpret_cast<PyObject*>(dtype));
  return refuse_dtype(state, name);
}

// `found` if it is what is expected, which may be nothing. Steals `found`.
PyArray_Descr* as_expected(ModuleState* state, PyObject* name, PyArray_Descr* found, PyObject* expected) {
  if (found == nullptr || expected == Py_None) return found;
  PyArray_Descr* wanted = read_dtype(state, expected);
  if (wanted != nullptr && !PyArray_EquivTypes(found, wanted)) {
    PyErr_Format(state->invalid_type, "ring %R has the dtype %R, not %R; attach with that, or without a dtype", name,
                 reinterpret_cast<PyObject*>(found), reinterpret_cast<PyObject*>(wanted));
    Py_CLEAR(wanted);
  }
  Py_DECREF(reinterpret_cast<PyObject*>(found));
  return wanted;
}

// Runs f() without the GIL; what it throws becomes an exception of ours.
template <typename F>
bool caught_without_gil(ModuleState* state, PyObject* name, F f) {
  const std::exception_ptr thrown = thrown_without_gil(f);
  return caught(state, name, [&] {
    if (thrown) std::rethrow_exception(thrown);
  });
}

}  // namespace

// ---- what went wrong

void raise_ring_error(ModuleState* state, PyObject* name, const RingError& error) {
  switch (error.reason()) {
    case RingError::Reason::kExists:
      PyErr_Format(state->invalid_state,
                   "shared memory %R %s; join its ring with SharedRing.attach(%R), or free the name with "
                   "SharedRing.remove(%R)",
                   name, error.what(), name, name);
      return;
    case RingError::Reason::kUnstable:
      PyErr_Format(state->invalid_state, "shared memory %R %s; use a name of your own", name, error.what());
      return;
    default:
      PyErr_Format(state->data_error,
                   "shared memory %R %s; use another name, or free this one with SharedRing.remove(%R)", name,
                   error.what(), name);
  }
}

void raise_ring_damaged(ModuleState* state, PyObject* name) {
  PyErr_Format(state->data_error,
               "ring %R is damaged: a position in its memory cannot be; some process wrote over it. Free it with "
               "SharedRing.remove(%R) and make a new one",
               name, name);
}

void raise_ring_cut(ModuleState* state, PyObject* name) {
  PyErr_Format(state->data_error,
               "ring %R has lost its memory: some process cut its file short, or /dev/shm is full. Free it with "
               "SharedRing.remove(%R) and make a new one",
               name, name);
}

void raise_memory_error(ModuleState* state, PyObject* name, const std::system_error& error) {
  raise_memory_error(
      state, name, error,
      {"SharedRing", "rings", "there is no shared memory %R; make a ring with SharedRing.create(%R, dtype, capacity)"});
}

PyObject* shared_ring_create(PyObject* type_object, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"name", "dtype", "capacity", "producers", nullptr};
  auto* type = reinterpret_cast<PyTypeObject*>(type_object);
  ModuleState* state = state_of(type);
  PyObject *name_argument = nullptr, *dtype_argument = nullptr, *capacity = nullptr, *producers = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|$O:create", const_cast<char**>(names), &name_argument,
                                   &dtype_argument, &capacity, &producers)) {
    return nullptr;
  }
  RingShape shape{0, 0, 1};
  const auto name = read_shared_name(state, name_argument);
  if (!name || !read_count(state, capacity, "capacity", RingShape::kMostCapacity, &shape.capacity)) return nullptr;
  if (producers != nullptr && !read_count(state, producers, "producers", RingShape::kMostLanes, &shape.lanes)) {
    return nullptr;
  }
  PyArray_Descr* dtype = read_dtype(state, dtype_argument);
  if (dtype == nullptr) return nullptr;
  PyObject* text_object = checked_text(state, dtype);
  Py_ssize_t length = 0;
  const char* text = text_object == nullptr ? nullptr : PyUnicode_AsUTF8AndSize(text_object, &length);
  std::shared_ptr<RingPeer> peer;
  bool made = false;
  if (text != nullptr) {
    shape.record_bytes = static_cast<std::uint64_t>(PyDataType_ELSIZE(dtype));
    made = caught_without_gil(state, name_argument, [&] {
      peer = RingPeer::create(*name, shape, std::string_view(text, static_cast<std::size_t>(length)));
    });
  }
  Py_XDECREF(text_object);
  if (made) return new_ring(type, std::move(peer), dtype, name_argument);
  Py_DECREF(reinterpret_cast<PyObject*>(dtype));
  return nullptr;
}

PyObject* shared_ring_attach(PyObject* type_object, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"name", "dtype", nullptr};
  auto* type = reinterpret_cast<PyTypeObject*>(type_object);
  ModuleState* state = state_of(type);
  PyObject* name_argument = nullptr;
  PyObject* expected = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:attach", const_cast<char**>(names), &name_argument, &expected)) {
    return nullptr;
  }
  const auto name = read_shared_name(state, name_argument);
  if (!name) return nullptr;
  std::shared_ptr<RingPeer> peer;
  if (!caught_without_gil(state, name_argument, [&] { peer = RingPeer::attach(*name); })) return nullptr;
  PyArray_Descr* dtype =
      as_expected(state, name_argument, dtype_of_ring(state, name_argument, peer->block()), expected);
  return dtype == nullptr ? nullptr : new_ring(type, std::move(peer), dtype, name_argument);
}

PyObject* shared_ring_remove(PyObject* type_object, PyObject* name_argument) {
  ModuleState* state = state_of(reinterpret_cast<PyTypeObject*>(type_object));
  const auto name = read_shared_name(state, name_argument);
  if (!name) return nullptr;
  bool used = false;
  bool removed = false;
  if (!caught_without_gil(state, name_argument, [&] { removed = RingPeer::remove(*name, &used); })) return nullptr;
  if (used) {
    return PyErr_Format(state->invalid_state,
                        "ring %R has a producer or a consumer; let it call unlink(), or end it first", name_argument);
  }
  return PyBool_FromLong(removed);
}

}  // namespace latencykit::bind

// RecordQueue for Python: rows of a NumPy structured dtype, copied by value.
//
// The ring's memory holds bytes only: a dtype with objects is refused, so there is nothing for the collector to see.
// One row comes out as a scalar of its own memory, many as an array.
#include "bind/queues.h"
#include "latency/record_ring.h"

#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>

#include <algorithm>
#include <new>
#include <vector>

namespace latencykit::bind {
namespace {

struct RecordQueueObject {
  PyObject ob_base;
  RecordRing* ring;
  PyArray_Descr* dtype;
  std::vector<char>* zeros;  // A row of zeros, from which scalars are made before they are filled.
  QueueEnds ends;
};

RecordQueueObject* as_queue(PyObject* object) { return reinterpret_cast<RecordQueueObject*>(object); }
PyObject* as_object(PyArray_Descr* dtype) { return reinterpret_cast<PyObject*>(dtype); }
PyArrayObject* as_array(PyObject* object) { return reinterpret_cast<PyArrayObject*>(object); }
ModuleState* state(RecordQueueObject* self) { return state_of(Py_TYPE(&self->ob_base)); }

bool same_layout(RecordQueueObject* self, PyArray_Descr* dtype) {
  return dtype == self->dtype || PyArray_EquivTypes(dtype, self->dtype);
}

// ---- pushing

PyObject* refuse_dtype(RecordQueueObject* self, PyArray_Descr* dtype) {
  return PyErr_Format(state(self)->invalid_type,
                      "records have dtype %S, the queue holds %S; convert them with .astype(queue.dtype)",
                      as_object(dtype), as_object(self->dtype));
}

// Fills one row from a tuple, as NumPy does in an assignment.
bool row_from_tuple(RecordQueueObject* self, PyObject* tuple, char* row) {
  const npy_intp none = 0;
  Py_INCREF(as_object(self->dtype));
  PyObject* array = PyArray_NewFromDescr(&PyArray_Type, self->dtype, 0, &none, nullptr, row, NPY_ARRAY_CARRAY, nullptr);
  if (array == nullptr) return false;
  const int failed = PyArray_SETITEM(as_array(array), row, tuple);
  Py_DECREF(array);
  if (failed == 0) return true;
  // Ctrl-C, or too little memory, in the code of a field's object is no fault of the record.
  if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError)) return false;
  PyObject *kind, *why, *trace;
  PyErr_Fetch(&kind, &why, &trace);
  PyErr_NormalizeException(&kind, &why, &trace);
  PyErr_Format(state(self)->invalid_value, "%R does not fit into a record of %S (%S)", tuple, as_object(self->dtype),
               why == nullptr ? Py_None : why);
  Py_XDECREF(kind);
  Py_XDECREF(why);
  Py_XDECREF(trace);
  return false;
}

// 1 if pushed, 0 if full, -1 with an error.
int push_bytes(RecordQueueObject* self, const char* row) {
  if (self->ends.closed) {
    refuse_closed(state(self), "; nothing can be pushed");
    return -1;
  }
  if (!self->ring->try_push(row)) return 0;
  notify(self->ends.filled, 1);
  return 1;
}

// What is to be pushed, as bytes: those of a scalar itself, or of `made`, which is filled from a tuple.
const char* row_of(RecordQueueObject* self, PyObject* record, std::vector<char>* made) {
  if (PyArray_IsScalar(record, Void)) {
    auto* scalar = reinterpret_cast<PyVoidScalarObject*>(record);
    auto* dtype = reinterpret_cast<PyArray_Descr*>(scalar->descr);
    if (same_layout(self, dtype)) return scalar->obval;
    refuse_dtype(self, dtype);
    return nullptr;
  }
  if (!PyTuple_Check(record)) {
    PyErr_Format(state(self)->invalid_type,
                 "%R is not a record; push a row of an array of dtype %S, or a tuple of its fields", record,
                 as_object(self->dtype));
    return nullptr;
  }
  try {
    *made = *self->zeros;
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
    return nullptr;
  }
  return row_from_tuple(self, record, made->data()) ? made->data() : nullptr;
}

PyObject* queue_try_push(PyObject* object, PyObject* record) {
  RecordQueueObject* self = as_queue(object);
  std::vector<char> made;
  const char* row = row_of(self, record, &made);
  if (row == nullptr) return nullptr;
  const int pushed = push_bytes(self, row);
  return pushed < 0 ? nullptr : Py_NewRef(pushed != 0 ? Py_True : Py_False);
}

PyObject* queue_push(PyObject* object, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  RecordQueueObject* self = as_queue(object);
  if (count < 1) return PyErr_Format(state(self)->invalid_type, "push() takes the record to push, and timeout");
  PyObject* timeout_argument = Py_None;
  double timeout = 0;
  if (!read_optional(state(self), "push", "timeout", arguments + 1, count - 1, names, &timeout_argument) ||
      !read_timeout(state(self), timeout_argument, &timeout)) {
    return nullptr;
  }
  std::vector<char> made;
  const char* row = row_of(self, arguments[0], &made);
  const auto try_once = [&] { return push_bytes(self, row); };
  if (row == nullptr || push_waiting(*self->ring, self->ends, timeout, try_once) < 0) return nullptr;
  Py_RETURN_NONE;
}

PyObject* queue_push_many(PyObject* object, PyObject* argument) {
  RecordQueueObject* self = as_queue(object);
  if (!PyArray_Check(argument)) {
    return PyErr_Format(state(self)->invalid_type,
                        "push_many() takes an array of dtype %S, not %R; make one with np.array(rows, queue.dtype)",
                        as_object(self->dtype), argument);
  }
  PyArrayObject* records = as_array(argument);
  if (!same_layout(self, PyArray_DESCR(records))) return refuse_dtype(self, PyArray_DESCR(records));
  if (PyArray_NDIM(records) != 1) {
    return PyErr_Format(state(self)->invalid_value,
                        "the array has %d dimensions; push one row after the other, such as records.ravel()",
                        PyArray_NDIM(records));
  }
  if (self->ends.closed) return refuse_closed(state(self), "; nothing can be pushed");
  const std::size_t done = self->ring->push_many(PyArray_BYTES(records), PyArray_STRIDE(records, 0),
                                                 static_cast<std::size_t>(PyArray_DIM(records, 0)));
  if (done != 0) notify(self->ends.filled, done);
  return PyLong_FromSize_t(done);
}

// ---- popping

// A new scalar of the oldest row; nullptr without an error if there is none. The scalar is made first, because making it
// may run other Python code, and a row that has left the ring must arrive.
PyObject* pop_one(RecordQueueObject* self) {
  if (self->ring->size() == 0) return nullptr;
  PyObject* scalar = PyArray_Scalar(self->zeros->data(), self->dtype, nullptr);
  if (scalar == nullptr) return nullptr;
  if (self->ring->pop_many(reinterpret_cast<PyVoidScalarObject*>(scalar)->obval, 1) == 1) {
    notify(self->ends.emptied, 1);
    return scalar;
  }
  Py_DECREF(scalar);
  return nullptr;
}

PyObject* queue_try_pop(PyObject* object, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  RecordQueueObject* self = as_queue(object);
  PyObject* otherwise = Py_None;
  if (!read_optional(state(self), "try_pop", "default", arguments, count, names, &otherwise)) return nullptr;
  PyObject* record = pop_one(self);
  if (record != nullptr || PyErr_Occurred()) return record;
  return self->ends.closed ? refuse_drained(state(self)) : Py_NewRef(otherwise);
}

PyObject* queue_pop(PyObject* object, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  RecordQueueObject* self = as_queue(object);
  PyObject* timeout_argument = Py_None;
  double timeout = 0;
  if (!read_optional(state(self), "pop", "timeout", arguments, count, names, &timeout_argument) ||
      !read_timeout(state(self), timeout_argument, &timeout)) {
    return nullptr;
  }
  return pop_waiting(state(self), *self->ring, self->ends, timeout, [self] { return pop_one(self); });
}

// The caller's array to pop into, or nullptr with an error.
PyArrayObject* read_out(RecordQueueObject* self, PyObject* argument) {
  if (!PyArray_Check(argument)) {
    PyErr_Format(state(self)->invalid_type, "out must be an array of dtype %S, not %R", as_object(self->dtype),
                 argument);
    return nullptr;
  }
  PyArrayObject* out = as_array(argument);
  if (!same_layout(self, PyArray_DESCR(out))) {
    refuse_dtype(self, PyArray_DESCR(out));
    return nullptr;
  }
  if (PyArray_NDIM(out) != 1 || !PyArray_IS_C_CONTIGUOUS(out) || !PyArray_ISWRITEABLE(out)) {
    PyErr_Format(state(self)->invalid_value,
                 "out must be writable, contiguous and of one dimension; make one with np.empty(n, queue.dtype)");
    return nullptr;
  }
  return out;
}

PyArrayObject* new_rows(RecordQueueObject* self, std::size_t count) {
  npy_intp length = static_cast<npy_intp>(count);
  Py_INCREF(as_object(self->dtype));
  return as_array(PyArray_NewFromDescr(&PyArray_Type, self->dtype, 1, &length, nullptr, nullptr, 0, nullptr));
}

PyObject* queue_pop_many(PyObject* object, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"max_items", "out", nullptr};
  RecordQueueObject* self = as_queue(object);
  PyObject *most_argument = Py_None, *out_argument = Py_None;
  std::size_t most = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO", const_cast<char**>(names), &most_argument, &out_argument) ||
      !read_most(state(self), most_argument, &most)) {
    return nullptr;
  }
  PyArrayObject* out = nullptr;
  if (out_argument != Py_None) {
    out = read_out(self, out_argument);
    if (out == nullptr) return nullptr;
    most = std::min(most, static_cast<std::size_t>(PyArray_DIM(out, 0)));
    Py_INCREF(out_argument);
  }
  if (self->ends.closed && self->ring->size() == 0) {
    Py_XDECREF(reinterpret_cast<PyObject*>(out));
    return refuse_drained(state(self));
  }
  if (out == nullptr) out = new_rows(self, std::min(most, self->ring->size()));
  if (out == nullptr) return nullptr;
  const std::size_t room = std::min(most, static_cast<std::size_t>(PyArray_DIM(out, 0)));
  const std::size_t done = self->ring->pop_many(PyArray_BYTES(out), room);
  if (done != 0) notify(self->ends.emptied, done);
  PyObject* rows = reinterpret_cast<PyObject*>(out);
  if (out_argument == Py_None && static_cast<npy_intp>(done) == PyArray_DIM(out, 0)) return rows;
  PyObject* filled = PySequence_GetSlice(rows, 0, static_cast<Py_ssize_t>(done));
  Py_DECREF(rows);
  return filled;
}

// ---- the queue as a whole

PyObject* queue_close(PyObject* object, PyObject*) {
  close_ends(as_queue(object)->ends);
  Py_RETURN_NONE;
}
PyObject* queue_closed(PyObject* object, void*) { return PyBool_FromLong(as_queue(object)->ends.closed); }
PyObject* queue_capacity(PyObject* object, void*) { return PyLong_FromSize_t(as_queue(object)->ring->capacity()); }
PyObject* queue_dtype(PyObject* object, void*) { return Py_NewRef(as_object(as_queue(object)->dtype)); }
Py_ssize_t queue_length(PyObject* object) { return static_cast<Py_ssize_t>(as_queue(object)->ring->size()); }

PyObject* queue_repr(PyObject* object) {
  const RecordQueueObject* self = as_queue(object);
  return PyUnicode_FromFormat("<RecordQueue of %zu records of %zu bytes, %zu queued%s>", self->ring->capacity(),
                              self->ring->record_bytes(), self->ring->size(), self->ends.closed ? ", closed" : "");
}

// A structured dtype of plain bytes: a new reference, or nullptr with an error.
PyArray_Descr* read_dtype(ModuleState* state, PyObject* argument) {
  PyArray_Descr* dtype = nullptr;
  if (!PyArray_DescrConverter(argument, &dtype)) {
    PyErr_Clear();
    PyErr_Format(state->invalid_type, "dtype %R is unknown to NumPy; pass a structured dtype", argument);
    return nullptr;
  }
  const char* wrong = nullptr;
  if (!PyDataType_HASFIELDS(dtype) || PyDataType_ELSIZE(dtype) == 0) {
    wrong = "has no fields; give it some, such as np.dtype([('value', 'f8')])";
  } else if (dtype->type_num != NPY_VOID) {
    wrong = "gives fields to a number, whose scalars have none; use a dtype of the fields alone";
  } else if (PyDataType_FLAGCHK(dtype, NPY_ITEM_REFCOUNT)) {
    wrong = "holds Python objects, which are not copied by value; use a queue of objects for them";
  }
  if (wrong == nullptr) return dtype;
  PyErr_Format(state->invalid_type, "dtype %S %s", as_object(dtype), wrong);
  Py_DECREF(as_object(dtype));
  return nullptr;
}

PyObject* new_queue(PyTypeObject* type, PyArray_Descr* dtype, std::size_t capacity, Wait wait) {
  PyObject* object = type->tp_alloc(type, 0);
  if (object == nullptr) return nullptr;
  RecordQueueObject* self = as_queue(object);
  ::new (&self->ends) QueueEnds{.filled = {}, .emptied = {}, .wait = wait, .closed = false};
  self->dtype = reinterpret_cast<PyArray_Descr*>(Py_NewRef(as_object(dtype)));
  const auto bytes = static_cast<std::size_t>(PyDataType_ELSIZE(dtype));
  try {
    if (capacity > (std::size_t{1} << 47) / bytes) throw std::bad_alloc();  // More than there are addresses for.
    self->zeros = new std::vector<char>(bytes);
    self->ring = new RecordRing(bytes, capacity);
    return object;
  } catch (const std::bad_alloc&) {
    PyErr_Format(state_of(type)->capacity,
                 "the system refused the memory for a queue of %zu records of %zu bytes; ask for fewer", capacity,
                 bytes);
    Py_DECREF(object);
    return nullptr;
  }
}

PyObject* queue_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"dtype", "capacity", "wait", nullptr};
  PyObject *dtype_argument = nullptr, *capacity_argument = nullptr, *wait_argument = nullptr;
  std::size_t capacity = 0;
  Wait wait = Wait::kPark;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|$O", const_cast<char**>(names), &dtype_argument,
                                   &capacity_argument, &wait_argument) ||
      !read_queue_capacity(state_of(type), capacity_argument, &capacity) ||
      (wait_argument != nullptr && !read_wait(state_of(type), wait_argument, &wait))) {
    return nullptr;
  }
  PyArray_Descr* dtype = read_dtype(state_of(type), dtype_argument);
  if (dtype == nullptr) return nullptr;
  PyObject* made = new_queue(type, dtype, capacity, wait);
  Py_DECREF(as_object(dtype));
  return made;
}

void queue_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  RecordQueueObject* self = as_queue(object);
  delete self->ring;
  delete self->zeros;
  Py_XDECREF(as_object(self->dtype));
  type->tp_free(object);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}

PyMethodDef methods[] = {
    {"try_push", queue_try_push, METH_O,
     "try_push($self, record, /)\n--\n\nPush a record if there is room; tell whether."},
    {"try_pop", as_method(queue_try_pop), METH_FASTCALL | METH_KEYWORDS,
     "try_pop($self, default=None)\n--\n\nPop the oldest record, or return the default if there is none."},
    {"push", as_method(queue_push), METH_FASTCALL | METH_KEYWORDS,
     "push($self, record, /, timeout=None)\n--\n\nPush a record; wait for room, at most so many seconds."},
    {"pop", as_method(queue_pop), METH_FASTCALL | METH_KEYWORDS,
     "pop($self, timeout=None)\n--\n\nPop the oldest record; wait for one, at most so many seconds."},
    {"push_many", queue_push_many, METH_O,
     "push_many($self, records, /)\n--\n\nPush the first of these rows, as many as fit; return how many."},
    {"pop_many", as_method(queue_pop_many), METH_VARARGS | METH_KEYWORDS,
     "pop_many($self, max_items=None, out=None)\n--\n\nPop the oldest records, at most so many, as an array."},
    {"close", queue_close, METH_NOARGS,
     "close($self, /)\n--\n\nRefuse pushes from now on; what is there can still be popped."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef properties[] = {
    {"capacity", queue_capacity, nullptr, "How many records there is room for.", nullptr},
    {"closed", queue_closed, nullptr, "Whether close() was called.", nullptr},
    {"dtype", queue_dtype, nullptr, "The dtype of the records.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("RecordQueue(dtype, capacity, *, wait='park')\n--\n\n"
                                  "A bounded queue of rows of a structured dtype, copied by value.")},
    {Py_tp_new, reinterpret_cast<void*>(queue_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(queue_dealloc)},
    {Py_tp_repr, reinterpret_cast<void*>(queue_repr)},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_sq_length, reinterpret_cast<void*>(queue_length)},
    {0, nullptr},
};

PyType_Spec spec = {"latencykit._core.RecordQueue", sizeof(RecordQueueObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};

}  // namespace

int add_record_queue(PyObject* module) { return add_type(module, &spec, &state_of_module(module)->record_queue); }

}  // namespace latencykit::bind

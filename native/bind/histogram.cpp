// Histogram: the native histogram as a Python type. What it computes is in latency/histogram.h; here
// arguments are checked and answers are boxed.
#include "bind/histogram.h"

#include "bind/duration_watch.h"

#define PY_ARRAY_UNIQUE_SYMBOL latencykit_numpy
#define NO_IMPORT_ARRAY
#include <numpy/arrayobject.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

namespace latencykit::bind {
namespace {

HistogramObject* as_object(PyObject* self) { return reinterpret_cast<HistogramObject*>(self); }
Histogram& native(PyObject* self) { return as_object(self)->histogram; }

PyObject* none_or_error(bool good) { return good ? Py_NewRef(Py_None) : nullptr; }

// A whole number as 64 bits; one beyond them becomes the nearest end, for the caller to judge.
bool read_integer(ModuleState* state, PyObject* object, const char* what, int64_t* value) {
  int overflow = 0;
  if (PyLong_Check(object)) {
    *value = PyLong_AsLongLongAndOverflow(object, &overflow);
  } else {
    PyObject* integer = PyIndex_Check(object) ? PyNumber_Index(object) : nullptr;
    if (integer == nullptr) {
      if (PyErr_Occurred()) return false;
      PyErr_Format(state->invalid_type, "%s is %R, not a whole number; pass an int, for example round(%s)", what,
                   object, what);
      return false;
    }
    *value = PyLong_AsLongLongAndOverflow(integer, &overflow);
    Py_DECREF(integer);
  }
  if (overflow != 0) *value = overflow < 0 ? INT64_MIN : INT64_MAX;
  return true;
}

// A number as a double; an integer beyond doubles becomes infinity, which the caller's range check refuses.
bool read_number(ModuleState* state, PyObject* object, const char* what, double* value) {
  *value = PyFloat_AsDouble(object);
  if (*value != -1.0 || !PyErr_Occurred()) return true;
  if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
    PyErr_Clear();
    *value = HUGE_VAL;
    return true;
  }
  if (PyErr_ExceptionMatches(PyExc_TypeError))
    PyErr_Format(state->invalid_type, "%s is %R, not a number", what, object);
  return false;
}

bool read_not_negative(PyObject* self, PyObject* object, const char* what, uint64_t* value) {
  int64_t integer = 0;
  int overflow = 1;
  // An int of 64 bits needs no module state, which a subclass has to look for.
  if (PyLong_Check(object)) [[likely]]
    integer = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow != 0 && !read_integer(state_of_subtype(Py_TYPE(self)), object, what, &integer)) return false;
  if (integer < 0) {
    PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_value, "%s is %R, which is negative; pass 0 or more", what,
                 object);
    return false;
  }
  *value = static_cast<uint64_t>(integer);
  return true;
}

bool not_empty(PyObject* self, const char* what) {
  if (native(self).count() > 0) return true;
  PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_state,
               "an empty histogram has no %s; record a value first, or look at .count", what);
  return false;
}

bool has_room(PyObject* self, bool recorded) {
  if (recorded) return true;
  PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_value,
               "the total count would pass 2**62 (it is %llu); use a second histogram",
               static_cast<unsigned long long>(native(self).count()));
  return false;
}

bool has_arguments(PyObject* self, const char* method, Py_ssize_t wanted, Py_ssize_t received) {
  if (wanted == received) return true;
  PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_type, "%s() takes %zd arguments, not %zd", method, wanted,
               received);
  return false;
}

PyObject* box(uint64_t value) { return PyLong_FromUnsignedLongLong(value); }

PyObject* new_object(PyTypeObject* type, Histogram histogram) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  HistogramObject* object = as_object(self);
  new (&object->histogram) Histogram(std::move(histogram));
  new (&object->watches) std::unique_ptr<Watches>();
  new (&object->given) std::unique_ptr<Histogram>();
  object->reader = 0;
  return self;
}

// Runs f, which may fail as C++ does, and returns nullptr with the Python error set if it did.
template <typename F>
PyObject* translating_errors(ModuleState* state, F f) {
  try {
    return f();
  } catch (const std::invalid_argument& error) {
    PyErr_SetString(state->invalid_value, error.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  return nullptr;
}

// --- creation and identity

PyObject* create(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"lowest", "highest", "digits", nullptr};
  PyObject *lowest_object = nullptr, *highest_object = nullptr, *digits_object = nullptr;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|OOO:Histogram", const_cast<char**>(names), &lowest_object,
                                   &highest_object, &digits_object)) {
    return nullptr;
  }
  ModuleState* state = state_of_subtype(type);
  int64_t lowest = Histogram::kDefaultLowest, highest = Histogram::kDefaultHighest;
  int64_t digits = Histogram::kDefaultDigits;
  if (lowest_object != nullptr && !read_integer(state, lowest_object, "lowest", &lowest)) return nullptr;
  if (highest_object != nullptr && !read_integer(state, highest_object, "highest", &highest)) return nullptr;
  if (digits_object != nullptr && !read_integer(state, digits_object, "digits", &digits)) return nullptr;
  return translating_errors(state, [&] { return new_object(type, Histogram(lowest, highest, digits)); });
}

void deallocate(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  HistogramObject* object = as_object(self);
  if (object->watches != nullptr) {
    for (const std::shared_ptr<DurationWatch>& watch : *object->watches) watch->close();
  }
  object->given.~unique_ptr();
  object->watches.~unique_ptr();
  object->histogram.~Histogram();
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* represent(PyObject* self) {
  const Histogram& h = native(self);
  return PyUnicode_FromFormat("Histogram(lowest=%lld, highest=%lld, digits=%lld, count=%llu)",
                              static_cast<long long>(h.lowest()), static_cast<long long>(h.highest()), h.digits(),
                              static_cast<unsigned long long>(h.count()));
}

PyObject* compare(PyObject* self, PyObject* other, int operation) {
  if (operation != Py_EQ && operation != Py_NE) Py_RETURN_NOTIMPLEMENTED;
  if (!PyObject_TypeCheck(other, state_of_subtype(Py_TYPE(self))->histogram)) Py_RETURN_NOTIMPLEMENTED;
  return PyBool_FromLong((native(self) == native(other)) == (operation == Py_EQ));
}

// Of a subclass too it is a plain Histogram: what else a subclass holds is not ours to copy.
PyObject* copy(PyObject* self, PyObject*) {
  ModuleState* state = state_of_subtype(Py_TYPE(self));
  return translating_errors(state, [&] { return new_object(state->histogram, native(self).copy()); });
}

// --- subclasses

extern PyMethodDef methods[];

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

// The interpreter's fast way to call a method is for a method whose class is the object's own. So each subclass gets
// descriptors of its own, unless it or a class between has another method of that name. It is settled when the
// subclass is made: a method that is replaced in a class later reaches that class only.
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

int give_own_methods(PyTypeObject* base, PyTypeObject* subclass) {
  for (PyMethodDef* method = methods; method->ml_name != nullptr; ++method) {
    if ((method->ml_flags & METH_CLASS) != 0) continue;
    PyObject* name = PyUnicode_InternFromString(method->ml_name);
    const int given = name == nullptr ? -1 : give_own_method(base, subclass, method, name);
    Py_XDECREF(name);
    if (given < 0) return -1;
  }
  return 0;
}

PyObject* init_subclass(PyObject* subclass, PyObject* arguments, PyObject* keywords) {
  auto* type = reinterpret_cast<PyTypeObject*>(subclass);
  PyTypeObject* base = state_of_subtype(type)->histogram;
  PyObject* next = PyObject_CallFunctionObjArgs(reinterpret_cast<PyObject*>(&PySuper_Type), base, subclass, nullptr);
  PyObject* method = next == nullptr ? nullptr : PyObject_GetAttrString(next, "__init_subclass__");
  PyObject* answer = method == nullptr ? nullptr : PyObject_Call(method, arguments, keywords);
  Py_XDECREF(method);
  Py_XDECREF(next);
  if (answer != nullptr && give_own_methods(base, type) < 0) Py_CLEAR(answer);
  return answer;
}

// --- recording

PyObject* record(PyObject* self, PyObject* object) {
  uint64_t ns = 0;
  if (!read_not_negative(self, object, "ns", &ns)) return nullptr;
  record_into(as_object(self), ns);
  Py_RETURN_NONE;
}

PyObject* record_n(PyObject* self, PyObject* const* arguments, Py_ssize_t size) {
  uint64_t ns = 0, count = 0;
  if (!has_arguments(self, "record_n", 2, size) || !read_not_negative(self, arguments[0], "ns", &ns) ||
      !read_not_negative(self, arguments[1], "count", &count)) {
    return nullptr;
  }
  if (!has_room(self, native(self).record_n(ns, count))) return nullptr;
  if (as_object(self)->watches != nullptr && count > 0) record_into_watches(as_object(self), ns, count);
  Py_RETURN_NONE;
}

PyObject* record_corrected(PyObject* self, PyObject* const* arguments, Py_ssize_t size) {
  uint64_t ns = 0, interval_ns = 0;
  if (!has_arguments(self, "record_corrected", 2, size) || !read_not_negative(self, arguments[0], "ns", &ns) ||
      !read_not_negative(self, arguments[1], "expected_interval_ns", &interval_ns)) {
    return nullptr;
  }
  if (!has_room(self, native(self).record_corrected(ns, interval_ns))) return nullptr;
  // Watches see what happened, not what the correction supposes.
  if (as_object(self)->watches != nullptr) record_into_watches(as_object(self), ns, 1);
  Py_RETURN_NONE;
}

// The array behind an argument, if it is one-dimensional, contiguous, aligned and of native byte order.
PyArrayObject* plain_array(PyObject* self, PyObject* object) {
  if (PyArray_Check(object)) {
    auto* array = reinterpret_cast<PyArrayObject*>(object);
    if (PyArray_NDIM(array) == 1 && PyArray_ISCARRAY_RO(array)) return array;
  }
  PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_type,
               "durations come as a one-dimensional contiguous NumPy array of native byte order, not as %.80s; "
               "convert with numpy.ascontiguousarray(values)",
               Py_TYPE(object)->tp_name);
  return nullptr;
}

bool wrong_dtype(PyObject* self, PyArrayObject* array, const char* wanted) {
  PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_type, "the array's dtype is %S, not %s; convert with .astype()",
               reinterpret_cast<PyObject*>(PyArray_DESCR(array)), wanted);
  return false;
}

// By kind and size, because int64 has two type numbers on some platforms.
bool has_dtype(PyArrayObject* array, char kind) {
  return PyArray_DESCR(array)->kind == kind && PyArray_ITEMSIZE(array) == 8;
}

template <typename T>
bool record_array(PyObject* self, PyArrayObject* array) {
  const T* values = static_cast<const T*>(PyArray_DATA(array));
  const auto size = static_cast<size_t>(PyArray_SIZE(array));
  const size_t bad = first_bad_duration(values, size);
  if (bad < size) {
    PyObject* value = PyArray_GETITEM(array, PyArray_BYTES(array) + bad * sizeof(T));
    if (value == nullptr) return false;
    PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_value,
                 "value %zu of the array is %R, not a duration of 0 ns or more; nothing was recorded", bad, value);
    Py_DECREF(value);
    return false;
  }
  if (!has_room(self, native(self).has_room_for(size))) return false;
  record_all(native(self), values, size);
  if (as_object(self)->watches != nullptr) {
    for (size_t i = 0; i < size; ++i) record_into_watches(as_object(self), whole_ns(values[i]), 1);
  }
  return true;
}

PyObject* record_many(PyObject* self, PyObject* object) {
  PyArrayObject* array = plain_array(self, object);
  if (array == nullptr) return nullptr;
  if (has_dtype(array, 'i')) return none_or_error(record_array<int64_t>(self, array));
  if (has_dtype(array, 'u')) return none_or_error(record_array<uint64_t>(self, array));
  if (has_dtype(array, 'f')) return none_or_error(record_array<double>(self, array));
  return none_or_error(wrong_dtype(self, array, "int64, uint64 or float64"));
}

PyObject* record_ticks(PyObject* self, PyObject* const* arguments, Py_ssize_t size) {
  if (!has_arguments(self, "record_ticks", 2, size)) return nullptr;
  // The number first: to read it may run any code, which must not change the array once it is checked.
  ModuleState* state = state_of_subtype(Py_TYPE(self));
  double ns_per_tick = 0;
  if (!read_number(state, arguments[1], "ns_per_tick", &ns_per_tick)) return nullptr;
  PyArrayObject* array = plain_array(self, arguments[0]);
  if (array == nullptr) return nullptr;
  if (!has_dtype(array, 'u')) return none_or_error(wrong_dtype(self, array, "uint64"));
  if (!(is_duration(ns_per_tick) && ns_per_tick > 0)) {
    PyErr_Format(state->invalid_value, "ns_per_tick is %R, which is not a finite number above 0", arguments[1]);
    return nullptr;
  }
  const auto count = static_cast<size_t>(PyArray_SIZE(array));
  if (!has_room(self, native(self).has_room_for(count))) return nullptr;
  const auto* ticks = static_cast<const uint64_t*>(PyArray_DATA(array));
  record_all_ticks(native(self), ticks, count, ns_per_tick);
  if (as_object(self)->watches != nullptr) {
    for (size_t i = 0; i < count; ++i) record_into_watches(as_object(self), ticks_as_ns(ticks[i], ns_per_tick), 1);
  }
  Py_RETURN_NONE;
}

PyObject* merge(PyObject* self, PyObject* other) {
  const Histogram* others = native_histogram(state_of_subtype(Py_TYPE(self)), other);
  if (others == nullptr) return nullptr;
  return none_or_error(has_room(self, native(self).merge(*others)));
}

// Waits, with the GIL released, until nobody reads the counts without it.
void await_reader(PyObject* self) {
  while (as_object(self)->reader == ::getpid()) {
    Py_BEGIN_ALLOW_THREADS;
    std::this_thread::yield();
    Py_END_ALLOW_THREADS;
  }
}

PyObject* reset(PyObject* self, PyObject*) {
  await_reader(self);
  native(self).reset();
  as_object(self)->given.reset();
  Py_RETURN_NONE;
}

// --- intervals

// Reads the counts without the GIL, so that a recording thread goes on. False without memory.
bool take_interval(HistogramObject* object, std::optional<Histogram>* interval) {
  const Histogram& histogram = object->histogram;
  bool good = true;
  object->reader = ::getpid();
  Py_BEGIN_ALLOW_THREADS;
  try {
    if (object->given == nullptr) {
      object->given = std::make_unique<Histogram>(histogram.lowest(), histogram.highest(), histogram.digits());
    }
    interval->emplace(histogram.since(*object->given));
  } catch (const std::bad_alloc&) {
    good = false;
  }
  Py_END_ALLOW_THREADS;
  object->reader = 0;
  return good;
}

PyObject* from_interval(PyObject* type, PyObject* source) {
  ModuleState* state = state_of_subtype(reinterpret_cast<PyTypeObject*>(type));
  if (native_histogram(state, source) == nullptr) return nullptr;
  HistogramObject* object = as_object(source);
  if (object->reader == ::getpid()) {
    return PyErr_Format(state->invalid_state, "another thread is just taking an interval; let one thread take them");
  }
  std::optional<Histogram> interval;
  if (!take_interval(object, &interval)) return PyErr_NoMemory();
  return new_object(reinterpret_cast<PyTypeObject*>(type), std::move(*interval));
}

// --- watches

PyObject* add_watch(PyObject* self, PyObject* object) {
  ModuleState* state = state_of_subtype(Py_TYPE(self));
  const std::shared_ptr<DurationWatch>* watch = native_watch(state, object);
  if (watch == nullptr) return nullptr;
  return translating_errors(state, [&] {
    std::unique_ptr<Watches>& watches = as_object(self)->watches;
    auto more = watches == nullptr ? std::make_unique<Watches>() : std::make_unique<Watches>(*watches);
    more->push_back(*watch);
    watches = std::move(more);
    return Py_NewRef(Py_None);
  });
}

PyObject* remove_watch(PyObject* self, PyObject* object) {
  const std::shared_ptr<DurationWatch>* watch = native_watch(state_of_subtype(Py_TYPE(self)), object);
  if (watch == nullptr) return nullptr;
  std::unique_ptr<Watches>& watches = as_object(self)->watches;
  if (watches != nullptr) {
    watches->erase(std::remove(watches->begin(), watches->end(), *watch), watches->end());
    if (watches->empty()) watches.reset();
  }
  Py_RETURN_NONE;
}

// --- answers

PyObject* percentile(PyObject* self, PyObject* object) {
  ModuleState* state = state_of_subtype(Py_TYPE(self));
  double q = 0;
  if (!read_number(state, object, "percentile", &q)) return nullptr;
  if (!(q >= 0 && q <= 100)) {
    PyErr_Format(state->invalid_value, "percentile is %R, which is not in 0..100", object);
    return nullptr;
  }
  return not_empty(self, "percentiles") ? box(native(self).value_at_percentile(q)) : nullptr;
}

PyObject* value_at_rank(PyObject* self, PyObject* object) {
  ModuleState* state = state_of_subtype(Py_TYPE(self));
  int64_t rank = 0;
  if (!read_integer(state, object, "rank", &rank) || !not_empty(self, "ranks")) return nullptr;
  const uint64_t count = native(self).count();
  if (rank < 1 || static_cast<uint64_t>(rank) > count) {
    PyErr_Format(state->invalid_value, "rank is %R, which is not in 1..%llu, the number of values recorded", object,
                 static_cast<unsigned long long>(count));
    return nullptr;
  }
  return box(native(self).value_at_rank(static_cast<uint64_t>(rank)));
}

PyObject* iter_recorded(PyObject* self, PyObject*) {
  PyObject* list = PyList_New(0);
  bool good = list != nullptr;
  native(self).for_each([&](const Histogram::Bucket& bucket) {
    if (!good) return;
    PyObject* pair = Py_BuildValue("KK", static_cast<unsigned long long>(bucket.highest()),
                                   static_cast<unsigned long long>(bucket.count));
    good = pair != nullptr && PyList_Append(list, pair) == 0;
    Py_XDECREF(pair);
  });
  if (!good) Py_CLEAR(list);
  return list;
}

PyObject* get_lowest(PyObject* self, void*) { return PyLong_FromLongLong(native(self).lowest()); }
PyObject* get_highest(PyObject* self, void*) { return PyLong_FromLongLong(native(self).highest()); }
PyObject* get_digits(PyObject* self, void*) { return PyLong_FromLongLong(native(self).digits()); }
PyObject* get_count(PyObject* self, void*) { return box(native(self).count()); }
PyObject* get_saturated(PyObject* self, void*) { return box(native(self).saturated()); }
PyObject* get_min(PyObject* self, void*) { return not_empty(self, "min") ? box(native(self).min()) : nullptr; }
PyObject* get_max(PyObject* self, void*) { return not_empty(self, "max") ? box(native(self).max()) : nullptr; }
PyObject* get_mean(PyObject* self, void*) {
  return not_empty(self, "mean") ? PyFloat_FromDouble(native(self).mean()) : nullptr;
}
PyObject* get_stddev(PyObject* self, void*) {
  return not_empty(self, "stddev") ? PyFloat_FromDouble(native(self).stddev()) : nullptr;
}

// --- the V2 format's counts

PyObject* encode_counts(PyObject* self, PyObject*) {
  const Histogram& h = native(self);
  const size_t room = h.used_length() * Histogram::kMaxBytesPerCount;
  PyObject* bytes = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(room));
  if (bytes == nullptr) return nullptr;
  const size_t size = h.encode_counts(reinterpret_cast<uint8_t*>(PyBytes_AS_STRING(bytes)));
  _PyBytes_Resize(&bytes, static_cast<Py_ssize_t>(size));
  return bytes;  // Null with the error set if the resize failed.
}

PyObject* decode_counts(PyObject* self, PyObject* object) {
  ModuleState* state = state_of_subtype(Py_TYPE(self));
  Py_buffer buffer;
  if (PyObject_GetBuffer(object, &buffer, PyBUF_SIMPLE) < 0) {
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Format(state->invalid_type, "encoded counts come as bytes, not as %.80s", Py_TYPE(object)->tp_name);
    }
    return nullptr;
  }
  await_reader(self);
  PyObject* answer = translating_errors(state, [&]() -> PyObject* {
    Histogram& h = native(self);
    switch (h.decode_counts(static_cast<const uint8_t*>(buffer.buf), static_cast<size_t>(buffer.len))) {
      case Histogram::DecodeResult::ok:
        as_object(self)->given.reset();
        return Py_NewRef(Py_None);
      case Histogram::DecodeResult::cut_off:
        return PyErr_Format(state->invalid_value, "the encoded counts (%zd bytes) end inside a number", buffer.len);
      case Histogram::DecodeResult::beyond_last_bucket:
        return PyErr_Format(state->invalid_value, "the encoded counts go beyond the last of the %zu buckets",
                            h.length());
      case Histogram::DecodeResult::too_many:
        return PyErr_Format(state->invalid_value, "the encoded counts add up to more than 2**62");
    }
    Py_UNREACHABLE();
  });
  PyBuffer_Release(&buffer);
  return answer;
}

PyObject* get_length(PyObject* self, void*) { return PyLong_FromSize_t(native(self).length()); }

PyMethodDef methods[] = {
    {"record", record, METH_O,
     "record($self, ns, /)\n--\n\nRecord one duration of 0 ns or more; above `highest` it counts as "
     "`highest`."},
    {"record_n", as_method(record_n), METH_FASTCALL,
     "record_n($self, ns, count, /)\n--\n\nRecord one duration `count` times."},
    {"record_corrected", as_method(record_corrected), METH_FASTCALL,
     "record_corrected($self, ns, expected_interval_ns, /)\n--\n\n"
     "Record a duration and, for a stall, what the calls waiting behind it would have seen:\n"
     "ns - i, ns - 2i, ... down to i, the expected interval. An interval of 0 corrects nothing.\n"
     "The rule of HdrHistogram's recordValueWithExpectedInterval (Java) and hdr_record_corrected_value (C)."},
    {"record_many", record_many, METH_O,
     "record_many($self, durations_ns, /)\n--\n\n"
     "Record a 1-D contiguous array of int64, uint64 or float64; all of it or, if a value is bad, nothing.\n"
     "Floats are rounded to the nearest whole nanosecond, halves to even."},
    {"record_ticks", as_method(record_ticks), METH_FASTCALL,
     "record_ticks($self, ticks, ns_per_tick, /)\n--\n\n"
     "Record a 1-D contiguous uint64 array of clock ticks as nanoseconds, rounded to the nearest."},
    {"percentile", percentile, METH_O,
     "percentile($self, q, /)\n--\n\n"
     "Return the value, in ns, that q percent of the recorded values do not exceed, for q in 0..100.\n"
     "HdrHistogram's valueAtPercentile: the highest value of its bucket, the lowest for q = 0."},
    {"value_at_rank", value_at_rank, METH_O,
     "value_at_rank($self, rank, /)\n--\n\n"
     "Return the highest value of the bucket that holds the rank-th smallest value, counted from 1."},
    {"merge", merge, METH_O,
     "merge($self, other, /)\n--\n\n"
     "Add the counts of another histogram; from another layout, each bucket at its lowest value."},
    {"reset", reset, METH_NOARGS, "reset($self, /)\n--\n\nForget everything that was recorded."},
    {"copy", copy, METH_NOARGS, "copy($self, /)\n--\n\nReturn a plain Histogram of its own with the same counts."},
    {"iter_recorded", iter_recorded, METH_NOARGS,
     "iter_recorded($self, /)\n--\n\n"
     "Return (highest value of the bucket, count) for each bucket that has a count, upwards."},
    {"encode_counts", encode_counts, METH_NOARGS,
     "encode_counts($self, /)\n--\n\nReturn the counts as ZigZag LEB128, HdrHistogram's V2 format."},
    {"decode_counts", decode_counts, METH_O,
     "decode_counts($self, data, /)\n--\n\n"
     "Replace the counts by encoded ones; damaged input raises and changes nothing."},
    {"add_watch", add_watch, METH_O,
     "add_watch($self, watch, /)\n--\n\n"
     "Show a DurationWatch everything that is recorded from now on, but not what is merged or decoded."},
    {"remove_watch", remove_watch, METH_O, "remove_watch($self, watch, /)\n--\n\nShow it nothing more."},
    {"_from_interval", from_interval, METH_O | METH_CLASS,
     "_from_interval($type, source, /)\n--\n\n"
     "Return what `source` recorded since the last call for it, as an instance made without __new__.\n"
     "It reads without the GIL: a thread that records into `source` meanwhile is not held up, and what it\n"
     "records is in this interval or in the next."},
    {"__init_subclass__", as_method(init_subclass), METH_VARARGS | METH_KEYWORDS | METH_CLASS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef attributes[] = {
    {"lowest", get_lowest, nullptr, "The lowest value told from 0.", nullptr},
    {"highest", get_highest, nullptr, "The highest value; above it values saturate.", nullptr},
    {"digits", get_digits, nullptr, "Significant decimal digits kept, 1..5.", nullptr},
    {"buckets", get_length, nullptr, "Number of counts that the histogram holds.", nullptr},
    {"count", get_count, nullptr, "Number of values recorded.", nullptr},
    {"saturated", get_saturated, nullptr, "How many of them were above `highest`. Not kept by encoding.", nullptr},
    {"min", get_min, nullptr, "Lowest value of the lowest used bucket.", nullptr},
    {"max", get_max, nullptr, "Highest value of the highest used bucket.", nullptr},
    {"mean", get_mean, nullptr, "Mean of the buckets' middles.", nullptr},
    {"stddev", get_stddev, nullptr, "Population standard deviation of the buckets' middles.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

constexpr const char* documentation =
    "Histogram(lowest=1, highest=3600000000000, digits=3)\n--\n\n"
    "Log-linear histogram of nanoseconds with HdrHistogram's buckets.\n\n"
    "Values are known to `digits` significant digits. It is for one thread at a time. min, max, mean, "
    "stddev,\n"
    "percentiles and ranks of an empty histogram raise InvalidStateError: look at count first. Two "
    "histograms\n"
    "are equal when layout and counts are.";

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(documentation)},
    {Py_tp_new, reinterpret_cast<void*>(create)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {Py_tp_repr, reinterpret_cast<void*>(represent)},
    {Py_tp_richcompare, reinterpret_cast<void*>(compare)},
    {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, nullptr},
};

// No GC: it holds no Python object but its type, which does not lead back to it.
PyType_Spec spec = {"latencykit._core.Histogram", sizeof(HistogramObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_BASETYPE, slots};

}  // namespace

void record_into_watches(HistogramObject* object, uint64_t ns, uint64_t times) {
  for (const std::shared_ptr<DurationWatch>& watch : *object->watches) watch->record(ns, times);
}

Histogram* native_histogram(ModuleState* state, PyObject* object) {
  if (PyObject_TypeCheck(object, state->histogram)) return &native(object);
  PyErr_Format(state->invalid_type, "a Histogram is needed here, not %.80s", Py_TYPE(object)->tp_name);
  return nullptr;
}

int add_histogram(PyObject* module) { return add_type(module, &spec, &state_of_module(module)->histogram); }

}  // namespace latencykit::bind

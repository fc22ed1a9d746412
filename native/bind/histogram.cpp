// Histogram: the native histogram as a Python type. What it computes is in latency/histogram.h; here and in the
// files beside it arguments are checked and answers are boxed.
#include <algorithm>
#include <memory>
#include <new>
#include <utility>

#include "bind/duration_watch.h"
#include "bind/histogram_object.h"
#include "bind/subclass_methods.h"

namespace latencykit::bind {
namespace {

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
  return translating_errors(state, [&] { return new_histogram(type, Histogram(lowest, highest, digits)); });
}

void deallocate(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  HistogramObject* object = as_histogram(self);
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
  return translating_errors(state, [&] { return new_histogram(state->histogram, native(self).copy()); });
}

// --- subclasses

extern PyMethodDef methods[];

PyObject* init_subclass(PyObject* subclass, PyObject* arguments, PyObject* keywords) {
  PyTypeObject* base = state_of_subtype(reinterpret_cast<PyTypeObject*>(subclass))->histogram;
  return init_subclass_with_methods(base, methods, subclass, arguments, keywords);
}

// --- watches

PyObject* add_watch(PyObject* self, PyObject* object) {
  ModuleState* state = state_of_subtype(Py_TYPE(self));
  const std::shared_ptr<DurationWatch>* watch = native_watch(state, object);
  if (watch == nullptr) return nullptr;
  return translating_errors(state, [&] {
    std::unique_ptr<Watches>& watches = as_histogram(self)->watches;
    auto more = watches == nullptr ? std::make_unique<Watches>() : std::make_unique<Watches>(*watches);
    more->push_back(*watch);
    watches = std::move(more);
    return Py_NewRef(Py_None);
  });
}

PyObject* remove_watch(PyObject* self, PyObject* object) {
  const std::shared_ptr<DurationWatch>* watch = native_watch(state_of_subtype(Py_TYPE(self)), object);
  if (watch == nullptr) return nullptr;
  std::unique_ptr<Watches>& watches = as_histogram(self)->watches;
  if (watches != nullptr) {
    watches->erase(std::remove(watches->begin(), watches->end(), *watch), watches->end());
    if (watches->empty()) watches.reset();
  }
  Py_RETURN_NONE;
}

// --- the type

PyMethodDef methods[] = {
    {"record", histogram_record, METH_O,
     "record($self, ns, /)\n--\n\nRecord one duration of 0 ns or more; above `highest` it counts as "
     "`highest`."},
    {"record_n", as_method(histogram_record_n), METH_FASTCALL,
     "record_n($self, ns, count, /)\n--\n\nRecord one duration `count` times."},
    {"record_corrected", as_method(histogram_record_corrected), METH_FASTCALL,
     "record_corrected($self, ns, expected_interval_ns, /)\n--\n\n"
     "Record a duration and, for a stall, what the calls waiting behind it would have seen:\n"
     "ns - i, ns - 2i, ... down to i, the expected interval. An interval of 0 corrects nothing.\n"
     "The rule of HdrHistogram's recordValueWithExpectedInterval (Java) and hdr_record_corrected_value (C)."},
    {"record_many", histogram_record_many, METH_O,
     "record_many($self, durations_ns, /)\n--\n\n"
     "Record a 1-D contiguous array of int64, uint64 or float64; all of it or, if a value is bad, nothing.\n"
     "Floats are rounded to the nearest whole nanosecond, halves to even."},
    {"record_ticks", as_method(histogram_record_ticks), METH_FASTCALL,
     "record_ticks($self, ticks, ns_per_tick, /)\n--\n\n"
     "Record a 1-D contiguous uint64 array of clock ticks as nanoseconds, rounded to the nearest."},
    {"percentile", histogram_percentile, METH_O,
     "percentile($self, q, /)\n--\n\n"
     "Return the value, in ns, that q percent of the recorded values do not exceed, for q in 0..100.\n"
     "HdrHistogram's valueAtPercentile: the highest value of its bucket, the lowest for q = 0."},
    {"value_at_rank", histogram_value_at_rank, METH_O,
     "value_at_rank($self, rank, /)\n--\n\n"
     "Return the highest value of the bucket that holds the rank-th smallest value, counted from 1."},
    {"merge", histogram_merge, METH_O,
     "merge($self, other, /)\n--\n\n"
     "Add the counts of another histogram; from another layout, each bucket at its lowest value."},
    {"reset", histogram_reset, METH_NOARGS, "reset($self, /)\n--\n\nForget everything that was recorded."},
    {"copy", copy, METH_NOARGS, "copy($self, /)\n--\n\nReturn a plain Histogram of its own with the same counts."},
    {"iter_recorded", histogram_iter_recorded, METH_NOARGS,
     "iter_recorded($self, /)\n--\n\n"
     "Return (highest value of the bucket, count) for each bucket that has a count, upwards."},
    {"encode_counts", histogram_encode_counts, METH_NOARGS,
     "encode_counts($self, /)\n--\n\nReturn the counts as ZigZag LEB128, HdrHistogram's V2 format."},
    {"decode_counts", histogram_decode_counts, METH_O,
     "decode_counts($self, data, /)\n--\n\n"
     "Replace the counts by encoded ones; damaged input raises and changes nothing."},
    {"add_watch", add_watch, METH_O,
     "add_watch($self, watch, /)\n--\n\n"
     "Show a DurationWatch everything that is recorded from now on, but not what is merged or decoded."},
    {"remove_watch", remove_watch, METH_O, "remove_watch($self, watch, /)\n--\n\nShow it nothing more."},
    {"_from_interval", histogram_from_interval, METH_O | METH_CLASS,
     "_from_interval($type, source, /)\n--\n\n"
     "Return what `source` recorded since the last call for it, as an instance made without __new__.\n"
     "It reads without the GIL: a thread that records into `source` meanwhile is not held up, and what it\n"
     "records is in this interval or in the next."},
    {"__init_subclass__", as_method(init_subclass), METH_VARARGS | METH_KEYWORDS | METH_CLASS, nullptr},
    {nullptr, nullptr, 0, nullptr},
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
    {Py_tp_getset, histogram_attributes},
    {0, nullptr},
};

// No GC: it holds no Python object but its type, which does not lead back to it.
PyType_Spec spec = {"latencykit._core.Histogram", sizeof(HistogramObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_BASETYPE, slots};

}  // namespace

PyObject* new_histogram(PyTypeObject* type, Histogram histogram) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  HistogramObject* object = as_histogram(self);
  new (&object->histogram) Histogram(std::move(histogram));
  new (&object->watches) std::unique_ptr<Watches>();
  new (&object->given) std::unique_ptr<Histogram>();
  object->reader = 0;
  return self;
}

Histogram* native_histogram(ModuleState* state, PyObject* object) {
  if (PyObject_TypeCheck(object, state->histogram)) return &native(object);
  PyErr_Format(state->invalid_type, "a Histogram is needed here, not %.80s", Py_TYPE(object)->tp_name);
  return nullptr;
}

int add_histogram(PyObject* module) { return add_type(module, &spec, &state_of_module(module)->histogram); }

}  // namespace latencykit::bind

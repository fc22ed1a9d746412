// What a Histogram says: its layout, counts, percentiles, ranks and moments.
#include "bind/histogram_object.h"

namespace latencykit::bind {
namespace {

bool not_empty(PyObject* self, const char* what) {
  if (native(self).count() > 0) return true;
  PyErr_Format(state_of_subtype(Py_TYPE(self))->invalid_state,
               "an empty histogram has no %s; record a value first, or look at .count", what);
  return false;
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
PyObject* get_length(PyObject* self, void*) { return PyLong_FromSize_t(native(self).length()); }

}  // namespace

PyObject* histogram_percentile(PyObject* self, PyObject* object) {
  ModuleState* state = state_of_subtype(Py_TYPE(self));
  double q = 0;
  if (!read_number(state, object, "percentile", &q)) return nullptr;
  if (!(q >= 0 && q <= 100)) {
    PyErr_Format(state->invalid_value, "percentile is %R, which is not in 0..100", object);
    return nullptr;
  }
  return not_empty(self, "percentiles") ? box(native(self).value_at_percentile(q)) : nullptr;
}

PyObject* histogram_value_at_rank(PyObject* self, PyObject* object) {
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

PyObject* histogram_iter_recorded(PyObject* self, PyObject*) {
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

PyGetSetDef histogram_attributes[] = {
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

}  // namespace latencykit::bind

// DurationWatch: the native watch as a Python type, for a thread that waits on it without the GIL.
#include "bind/duration_watch.h"

#include <cmath>
#include <cstring>
#include <new>

#include "bind/numbers.h"

namespace latencykit::bind {
namespace {

struct WatchObject {
  PyObject base;
  std::shared_ptr<DurationWatch> watch;
};

DurationWatch& native(PyObject* self) { return *reinterpret_cast<WatchObject*>(self)->watch; }

bool read_statistic(ModuleState* state, const char* text, DurationWatch::Statistic* statistic) {
  const bool max = std::strcmp(text, "max") == 0;
  *statistic = max ? DurationWatch::Statistic::max : DurationWatch::Statistic::mean;
  if (max || std::strcmp(text, "mean") == 0) return true;
  PyErr_Format(state->invalid_value, "a watch's statistic is '%.80s'; give 'max' or 'mean'", text);
  return false;
}

PyObject* create(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"statistic", "limit_ns", nullptr};
  const char* text = nullptr;
  double limit_ns = 0;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "sd:DurationWatch", const_cast<char**>(names), &text,
                                   &limit_ns)) {
    return nullptr;
  }
  ModuleState* state = state_of(type);
  DurationWatch::Statistic statistic;
  if (!read_statistic(state, text, &statistic)) return nullptr;
  if (!(std::isfinite(limit_ns) && limit_ns >= 0)) {
    PyObject* limit = PyFloat_FromDouble(limit_ns);
    if (limit != nullptr)
      PyErr_Format(state->invalid_value, "limit_ns is %R; give a finite number of 0 or more", limit);
    Py_XDECREF(limit);
    return nullptr;
  }
  PyObject* self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  auto* object = new (&reinterpret_cast<WatchObject*>(self)->watch) std::shared_ptr<DurationWatch>();
  try {
    *object = std::make_shared<DurationWatch>(statistic, limit_ns);
  } catch (const std::bad_alloc&) {
    Py_DECREF(self);
    return PyErr_NoMemory();
  }
  return self;
}

void deallocate(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  reinterpret_cast<WatchObject*>(self)->watch.~shared_ptr();
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* wait(PyObject* self, PyObject* object) {
  int64_t every_ns = 0;
  if (!read_int(Py_TYPE(self), object, "every_ns", &every_ns)) return nullptr;
  if (every_ns <= 0) {
    PyErr_Format(state_of(Py_TYPE(self))->invalid_value, "every_ns is %R; give 1 or more", object);
    return nullptr;
  }
  bool crossed;
  Py_BEGIN_ALLOW_THREADS;
  crossed = native(self).wait(std::chrono::nanoseconds(every_ns));
  Py_END_ALLOW_THREADS;
  return PyBool_FromLong(crossed);
}

PyObject* crossed(PyObject* self, PyObject*) { return PyBool_FromLong(native(self).crossed()); }

PyObject* collect(PyObject* self, PyObject*) {
  const DurationWatch::Crossing crossing = native(self).collect();
  return Py_BuildValue("(dKKK)", crossing.value_ns, static_cast<unsigned long long>(crossing.count),
                       static_cast<unsigned long long>(crossing.over),
                       static_cast<unsigned long long>(crossing.worst_ns));
}

PyObject* close(PyObject* self, PyObject*) {
  native(self).close();
  Py_RETURN_NONE;
}

PyObject* get_closed(PyObject* self, void*) { return PyBool_FromLong(native(self).closed()); }

PyMethodDef methods[] = {
    {"wait", wait, METH_O,
     "wait($self, every_ns, /)\n--\n\n"
     "Look every so often, without the GIL, and return True when the limit was crossed, False once closed.\n"
     "It sleeps before it looks for the first time."},
    {"crossed", crossed, METH_NOARGS,
     "crossed($self, /)\n--\n\n"
     "Look now: was there a duration above the limit since the last collect(), or is the mean since the last\n"
     "look above it?"},
    {"collect", collect, METH_NOARGS,
     "collect($self, /)\n--\n\n"
     "Return (value_ns, count, over, worst_ns): the longest duration or the mean, of how many; how many were\n"
     "above the limit since the last collect(), and the longest of those. Only after a look said True."},
    {"close", close, METH_NOARGS, "close($self, /)\n--\n\nEnd wait(), now and in future."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef attributes[] = {
    {"closed", get_closed, nullptr, "Whether it was closed.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

constexpr const char* documentation =
    "DurationWatch(statistic, limit_ns)\n--\n\n"
    "Watches what histograms record for a duration (\"max\") or a mean (\"mean\") above a limit.\n\n"
    "One thread waits on it. A histogram that it was added to closes it when it goes.";

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(documentation)},
    {Py_tp_new, reinterpret_cast<void*>(create)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, nullptr},
};

// No GC: it holds no Python object but its type, which does not lead back to it.
PyType_Spec spec = {"latencykit._core.DurationWatch", sizeof(WatchObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};

}  // namespace

const std::shared_ptr<DurationWatch>* native_watch(ModuleState* state, PyObject* object) {
  if (Py_TYPE(object) == state->duration_watch) return &reinterpret_cast<WatchObject*>(object)->watch;
  PyErr_Format(state->invalid_type, "a DurationWatch is needed here, not %.80s", Py_TYPE(object)->tp_name);
  return nullptr;
}

int add_duration_watch(PyObject* module) { return add_type(module, &spec, &state_of_module(module)->duration_watch); }

}  // namespace latencykit::bind

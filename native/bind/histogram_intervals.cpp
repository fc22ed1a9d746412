// Taking what a Histogram recorded since the last time, while another thread goes on recording, and starting anew.
#include <unistd.h>

#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "bind/histogram_object.h"

namespace latencykit::bind {
namespace {

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

}  // namespace

void await_reader(PyObject* self) {
  while (as_histogram(self)->reader == ::getpid()) {
    Py_BEGIN_ALLOW_THREADS;
    std::this_thread::yield();
    Py_END_ALLOW_THREADS;
  }
}

PyObject* histogram_reset(PyObject* self, PyObject*) {
  await_reader(self);
  native(self).reset();
  as_histogram(self)->given.reset();
  Py_RETURN_NONE;
}

PyObject* histogram_from_interval(PyObject* type, PyObject* source) {
  ModuleState* state = state_of_subtype(reinterpret_cast<PyTypeObject*>(type));
  if (native_histogram(state, source) == nullptr) return nullptr;
  HistogramObject* object = as_histogram(source);
  if (object->reader == ::getpid()) {
    return PyErr_Format(state->invalid_state, "another thread is just taking an interval; let one thread take them");
  }
  std::optional<Histogram> interval;
  if (!take_interval(object, &interval)) return PyErr_NoMemory();
  return new_histogram(reinterpret_cast<PyTypeObject*>(type), std::move(*interval));
}

}  // namespace latencykit::bind

// Operation: a function and its argument rows, ready to be called in a tight native loop between two clock reads.
#include <algorithm>
#include <cstdint>

#include "bind/allocations.h"
#include "bind/clock.h"
#include "bind/types.h"
#include "latency/sampler.h"
#include "latency/tsc_clock.h"

namespace latencykit::bind {
namespace {

struct OperationObject {
  PyObject_HEAD PyObject* function;
  PyObject* rows;      // a tuple of tuples: owns every argument
  PyObject* clock;     // a SimulatedClock, or null for the process's clock
  PyObject* keywords;  // a tuple of names for the last arguments of each row, or null
  PyObject** slots;    // per row one scratch slot, as vectorcall may ask for, then the borrowed arguments
  Py_ssize_t arguments;
  Py_ssize_t next;  // the row of the next call
};

OperationObject* operation(PyObject* self) { return reinterpret_cast<OperationObject*>(self); }

Py_ssize_t names_of(const OperationObject* op) { return op->keywords == nullptr ? 0 : PyTuple_GET_SIZE(op->keywords); }

// One call with the next row. Kept by value in the loops, so that the compiler holds it in registers.
class RowCaller {
 public:
  explicit RowCaller(OperationObject* op)
      : op_(op),
        function_(op->function),
        stride_(op->arguments + 1),
        keywords_(op->keywords),
        nargsf_(static_cast<size_t>(op->arguments - names_of(op)) | PY_VECTORCALL_ARGUMENTS_OFFSET),
        end_(op->slots + PyTuple_GET_SIZE(op->rows) * stride_),
        row_(op->slots + op->next * stride_) {}
  ~RowCaller() { op_->next = (row_ - op_->slots) / stride_; }
  RowCaller(const RowCaller&) = delete;
  RowCaller& operator=(const RowCaller&) = delete;

  bool operator()() {
    PyObject* result = call();
    if (result == nullptr) return false;
    Py_DECREF(result);
    return true;
  }

  // Calls and returns what the function returns: a new reference, or null with an exception.
  PyObject* call() {
    PyObject* result = PyObject_Vectorcall(function_, row_ + 1, nargsf_, keywords_);
    row_ += stride_;
    if (row_ == end_) row_ = op_->slots;
    return result;
  }

 private:
  OperationObject* op_;
  PyObject* function_;
  Py_ssize_t stride_;
  PyObject* keywords_;
  size_t nargsf_;
  PyObject** end_;
  PyObject** row_;
};

// Calls f with the clock that the operation is timed by.
template <typename F>
bool with_clock(OperationObject* op, F f) {
  if (op->clock != nullptr) return f(reinterpret_cast<SimulatedClockObject*>(op->clock)->ticks);
  if (TscClock::instance().source() == ClockSource::monotonic) {
    MonotonicTicks clock;
    return f(clock);
  }
  TscTicks clock;
  return f(clock);
}

// A writable buffer of 64-bit unsigned samples, released at the end of its scope.
class SampleBuffer {
 public:
  SampleBuffer(PyObject* object, PyObject* error) {
    if (PyObject_GetBuffer(object, &view_, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE | PyBUF_FORMAT) < 0) return;
    held_ = true;
    const bool is_uint64 = view_.itemsize == 8 && view_.format != nullptr &&
                           (view_.format[0] == 'L' || view_.format[0] == 'Q') && view_.format[1] == '\0';
    const bool is_aligned = reinterpret_cast<uintptr_t>(view_.buf) % alignof(uint64_t) == 0;
    if (is_uint64 && is_aligned && view_.ndim == 1) {
      usable_ = true;
    } else {
      PyErr_SetString(error, "samples go into a one-dimensional, contiguous, aligned, writable array of dtype uint64");
    }
  }
  ~SampleBuffer() {
    if (held_ && holds_gil()) PyBuffer_Release(&view_);
  }
  SampleBuffer(const SampleBuffer&) = delete;
  SampleBuffer& operator=(const SampleBuffer&) = delete;

  bool usable() const { return usable_; }
  uint64_t* data() const { return static_cast<uint64_t*>(view_.buf); }
  size_t size() const { return static_cast<size_t>(view_.len) / 8; }

 private:
  Py_buffer view_{};
  bool held_ = false;
  bool usable_ = false;
};

// Calls fill(out, samples) for `step` samples at a time, and looks at pending signals in between: a function
// that is not Python never does. False with an error.
template <typename Fill>
bool fill_in_steps(const SampleBuffer& buffer, size_t step, Fill fill) {
  for (size_t at = 0; at < buffer.size(); at += step) {
    const size_t samples = std::min(step, buffer.size() - at);
    if (fill(buffer.data() + at, samples) != samples || PyErr_CheckSignals() < 0) return false;
  }
  return true;
}

// A look takes some nanoseconds and is not timed.
constexpr size_t kCallsPerLook = 64;

PyObject* sample_per_call_method(PyObject* self, PyObject* out) {
  const SampleBuffer buffer(out, state_of(Py_TYPE(self))->invalid_type);
  if (!buffer.usable()) return nullptr;
  OperationObject* op = operation(self);
  const bool done = with_clock(op, [&](auto& clock) {
    RowCaller call(op);
    return fill_in_steps(buffer, kCallsPerLook,
                         [&](uint64_t* samples, size_t count) { return sample_per_call(clock, call, samples, count); });
  });
  if (!done) return nullptr;
  Py_RETURN_NONE;
}

PyObject* sample_batched_method(PyObject* self, PyObject* const* args, Py_ssize_t nargs) {
  ModuleState* state = state_of(Py_TYPE(self));
  if (nargs != 2) {
    PyErr_SetString(state->invalid_type, "sample_batched($self, out, batch) takes exactly two arguments");
    return nullptr;
  }
  const size_t batch = PyLong_AsSize_t(args[1]);
  if (batch == static_cast<size_t>(-1) && PyErr_Occurred()) return nullptr;
  if (batch == 0) {
    PyErr_SetString(state->invalid_value, "batch is 0; a batch is at least one call");
    return nullptr;
  }
  const SampleBuffer buffer(args[0], state->invalid_type);
  if (!buffer.usable()) return nullptr;
  OperationObject* op = operation(self);
  const bool done = with_clock(op, [&](auto& clock) {
    RowCaller call(op);
    return fill_in_steps(
        buffer, 1, [&](uint64_t* sample, size_t count) { return sample_batched(clock, call, sample, count, batch); });
  });
  if (!done) return nullptr;
  Py_RETURN_NONE;
}

PyObject* run(PyObject* self, PyObject* argument) {
  const size_t calls = PyLong_AsSize_t(argument);
  if (calls == static_cast<size_t>(-1) && PyErr_Occurred()) return nullptr;
  RowCaller call(operation(self));
  for (size_t i = 0; i < calls; ++i) {
    if (!call() || PyErr_CheckSignals() < 0) return nullptr;
  }
  Py_RETURN_NONE;
}

PyObject* time_calls(PyObject* self, PyObject* argument) {
  const size_t calls = PyLong_AsSize_t(argument);
  if (calls == static_cast<size_t>(-1) && PyErr_Occurred()) return nullptr;
  if (calls == 0) {
    PyErr_SetString(state_of(Py_TYPE(self))->invalid_value, "calls is 0; time at least one");
    return nullptr;
  }
  OperationObject* op = operation(self);
  PyObject* last = nullptr;
  uint64_t ticks = 0;
  const bool done = with_clock(op, [&](auto& clock) {
    RowCaller caller(op);
    const auto keep = [&] {
      PyObject* result = caller.call();
      Py_XSETREF(last, result);
      return result != nullptr;
    };
    return sample_batched(clock, keep, &ticks, 1, calls) == 1;
  });
  if (!done) return nullptr;
  return Py_BuildValue("KN", static_cast<unsigned long long>(ticks), last);
}

PyObject* count_allocations(PyObject* self, PyObject* argument) {
  const size_t calls = PyLong_AsSize_t(argument);
  if (calls == static_cast<size_t>(-1) && PyErr_Occurred()) return nullptr;
  bool ok = true;
  if (start_counting() < 0) return nullptr;
  {
    RowCaller call(operation(self));
    for (size_t i = 0; ok && i < calls; ++i) ok = call();
  }
  const AllocationCounts counts = stop_counting();
  return ok ? counts_as_dict(counts) : nullptr;
}

PyObject* ns_per_tick(PyObject* self, void*) {
  return PyFloat_FromDouble(operation(self)->clock != nullptr ? 1.0 : TscClock::instance().ns_per_tick());
}

PyObject* resolution_ns(PyObject* self, void*) {
  const PyObject* clock = operation(self)->clock;
  if (clock == nullptr) return PyFloat_FromDouble(TscClock::instance().resolution_ns());
  return PyFloat_FromDouble(static_cast<double>(reinterpret_cast<const SimulatedClockObject*>(clock)->ticks.step));
}

// Lays the rows out for vectorcall. The number of arguments, or -1 with an error.
Py_ssize_t check_rows(PyObject* rows, PyObject* error) {
  const Py_ssize_t count = PyTuple_GET_SIZE(rows);
  const Py_ssize_t arguments =
      count > 0 && PyTuple_Check(PyTuple_GET_ITEM(rows, 0)) ? PyTuple_GET_SIZE(PyTuple_GET_ITEM(rows, 0)) : -1;
  for (Py_ssize_t i = 0; i < count && arguments >= 0; ++i) {
    PyObject* row = PyTuple_GET_ITEM(rows, i);
    if (!PyTuple_Check(row) || PyTuple_GET_SIZE(row) != arguments) {
      PyErr_Format(error, "row %zd is not a tuple of %zd arguments like the first", i, arguments);
      return -1;
    }
  }
  if (arguments < 0) PyErr_SetString(error, "an operation needs at least one row, a tuple of arguments");
  return arguments;
}

PyObject** lay_out(PyObject* rows, Py_ssize_t arguments) {
  const Py_ssize_t count = PyTuple_GET_SIZE(rows);
  PyObject** slots = static_cast<PyObject**>(
      PyMem_Calloc(static_cast<size_t>(count) * static_cast<size_t>(arguments + 1), sizeof(PyObject*)));
  if (slots == nullptr) {
    PyErr_NoMemory();
    return nullptr;
  }
  PyObject** slot = slots;
  for (Py_ssize_t i = 0; i < count; ++i) {
    ++slot;
    for (Py_ssize_t j = 0; j < arguments; ++j) *slot++ = PyTuple_GET_ITEM(PyTuple_GET_ITEM(rows, i), j);
  }
  return slots;
}

// Whether the names are texts, not more than the arguments; else false with an error.
bool check_keywords(PyObject* names, Py_ssize_t arguments, PyObject* error) {
  bool usable = PyTuple_GET_SIZE(names) <= arguments;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i) usable &= PyUnicode_CheckExact(PyTuple_GET_ITEM(names, i));
  if (!usable) PyErr_Format(error, "keywords %R are not names of the last of %zd arguments", names, arguments);
  return usable;
}

PyObject* operation_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  const char* keywords[] = {"function", "rows", "clock", "keywords", nullptr};
  PyObject *function = nullptr, *rows_argument = nullptr, *clock = Py_None, *names = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|OO!", const_cast<char**>(keywords), &function, &rows_argument,
                                   &clock, &PyTuple_Type, &names)) {
    return nullptr;
  }
  ModuleState* state = state_of(type);
  if (!PyCallable_Check(function)) {
    PyErr_Format(state->invalid_type, "%R cannot be called", function);
    return nullptr;
  }
  if (clock != Py_None && !Py_IS_TYPE(clock, state->simulated_clock)) {
    PyErr_Format(state->invalid_type, "clock %R is not a SimulatedClock; leave it out for the machine's", clock);
    return nullptr;
  }
  PyObject* rows = PySequence_Tuple(rows_argument);
  if (rows == nullptr) return nullptr;
  Py_ssize_t arguments = check_rows(rows, state->invalid_value);
  if (arguments >= 0 && names != nullptr && !check_keywords(names, arguments, state->invalid_value)) arguments = -1;
  PyObject** slots = arguments < 0 ? nullptr : lay_out(rows, arguments);
  PyObject* self = slots == nullptr ? nullptr : type->tp_alloc(type, 0);
  if (self == nullptr) {
    PyMem_Free(slots);
    Py_DECREF(rows);
    return nullptr;
  }
  OperationObject* op = operation(self);
  op->function = Py_NewRef(function);
  op->rows = rows;
  op->clock = clock == Py_None ? nullptr : Py_NewRef(clock);
  op->keywords = names == nullptr || PyTuple_GET_SIZE(names) == 0 ? nullptr : Py_NewRef(names);
  op->slots = slots;
  op->arguments = arguments;
  op->next = 0;
  return self;
}

int operation_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(operation(self)->function);
  Py_VISIT(operation(self)->rows);
  Py_VISIT(operation(self)->clock);
  Py_VISIT(operation(self)->keywords);
  return 0;
}

// No tp_clear: the loops hold borrowed pointers. Every cycle through an operation also runs through something
// that can be cleared (a frame, a cell, a dict, a list), because a tuple of arguments is complete before the
// operation is.
void operation_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  OperationObject* op = operation(self);
  PyMem_Free(op->slots);
  Py_XDECREF(op->function);
  Py_XDECREF(op->rows);
  Py_XDECREF(op->clock);
  Py_XDECREF(op->keywords);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"sample_per_call", sample_per_call_method, METH_O,
     "sample_per_call($self, out, /)\n--\n\nFill a uint64 array with the ticks that each of so many calls "
     "took."},
    {"sample_batched", as_method(sample_batched_method), METH_FASTCALL,
     "sample_batched($self, out, batch, /)\n--\n\nFill a uint64 array with the ticks of batches of `batch` "
     "calls."},
    {"count_allocations", count_allocations, METH_O,
     "count_allocations($self, calls, /)\n--\n\nCall so many times and count this thread's allocations by "
     "domain."},
    {"time_calls", time_calls, METH_O,
     "time_calls($self, calls, /)\n--\n\nCall so many times; return the ticks that took and what the last call "
     "returned."},
    {"run", run, METH_O, "run($self, calls, /)\n--\n\nCall so many times, untimed."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef getset[] = {
    {"ns_per_tick", ns_per_tick, nullptr, "The length of a tick of this operation's clock.", nullptr},
    {"resolution_ns", resolution_ns, nullptr, "The step of this operation's clock, measured now.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("Operation(function, rows, clock=None, keywords=())\n--\n\n"
                                  "Calls of a function with the argument rows in turn, timed by native loops.\n\n"
                                  "The last arguments of each row are passed by the names in keywords.")},
    {Py_tp_new, reinterpret_cast<void*>(operation_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(operation_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(operation_traverse)},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {0, nullptr},
};

PyType_Spec spec = {
    "latencykit._core.Operation",
    sizeof(OperationObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

}  // namespace

int add_operation(PyObject* module) { return add_type(module, &spec, &state_of_module(module)->operation); }

}  // namespace latencykit::bind

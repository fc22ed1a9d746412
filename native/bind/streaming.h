// The Python types of the streaming indicators: one template, and one small description for each.
//
//   struct EmaType {
//     using Indicator = Ema;                                          // a latencykit::Streaming
//     static constexpr auto kIndicator = kernels::Indicator::ema;     // whose arguments it takes
//     static constexpr const char* kName = "latencykit._core.Ema";
//     static constexpr std::array kInputs = {"value"};                // of update()
//     static constexpr const char* kDoc = ..., *kUpdateDoc = ...;
//     static Indicator make(const kernels::Settings& settings);
//   };
//
// update() takes its numbers without a tuple around them and allocates nothing but what it returns. All values of a row
// are read before any is used: reading may run the caller's code, which may use the same object.
#pragma once

#include <array>
#include <cstdint>
#include <new>
#include <optional>
#include <tuple>
#include <utility>

#include "bind/indicator_arguments.h"
#include "bind/numbers.h"
#include "latency/streaming.h"

namespace latencykit::bind {

inline Missing missing_of(const kernels::Settings& settings) {
  return settings.propagate ? Missing::propagate : Missing::skip;
}

// Spreads a constructor's arguments over `given`. False with a TypeError, as for a Python function.
bool spread_construction(kernels::Indicator indicator, PyTypeObject* type, PyObject* args, PyObject* keywords,
                         GivenArguments* given);

// Refuses, with a CapacityError, a window that the memory left to this process cannot hold.
bool check_window(ModuleState* state, std::size_t period, std::size_t bytes_per_row);
PyObject* refuse_window(ModuleState* state, std::size_t period, std::size_t bytes_per_row);

// A setting as Python shows it; None for one that was not given and has no default. For ema, a period of 0 means that
// alpha was given.
PyObject* setting_as_python(Argument name, const kernels::Settings& settings);
const char* doc_of(Argument name);

// As the constructor would be written.
PyObject* repr_of(PyTypeObject* type, kernels::Indicator indicator, const kernels::Settings& settings);

[[gnu::cold]] PyObject* refuse_row(PyTypeObject* type, std::size_t wanted, Py_ssize_t given);

// Makes Python objects of results.
template <typename Result>
class Results;

template <>
class Results<double> {
 public:
  static PyObject* make(double result) { return PyFloat_FromDouble(result); }
  PyObject* make_often(double result) { return make(result); }
  void release() {}
};

// A tuple and its floats cost as much as the rest of a call. As CPython's own zip() does, the last tuple is used again
// where nobody else holds it any more, as after `line, signal, histogram = macd.update(price)`, and so is each of its
// floats.
template <std::size_t kSize>
class Results<std::array<double, kSize>> {
 public:
  static PyObject* make(const std::array<double, kSize>& results) {
    PyObject* tuple = PyTuple_New(kSize);
    if (tuple == nullptr) return nullptr;
    for (std::size_t i = 0; i < kSize; ++i) {
      PyObject* result = PyFloat_FromDouble(results[i]);
      if (result == nullptr) {
        Py_DECREF(tuple);
        return nullptr;
      }
      PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(i), result);
    }
    return tuple;
  }

  PyObject* make_often(const std::array<double, kSize>& results) {
    if (kReusable && last_ != nullptr && Py_REFCNT(last_) == 1) return refilled(results);
    PyObject* tuple = make(results);
    if (tuple != nullptr) Py_XSETREF(last_, Py_NewRef(tuple));
    return tuple;
  }

  void release() { Py_CLEAR(last_); }

 private:
  // From 3.14 on a tuple remembers its hash; without the GIL a count of 1 does not tell that nobody else looks.
#ifdef Py_GIL_DISABLED
  static constexpr bool kReusable = false;
#else
  static constexpr bool kReusable = PY_VERSION_HEX < 0x030E0000;
#endif

  PyObject* refilled(const std::array<double, kSize>& results) {
    for (std::size_t i = 0; i < kSize; ++i) {
      PyObject* before = PyTuple_GET_ITEM(last_, static_cast<Py_ssize_t>(i));
      if (Py_REFCNT(before) == 1) {
        reinterpret_cast<PyFloatObject*>(before)->ob_fval = results[i];
        continue;
      }
      PyObject* result = PyFloat_FromDouble(results[i]);
      if (result == nullptr) return nullptr;
      PyTuple_SET_ITEM(last_, static_cast<Py_ssize_t>(i), result);
      Py_DECREF(before);
    }
    return Py_NewRef(last_);
  }

  PyObject* last_ = nullptr;
};

template <typename Type>
class StreamingType {
  using Indicator = typename Type::Indicator;
  using ResultsOf = Results<typename Indicator::Result>;
  static constexpr std::size_t kWidth = Type::kInputs.size();

  struct Object {
    PyObject_HEAD;
    Indicator indicator;
    kernels::Settings settings;
    [[no_unique_address]] ResultsOf results;
  };

  static Object* as_object(PyObject* self) { return reinterpret_cast<Object*>(self); }
  static Indicator& indicator_of(PyObject* self) { return as_object(self)->indicator; }
  static const kernels::Settings& settings_of(PyObject* self) { return as_object(self)->settings; }

  // ---- Life

  static PyObject* create(PyTypeObject* type, PyObject* args, PyObject* keywords) {
    ModuleState* state = state_of(type);
    GivenArguments given;
    if (!spread_construction(Type::kIndicator, type, args, keywords, &given)) return nullptr;
    auto settings = settings_from(state, Type::kIndicator, given);
    if (!settings) return nullptr;
    try {
      if (!check_window(state, settings->period, Indicator::kBytesPerRow)) return nullptr;
      Indicator made = Type::make(*settings);
      PyObject* self = type->tp_alloc(type, 0);
      if (self == nullptr) return nullptr;
      ::new (&as_object(self)->indicator) Indicator(std::move(made));
      if (given[Argument::alpha] != nullptr && given[Argument::alpha] != Py_None) settings->period = 0;
      ::new (&as_object(self)->settings) kernels::Settings(*settings);
      ::new (&as_object(self)->results) ResultsOf;
      return self;
    } catch (const std::bad_alloc&) {
      return refuse_window(state, settings->period, Indicator::kBytesPerRow);
    }
  }

  static void dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    indicator_of(self).~Indicator();
    as_object(self)->results.release();
    type->tp_free(self);
    Py_DECREF(type);
  }

  static PyObject* size_in_bytes(PyObject* self, PyObject*) {
    return PyLong_FromSize_t(sizeof(Object) + settings_of(self).period * Indicator::kBytesPerRow);
  }

  // ---- Use

  static PyObject* update_value(PyObject* self, PyObject* number) {
    double value;
    if (!read_double(Py_TYPE(self), number, Type::kInputs[0], &value)) return nullptr;
    return as_object(self)->results.make_often(indicator_of(self).update(value));
  }

  static PyObject* update_row(PyObject* self, PyObject* const* args, Py_ssize_t count) {
    if (count != kWidth) [[unlikely]]
      return refuse_row(Py_TYPE(self), kWidth, count);
    std::array<double, kWidth> row;
    for (std::size_t i = 0; i < kWidth; ++i) {
      if (!read_double(Py_TYPE(self), args[i], Type::kInputs[i], &row[i])) return nullptr;
    }
    const auto update = [self](auto... values) { return indicator_of(self).update(values...); };
    return as_object(self)->results.make_often(std::apply(update, row));
  }

  static PyObject* reset(PyObject* self, PyObject*) {
    indicator_of(self).reset();
    Py_RETURN_NONE;
  }

  static PyObject* value(PyObject* self, void*) { return ResultsOf::make(indicator_of(self).value()); }

  // ---- What it is

  static PyObject* setting(PyObject* self, void* closure) {
    return setting_as_python(static_cast<Argument>(reinterpret_cast<std::uintptr_t>(closure)), settings_of(self));
  }

  static PyObject* repr(PyObject* self) { return repr_of(Py_TYPE(self), Type::kIndicator, settings_of(self)); }

  static PyMethodDef update_method() {
    if constexpr (kWidth == 1) return {"update", update_value, METH_O, Type::kUpdateDoc};
    return {"update", as_method(update_row), METH_FASTCALL, Type::kUpdateDoc};
  }

  static PyGetSetDef* properties() {
    static std::array<PyGetSetDef, kArguments + 2> all{};
    std::size_t count = 0;
    all[count++] = {"value", value, nullptr,
                    PyDoc_STR("The last result that was not for a missing row; NaN before, and after a missing row "
                              "that propagates."),
                    nullptr};
    for (Argument name : signature_of(Type::kIndicator).arguments()) {
      const auto index = static_cast<std::uintptr_t>(name);
      all[count++] = {kArgumentNames[index], setting, nullptr, doc_of(name), reinterpret_cast<void*>(index)};
    }
    return all.data();
  }

 public:
  // 0, or -1 with an exception.
  static int add(PyObject* module) {
    static PyMethodDef methods[] = {
        update_method(),
        {"reset", reset, METH_NOARGS, PyDoc_STR("reset($self, /)\n--\n\nForget all rows, as if newly made.")},
        {"__sizeof__", size_in_bytes, METH_NOARGS,
         PyDoc_STR("__sizeof__($self, /)\n--\n\nReturn the size in bytes, the window's memory included.")},
        {nullptr, nullptr, 0, nullptr},
    };
    static PyType_Slot slots[] = {
        {Py_tp_doc, const_cast<char*>(Type::kDoc)},
        {Py_tp_new, reinterpret_cast<void*>(create)},
        {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
        {Py_tp_repr, reinterpret_cast<void*>(repr)},
        {Py_tp_methods, methods},
        {Py_tp_getset, properties()},
        {0, nullptr},
    };
    static PyType_Spec spec = {Type::kName, sizeof(Object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};
    PyObject* type = PyType_FromModuleAndSpec(module, &spec, nullptr);
    if (type == nullptr) return -1;
    const int failed = PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type));
    Py_DECREF(type);
    return failed;
  }
};

}  // namespace latencykit::bind

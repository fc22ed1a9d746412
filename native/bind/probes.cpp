// Operations of known cost: the empty call that the floor is made of, and the truths that the tool is tested on.
#include <algorithm>
#include <cstdint>

#include "bind/types.h"
#include "latency/tsc_clock.h"

namespace latencykit::bind {
namespace {

// Between two looks at pending signals: far longer than what is timed.
constexpr double kNsPerLook = 10e6;
constexpr uint64_t kProductsPerLook = uint64_t{1} << 24;

PyObject* noop(PyObject*, PyObject* const*, Py_ssize_t) { Py_RETURN_NONE; }

PyObject* spin_ns(PyObject*, PyObject* argument) {
  const uint64_t ns = PyLong_AsUnsignedLongLong(argument);
  if (ns == static_cast<uint64_t>(-1) && PyErr_Occurred()) return nullptr;
  const TscClock& clock = TscClock::instance();
  const uint64_t start = clock.ticks();
  const double scale = clock.ns_per_tick();
  // 2^63 ticks are a century; a double beyond 2^64 would have no value as ticks.
  const auto ticks = static_cast<uint64_t>(std::min(static_cast<double>(ns) / scale, 0x1p63));
  const auto look = static_cast<uint64_t>(kNsPerLook / scale);
  for (uint64_t due = std::min(ticks, look);; due = std::min(ticks, due + look)) {
    while (clock.ticks() - start < due) {
    }
    if (due == ticks) Py_RETURN_NONE;
    if (PyErr_CheckSignals() < 0) return nullptr;
  }
}

PyObject* multiply_chain(PyObject*, PyObject* argument) {
  uint64_t length = PyLong_AsUnsignedLongLong(argument);
  if (length == static_cast<uint64_t>(-1) && PyErr_Occurred()) return nullptr;
  uint64_t x = 3;
  for (; length != 0; --length) {
    if (length % kProductsPerLook == 0 && PyErr_CheckSignals() < 0) return nullptr;
    x *= 0x9E3779B97F4A7C15u;
    // The empty statement makes every product's value needed, so that the chain cannot be shortened.
    __asm__ volatile("" : "+r"(x));
  }
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {
    {"noop", as_method(noop), METH_FASTCALL, "noop(*args)\n--\n\nDo nothing with any number of arguments."},
    {"spin_ns", spin_ns, METH_O, "spin_ns(ns, /)\n--\n\nSpin on the clock until `ns` nanoseconds have passed."},
    {"multiply_chain", multiply_chain, METH_O,
     "multiply_chain(length, /)\n--\n\nMultiply `length` times, each product depending on the one before."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_probes(PyObject* module) { return PyModule_AddFunctions(module, functions); }

}  // namespace latencykit::bind

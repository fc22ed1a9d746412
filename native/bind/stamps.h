// Stamps as Python ints, made without an allocation where nobody holds the ints of earlier stamps any more.
//
// Making and freeing an int of two digits costs as much as reading the counter does. A StampBox keeps the last few
// that it handed out, and writes a new value into one that it alone still refers to: at that moment nobody can tell
// it from an int that was freed and another that was allocated in its place. An int that anybody holds (in a
// variable, a container, an argument) has a second reference and is never written to.
//
// Promises:
// - Whoever holds a stamp sees one value for ever.
// - A box keeps at most kSlots ints alive. When all that it kept are held by others, a stamp is an ordinary
//   allocation.
// - What it relies on, the two digits of 30 bits in a PyLongObject (public in the headers of CPython 3.11 to 3.13,
//   though not stable across versions), is tried once at import on an int of known digits; elsewhere, and for values
//   outside two digits (2**30 to 2**60 - 1), every stamp is an ordinary int.
// - The GIL serialises all use: between the look at the reference count and the end of the writing nothing else runs.
#pragma once

#include <cstdint>

#include "bind/types.h"

namespace latencykit::bind {

class StampBox {
 public:
  // To be called once, before the first box is used.
  static void look_at_ints() { reusable_ = has_known_layout(); }

  PyObject* box(uint64_t stamp) {
    PyObject*& slot = slots_[next_++ % kSlots];
    if (slot != nullptr && Py_REFCNT(slot) == 1 && has_two_digits(stamp)) [[likely]] {
      write_digits(slot, stamp);
      return Py_NewRef(slot);
    }
    return make(slot, stamp);
  }

  // A box is all zeros before its first use, as the memory of a new Python object is.
  void clear() {
    for (PyObject*& slot : slots_) Py_CLEAR(slot);
  }

 private:
  // Two stamps of an interval that is just being measured, and two of the one before it.
  static constexpr unsigned kSlots = 4;
  static constexpr int kDigitBits = 30;

  static bool has_two_digits(uint64_t value) { return value >> kDigitBits != 0 && value >> (2 * kDigitBits) == 0; }

  static PyObject* make(PyObject*& slot, uint64_t stamp) {
    PyObject* made = PyLong_FromUnsignedLongLong(stamp);
    if (made == nullptr || !reusable_ || !has_two_digits(stamp)) return made;
    PyObject* dropped = slot;
    slot = Py_NewRef(made);
    Py_XDECREF(dropped);
    return made;
  }

#if PY_VERSION_HEX < 0x030E0000 && PYLONG_BITS_IN_DIGIT == 30 && !defined(Py_GIL_DISABLED)
  static digit* digits(PyObject* value) {
#if PY_VERSION_HEX >= 0x030C0000
    return reinterpret_cast<PyLongObject*>(value)->long_value.ob_digit;
#else
    return reinterpret_cast<PyLongObject*>(value)->ob_digit;
#endif
  }
  static void write_digits(PyObject* value, uint64_t stamp) {
    digits(value)[0] = static_cast<digit>(stamp & ((1u << kDigitBits) - 1));
    digits(value)[1] = static_cast<digit>(stamp >> kDigitBits);
  }
  // An int of known digits has them where we look, and reads as what we write there.
  static bool has_known_layout() {
    constexpr uint64_t first = (uint64_t{0x2AAAAAAA} << kDigitBits) | 0x15555555;
    constexpr uint64_t second = (uint64_t{0x3FFFFFFF} << kDigitBits) | 0x3FFFFFFE;
    PyObject* value = PyLong_FromUnsignedLongLong(first);
    if (value == nullptr) {
      PyErr_Clear();
      return false;
    }
    bool known = Py_REFCNT(value) == 1 && digits(value)[0] == 0x15555555 && digits(value)[1] == 0x2AAAAAAA;
    if (known) {
      write_digits(value, second);
      known = PyLong_AsUnsignedLongLong(value) == second;
    }
    Py_DECREF(value);
    return known;
  }
#else
  static void write_digits(PyObject*, uint64_t) {}
  static bool has_known_layout() { return false; }
#endif

  static inline bool reusable_ = false;
  PyObject* slots_[kSlots];
  unsigned next_;
};

}  // namespace latencykit::bind

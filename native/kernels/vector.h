// What every kernel stands on: the vector type V of an instruction set, scans, and looks at finiteness.
//
// Everything under kernels/ but dispatch.cpp is in an unnamed namespace on purpose: these templates are
// compiled with different ISA flags in different files, and with external linkage the linker would keep one of
// the copies for all of them, for example AVX2 code for the scalar table. For the same reason no inline
// function of the standard library is called here.
//
// A vector type V has: Value, Register, lanes (1, 4, 8 or 16); zero, broadcast, load, store; load_low and
// store_low for the lowest `count` lanes, fewer than all, the others read as 0; add, sub, mul, div, min, max, sqrt, size (the absolute value) and
// fma(a, b, c) = a * b + c; later<s>(before, now): the lanes s places earlier in the sequence [before, now];
// earlier<s>(now, after): those s places later in [now, after]; first and last: one lane in all; low(r, count,
// fill): the lowest `count` lanes of r, `fill` in the others; powers(d): d^1 .. d^lanes; all_zero.
#pragma once

#include <cstddef>

namespace latencykit::kernels {
namespace {

template <typename T>
constexpr T kNaN = static_cast<T>(__builtin_nan(""));
template <typename T>
constexpr T kInfinity = static_cast<T>(__builtin_inf());

template <typename T>
bool is_finite(T value) {
  return value - value == 0;
}

// Scratch of one aggregate of a window, with room for the longest vector beyond the last place.
constexpr std::size_t kMostLanes = 16;
constexpr std::size_t window_room(std::size_t period) { return period + kMostLanes; }

constexpr std::size_t least(std::size_t a, std::size_t b) { return a < b ? a : b; }

// One lane: the vector type of the portable table.
template <typename T>
struct OneLane {
  using Value = T;
  using Register = T;
  static constexpr std::size_t lanes = 1;

  static T zero() { return 0; }
  static T broadcast(double value) { return static_cast<T>(value); }
  static T load(const T* from) { return *from; }
  static void store(T* to, T value) { *to = value; }
  static T load_low(const T* from, std::size_t count) { return count == 0 ? 0 : *from; }
  static void store_low(T* to, T value, std::size_t count) {
    if (count != 0) *to = value;
  }
  static T add(T a, T b) { return a + b; }
  static T sub(T a, T b) { return a - b; }
  static T mul(T a, T b) { return a * b; }
  static T div(T a, T b) { return a / b; }
  static T fma(T a, T b, T c) { return a * b + c; }
  static T min(T a, T b) { return b < a ? b : a; }
  static T max(T a, T b) { return a < b ? b : a; }
  static T sqrt(T a) {
    if constexpr (sizeof(T) == sizeof(double)) {
      return __builtin_sqrt(a);
    } else {
      return __builtin_sqrtf(a);
    }
  }
  static T size(T a) { return a < 0 ? -a : a; }
  static T first(T a) { return a; }
  static T last(T a) { return a; }
  static T low(T a, std::size_t count, T fill) { return count == 0 ? fill : a; }
  static bool all_zero(T a) { return a == 0; }
};

// A vector of which `count` lanes exist, a whole one if that is as many as it has: the others are read as 0 and not
// written.
template <typename V>
typename V::Register load_some(const typename V::Value* from, std::size_t count) {
  return count >= V::lanes ? V::load(from) : V::load_low(from, count);
}

template <typename V>
void store_some(typename V::Value* to, typename V::Register value, std::size_t count) {
  if (count >= V::lanes) {
    V::store(to, value);
  } else {
    V::store_low(to, value, count);
  }
}

template <typename V>
struct Sum {
  static typename V::Register identity() { return V::zero(); }
  static typename V::Register of(typename V::Register a, typename V::Register b) { return V::add(a, b); }
};

template <typename V>
struct Least {
  static typename V::Register identity() { return V::broadcast(kInfinity<double>); }
  static typename V::Register of(typename V::Register a, typename V::Register b) { return V::min(a, b); }
};

template <typename V>
struct Greatest {
  static typename V::Register identity() { return V::broadcast(-kInfinity<double>); }
  static typename V::Register of(typename V::Register a, typename V::Register b) { return V::max(a, b); }
};

// Each lane with all lanes before it.
template <typename V, typename Op>
typename V::Register scan_up(typename V::Register r) {
  const auto none = Op::identity();
  if constexpr (V::lanes > 1) r = Op::of(r, V::template later<1>(none, r));
  if constexpr (V::lanes > 2) r = Op::of(r, V::template later<2>(none, r));
  if constexpr (V::lanes > 4) r = Op::of(r, V::template later<4>(none, r));
  if constexpr (V::lanes > 8) r = Op::of(r, V::template later<8>(none, r));
  return r;
}

// Each lane with all lanes after it.
template <typename V, typename Op>
typename V::Register scan_down(typename V::Register r) {
  const auto none = Op::identity();
  if constexpr (V::lanes > 1) r = Op::of(r, V::template earlier<1>(r, none));
  if constexpr (V::lanes > 2) r = Op::of(r, V::template earlier<2>(r, none));
  if constexpr (V::lanes > 4) r = Op::of(r, V::template earlier<4>(r, none));
  if constexpr (V::lanes > 8) r = Op::of(r, V::template earlier<8>(r, none));
  return r;
}

// a / b, NaN where b is 0 whatever a is: an infinity times 0 is NaN, and a finite value times 0 adds nothing.
template <typename V>
typename V::Register quotient(typename V::Register a, typename V::Register b) {
  const auto q = V::div(a, b);
  return V::fma(q, V::zero(), q);
}

// A value times 0 is 0 if it is finite and NaN otherwise, and NaN stays in a sum.
template <typename V, typename T>
bool all_finite(const T* x, std::size_t n) {
  auto even = V::zero(), odd = V::zero();
  std::size_t i = 0;
  for (; i + 2 * V::lanes <= n; i += 2 * V::lanes) {
    even = V::fma(V::load(x + i), V::zero(), even);
    odd = V::fma(V::load(x + i + V::lanes), V::zero(), odd);
  }
  for (; i < n; i += V::lanes) even = V::fma(V::load_low(x + i, least(n - i, V::lanes)), V::zero(), even);
  return V::all_zero(V::add(even, odd));
}

template <typename T>
void fill_nan(T* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = kNaN<T>;
}

}  // namespace
}  // namespace latencykit::kernels

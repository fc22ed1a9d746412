// The algorithms once; each instruction set's translation unit instantiates them with its own vector type.
//
// Everything is in an unnamed namespace on purpose: these templates are compiled with different ISA flags in
// different files, and with external linkage the linker would keep one of the copies for all of them, for
// example AVX2 code for the scalar table. For the same reason no inline function of the standard library is
// called here.
//
// A vector type V has: Value, Register, lanes; zero, broadcast, load, store, add, mul, fma(a, b, c) = a * b +
// c; later<s>(before, now): the lanes s places earlier in the sequence [before, now]; powers(d): d^1 ..
// d^lanes; all_finite(a, b).
#pragma once

#include <cstddef>

namespace latencykit::kernels {
namespace {

template <typename T>
bool is_finite(T value) {
  return value - value == 0;
}

template <typename T>
constexpr T kNaN = static_cast<T>(__builtin_nan(""));

// The recurrence as it is written: y = (1 - alpha) * y + alpha * x, finite for all finite x because neither
// term can exceed the larger of |x| and |y|. Returns the last average.
template <typename T>
T ema_sequence(const T* x, T* out, std::size_t n, double alpha, T carry) {
  const T weight = static_cast<T>(alpha);
  const T decay = static_cast<T>(1 - alpha);
  for (std::size_t i = 0; i < n; ++i) {
    const T value = x[i];
    if (is_finite(value)) {
      carry = decay * carry + weight * value;
      out[i] = carry;
    } else {
      out[i] = kNaN<T>;
    }
  }
  return carry;
}

// Look-ahead form. With d = 1 - alpha and f1 = alpha * x,
//   f2[n] = f1[n] + d f1[n-1],  f4[n] = f2[n] + d^2 f2[n-2],  ...  f2k[n] = fk[n] + d^k fk[n-k],
//   y[n] = f2k[n] + d^2k y[n-2k],
// so that the carried dependency is one FMA per 2k elements, k being the lanes of a vector. (Look-ahead of
// recursive filters: Parhi and Messerschmitt, IEEE Trans. ASSP 37(7), 1989.)
template <typename V>
struct EmaCoefficients {
  using Register = typename V::Register;
  Register weight;         // alpha
  Register weight_before;  // alpha * d
  Register decay[4];       // d^2, d^4, ... d^lanes, d^(2 lanes), as far as lanes need them
  Register decay_ramp;     // d^1 .. d^lanes
  static constexpr int doublings = V::lanes == 4 ? 3 : 4;

  explicit EmaCoefficients(double alpha) {
    const double d = 1 - alpha;
    weight = V::broadcast(alpha);
    weight_before = V::broadcast(alpha * d);
    double power = d;
    for (int i = 0; i < doublings; ++i) {
      power *= power;
      decay[i] = V::broadcast(power);
    }
    decay_ramp = V::powers(d);
  }
  Register across_vector() const { return decay[doublings - 2]; }
  Register across_block() const { return decay[doublings - 1]; }
};

// The weighted sum of the last `lanes` inputs, within and just before one vector, and its previous stages,
// which the next vector needs.
template <typename V>
struct EmaFilter {
  using Register = typename V::Register;
  Register stage2 = V::zero();  // f2 of the vector before
  Register stage4 = V::zero();
  Register stage8 = V::zero();  // only with 8 lanes

  // f2k of this vector, from its inputs and those one element earlier.
  Register next(const EmaCoefficients<V>& c, Register x, Register x_before) {
    Register f = V::fma(c.weight_before, x_before, V::mul(c.weight, x));
    const Register f2 = f;
    f = V::fma(c.decay[0], V::template later<2>(stage2, f2), f2);
    stage2 = f2;
    const Register f4 = f;
    if constexpr (V::lanes == 8) {
      f = V::fma(c.decay[1], V::template later<4>(stage4, f4), f4);
      const Register f8 = f;
      f = V::fma(c.across_vector(), stage8, f8);
      stage8 = f8;
    } else {
      f = V::fma(c.across_vector(), stage4, f4);
    }
    stage4 = f4;
    return f;
  }
};

template <typename V, typename T>
bool all_finite(const T* x, std::size_t n) {
  bool finite = true;
  for (std::size_t i = 0; i < n; i += 2 * V::lanes) {
    finite &= V::all_finite(V::load(x + i), V::load(x + i + V::lanes));
  }
  return finite;
}

// How many blocks of two vectors are written before their finiteness is looked at.
constexpr std::size_t kBlocksPerCheck = 16;

// Runs over x[0..n), n a multiple of two vectors, and stops before the first stretch of `kBlocksPerCheck`
// blocks that holds an input that is not finite. Returns how many outputs are done; carry is the last of them.
//
// A value that is not finite makes its output so, and that output those at every 2k-th place after it: a look
// at the last two vectors of a stretch tells about all of it. In place the input would be lost by then, so
// there each stretch is looked at before.
template <typename V, bool in_place, typename T>
std::size_t ema_run(const EmaCoefficients<V>& c, const T* x, T* out, std::size_t n, T& carry) {
  using Register = typename V::Register;
  constexpr std::size_t lanes = V::lanes;
  constexpr std::size_t stretch = 2 * lanes * kBlocksPerCheck;
  EmaFilter<V> filter;
  Register x_last = V::zero(), y0 = V::zero(), y1 = V::zero();
  for (std::size_t start = 0; start < n; start += stretch) {
    const std::size_t end = n - start < stretch ? n : start + stretch;
    if (in_place && !all_finite<V>(x + start, end - start)) return start;
    std::size_t i = start;
    if (start == 0) {
      // Nothing before the first block but the carry, which decays from element to element.
      const Register x0 = V::load(x), x1 = V::load(x + lanes);
      const Register before = V::mul(V::broadcast(carry), c.decay_ramp);
      const Register f0 = filter.next(c, x0, V::template later<1>(V::zero(), x0));
      const Register f1 = filter.next(c, x1, V::template later<1>(x0, x1));
      y0 = V::add(f0, before);
      y1 = V::fma(c.across_vector(), before, f1);
      V::store(out, y0);
      V::store(out + lanes, y1);
      x_last = x1;
      i = 2 * lanes;
    }
    for (; i < end; i += 2 * lanes) {
      const Register x0 = V::load(x + i), x1 = V::load(x + i + lanes);
      // In place, the element before this block is an output by now.
      const Register x0_before = in_place ? V::template later<1>(x_last, x0) : V::load(x + i - 1);
      const Register x1_before = V::load(x + i + lanes - 1);
      const Register f0 = filter.next(c, x0, x0_before);
      const Register f1 = filter.next(c, x1, x1_before);
      y0 = V::fma(c.across_block(), y0, f0);
      y1 = V::fma(c.across_block(), y1, f1);
      V::store(out + i, y0);
      V::store(out + i + lanes, y1);
      x_last = x1;
    }
    if (!in_place && !V::all_finite(y0, y1)) return start;
    carry = out[end - 1];
  }
  return n;
}

template <typename V, bool in_place, typename T>
void ema_lookahead(const T* x, T* out, std::size_t n, double alpha, T carry) {
  constexpr std::size_t block = 2 * V::lanes;
  constexpr std::size_t stretch = block * kBlocksPerCheck;
  const EmaCoefficients<V> c(alpha);
  std::size_t i = 0;
  while (n - i >= block) {
    i += ema_run<V, in_place>(c, x + i, out + i, (n - i) / block * block, carry);
    const std::size_t slow = n - i < stretch ? n - i : stretch;
    carry = ema_sequence(x + i, out + i, slow, alpha, carry);
    i += slow;
  }
  ema_sequence(x + i, out + i, n - i, alpha, carry);
}

template <typename V, typename T>
void ema_continue(const T* x, T* out, std::size_t n, double alpha, T carry) {
  if (x == out) {
    ema_lookahead<V, true>(x, out, n, alpha, carry);
  } else {
    ema_lookahead<V, false>(x, out, n, alpha, carry);
  }
}

}  // namespace
}  // namespace latencykit::kernels

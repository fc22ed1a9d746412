// The exponential moving average: as it is written, and in look-ahead form.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vector.h"

namespace latencykit::kernels {
namespace {

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
  static constexpr int doublings = V::lanes == 4 ? 2 : V::lanes == 8 ? 3 : 4;

  Register weight;                // alpha
  Register weight_before;         // alpha * d
  Register decay[doublings + 1];  // d^2, d^4, ... d^lanes, d^(2 lanes)
  Register decay_ramp;            // d^1 .. d^lanes

  explicit EmaCoefficients(double alpha) {
    const double d = 1 - alpha;
    weight = V::broadcast(alpha);
    weight_before = V::broadcast(alpha * d);
    double power = d;
    for (Register& r : decay) {
      power *= power;
      r = V::broadcast(power);
    }
    decay_ramp = V::powers(d);
  }
  Register across_vector() const { return decay[doublings - 1]; }
  Register across_block() const { return decay[doublings]; }
};

// fk, the weighted sum of the last `lanes` inputs of each lane, and the stages of the vector before that the next one
// needs.
template <typename V>
struct EmaFilter {
  using Register = typename V::Register;
  static constexpr int doublings = EmaCoefficients<V>::doublings;
  Register stage[doublings - 1];  // f2, f4, ...

  EmaFilter() {
    for (Register& r : stage) r = V::zero();
  }

  template <int level>
  Register doubled(const EmaCoefficients<V>& c, Register f) {
    const Register before = stage[level];
    stage[level] = f;
    return V::fma(c.decay[level], V::template later<(2 << level)>(before, f), f);
  }

  // Of this vector, from its inputs and those one element earlier.
  Register next(const EmaCoefficients<V>& c, Register x, Register x_before) {
    Register f = doubled<0>(c, V::fma(c.weight_before, x_before, V::mul(c.weight, x)));
    if constexpr (doublings > 2) f = doubled<1>(c, f);
    if constexpr (doublings > 3) f = doubled<2>(c, f);
    return f;
  }
};

// How many blocks of two vectors are written before their finiteness is looked at.
constexpr std::size_t kBlocksPerCheck = 32;

// What a run has to expect of its input.
enum class Input { finite, any, any_in_place };

// The state of a run over blocks of two vectors.
template <typename V, bool in_place>
struct EmaRun {
  using T = typename V::Value;
  using Register = typename V::Register;
  static constexpr std::size_t lanes = V::lanes;

  EmaCoefficients<V> c;
  EmaFilter<V> filter;
  Register x_last = V::zero(), f_last = V::zero(), y0 = V::zero(), y1 = V::zero();

  explicit EmaRun(const EmaCoefficients<V>& coefficients) : c(coefficients) {}

  // f2k of the next vector.
  Register filtered(Register x, Register x_before) {
    const Register before = f_last;
    f_last = filter.next(c, x, x_before);
    return V::fma(c.across_vector(), before, f_last);
  }

  // The next block at x, of `count` values if it is not whole. Nothing is before the first but the carry, which
  // decays from element to element.
  template <bool first, bool whole>
  void block(const T* x, T* out, std::size_t count, T carry) {
    if (!first && !whole && count <= lanes) return half_block(x, out, count);
    const std::size_t low = whole ? lanes : least(count, lanes), high = whole ? lanes : count - low;
    const Register x0 = load_some<V>(x, low), x1 = load_some<V>(x + lanes, high);
    // In place, the element before this block is an output by now.
    const Register x0_before = first || in_place ? V::template later<1>(x_last, x0) : load_some<V>(x - 1, low);
    const Register x1_before = in_place ? V::template later<1>(x0, x1) : load_some<V>(x + lanes - 1, high);
    const Register f0 = filtered(x0, x0_before);
    const Register f1 = filtered(x1, x1_before);
    if constexpr (first) {
      const Register before = V::mul(V::broadcast(carry), c.decay_ramp);
      y0 = V::add(f0, before);
      y1 = V::fma(c.across_vector(), before, f1);
    } else {
      y0 = V::fma(c.across_block(), y0, f0);
      y1 = V::fma(c.across_block(), y1, f1);
    }
    store_some<V>(out, y0, low);
    store_some<V>(out + lanes, y1, high);
    x_last = x1;
  }

  // The last values, if they fill no more than one vector.
  void half_block(const T* x, T* out, std::size_t count) {
    const Register x0 = load_some<V>(x, count);
    const Register x0_before = in_place ? V::template later<1>(x_last, x0) : load_some<V>(x - 1, count);
    y0 = V::fma(c.across_block(), y0, filtered(x0, x0_before));
    store_some<V>(out, y0, count);
  }

  bool finite() const { return V::all_zero(V::fma(y0, V::zero(), V::mul(y1, V::zero()))); }
};

// Runs over x[0..n) and stops before the first stretch of `kBlocksPerCheck` blocks that holds an input that is
// not finite. Returns how many outputs are done; carry is the last of them.
//
// A value that is not finite makes its output so, and that output those at every 2k-th place after it: a look
// at the last two vectors of a stretch tells about all of it. In place the input would be lost by then, so
// there each stretch is looked at before.
template <typename V, Input input, typename T>
std::size_t ema_run(const EmaCoefficients<V>& c, const T* x, T* out, std::size_t n, T& carry) {
  constexpr std::size_t block = 2 * V::lanes;
  constexpr bool in_place = input == Input::any_in_place;
  const std::size_t stretch = input == Input::finite ? n : block * kBlocksPerCheck;
  EmaRun<V, in_place> run(c);
  for (std::size_t start = 0; start < n; start += stretch) {
    const std::size_t end = n - start < stretch ? n : start + stretch;
    if (in_place && !all_finite<V>(x + start, end - start)) return start;
    std::size_t i = start;
    if (start == 0 && n >= block) {
      run.template block<true, true>(x, out, block, carry);
      i = block;
    } else if (start == 0) {
      run.template block<true, false>(x, out, n, carry);
      i = n;
    }
    for (; i + block <= end; i += block) run.template block<false, true>(x + i, out + i, block, carry);
    if (i < end) run.template block<false, false>(x + i, out + i, end - i, carry);
    if (input == Input::any && !run.finite()) return start;
    carry = out[end - 1];
  }
  return n;
}

template <typename V, Input input, typename T>
void ema_lookahead(const T* x, T* out, std::size_t n, double alpha, T carry) {
  constexpr std::size_t stretch = 2 * V::lanes * kBlocksPerCheck;
  const EmaCoefficients<V> c(alpha);
  for (std::size_t i = 0; i < n;) {
    i += ema_run<V, input>(c, x + i, out + i, n - i, carry);
    const std::size_t slow = least(n - i, stretch);
    carry = ema_sequence(x + i, out + i, slow, alpha, carry);
    i += slow;
  }
}

template <typename V, typename T>
void ema_continue(const T* x, T* out, std::size_t n, double alpha, T carry) {
  if constexpr (V::lanes == 1) {
    ema_sequence(x, out, n, alpha, carry);
  } else if (n < V::lanes) {
    ema_sequence(x, out, n, alpha, carry);
  } else if (x == out) {
    ema_lookahead<V, Input::any_in_place>(x, out, n, alpha, carry);
  } else {
    ema_lookahead<V, Input::any>(x, out, n, alpha, carry);
  }
}

// Several series at once: while one waits for its carried sum the others go on, so that a vector needs one
// doubling less, y[n] = fk[n] + d^k y[n-k].
constexpr std::size_t kRowsAtOnce = 2;

template <typename V>
struct EmaRow {
  using Register = typename V::Register;
  EmaFilter<V> filter;
  Register average;

  void begin(const EmaCoefficients<V>& c, Register x, double carry) {
    const Register f = filter.next(c, x, V::template later<1>(V::zero(), x));
    average = V::fma(V::broadcast(carry), c.decay_ramp, f);
  }
  void next(const EmaCoefficients<V>& c, Register x, Register x_before) {
    average = V::fma(c.across_vector(), average, filter.next(c, x, x_before));
  }
};

// The next values of kRowsAtOnce series, each n after the one before; false, with outputs of no meaning, if one is
// not finite: the average would be so to its end.
template <typename V, typename T>
bool ema_abreast(const EmaCoefficients<V>& c, const T* x, T* out, std::size_t n, std::size_t begin) {
  EmaRow<V> rows[kRowsAtOnce];
  const T* from[kRowsAtOnce];
  T* to[kRowsAtOnce];
  for (std::size_t r = 0; r < kRowsAtOnce; ++r) {
    from[r] = x + r * n + begin;
    to[r] = out + r * n + begin;
    rows[r].begin(c, V::load(from[r]), to[r][-1]);
    V::store(to[r], rows[r].average);
  }
  const std::size_t left = n - begin;
  std::size_t i = V::lanes;
  for (; i + V::lanes <= left; i += V::lanes) {
    for (std::size_t r = 0; r < kRowsAtOnce; ++r) {
      rows[r].next(c, V::load(from[r] + i), V::load(from[r] + i - 1));
      V::store(to[r] + i, rows[r].average);
    }
  }
  bool finite = true;
  for (std::size_t r = 0; r < kRowsAtOnce; ++r) {
    rows[r].next(c, V::load_low(from[r] + i, left - i), V::load_low(from[r] + i - 1, left - i));
    V::store_low(to[r] + i, rows[r].average, left - i);
    finite &= V::all_zero(V::mul(rows[r].average, V::zero()));
  }
  return finite;
}

template <typename V, typename T>
std::size_t ema_rows(const T* x, T* out, std::size_t n, std::size_t begin, double alpha, std::size_t count) {
  std::size_t done = 0;
  if constexpr (V::lanes > 1) {
    if (n - begin < V::lanes) return 0;
    const EmaCoefficients<V> c(alpha);
    while (count - done >= kRowsAtOnce && ema_abreast<V>(c, x + done * n, out + done * n, n, begin)) {
      done += kRowsAtOnce;
    }
  }
  return done;
}

// An average of finite values that is continued piece by piece, as indicators built upon averages need it.
template <typename V, bool wide = (V::lanes > 1)>
class EmaPieces {
 public:
  using T = typename V::Value;
  EmaPieces(double alpha, T carry) : coefficients_(alpha), carry_(carry) {}

  // `out` does not overlap x.
  void next(const T* x, T* out, std::size_t n) { ema_run<V, Input::finite>(coefficients_, x, out, n, carry_); }

 private:
  EmaCoefficients<V> coefficients_;
  T carry_;
};

template <typename V>
class EmaPieces<V, false> {
 public:
  using T = typename V::Value;
  EmaPieces(double alpha, T carry) : alpha_(alpha), carry_(carry) {}
  void next(const T* x, T* out, std::size_t n) { carry_ = ema_sequence(x, out, n, alpha_, carry_); }

 private:
  double alpha_;
  T carry_;
};

}  // namespace
}  // namespace latencykit::kernels

// Indicators over the last p values.
//
// A window is never updated by subtracting what leaves it. Every p-th element is a pivot; each window holds
// exactly one, and is split there: a left part that was aggregated backwards from the pivot, and a right part
// that is aggregated forwards from it (van Herk, Pattern Recognition Letters 13(7), 1992; Gil and Werman, IEEE
// PAMI 15(5), 1993, there for minima and maxima). Two aggregations and one combination per value whatever p
// is; no error outlives the values that made it, over any length.
//
// Sums are of distances from the pivot, which lies in the window. So the mean's error is relative to the
// window's range and not to its values' size, a constant window has exactly its constant for a mean and exactly
// 0 for a deviation, and the variance (Q - S^2 / p) / (p - ddof) loses little: with range R, no distance
// exceeds R, and the variance of p values is at least R^2 / 2p.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vector.h"

namespace latencykit::kernels {
namespace {

// A window's aggregates: `turn` takes a new pivot, `terms` gives what one row adds to each aggregate, and
// `finish` makes the outputs of the whole window's aggregates. load(a) reads input a of the rows at hand,
// store(b, r) writes output b.
template <typename V>
struct Mean {
  using Register = typename V::Register;
  using Op = Sum<V>;
  static constexpr int aggregates = 1;

  explicit Mean(const Settings& s) : share(V::broadcast(1 / static_cast<double>(s.period))), pivot(V::zero()) {}
  template <typename T>
  void turn(const Series<T>& s, std::size_t at) {
    pivot = V::broadcast(s.in[0][at]);
  }
  template <typename Load>
  void terms(const Load& load, Register* t) const {
    t[0] = V::sub(load(0), pivot);
  }
  template <typename Load, typename Store>
  void finish(const Load&, const Register* t, const Store& store) const {
    store(0, V::fma(t[0], share, pivot));
  }

  Register share, pivot;
};

template <typename V, template <typename> typename Choice>
struct Extreme {
  using Register = typename V::Register;
  using Op = Choice<V>;
  static constexpr int aggregates = 1;

  explicit Extreme(const Settings&) {}
  template <typename T>
  void turn(const Series<T>&, std::size_t) {}
  template <typename Load>
  void terms(const Load& load, Register* t) const {
    t[0] = load(0);
  }
  template <typename Load, typename Store>
  void finish(const Load&, const Register* t, const Store& store) const {
    store(0, t[0]);
  }
};

// The distances' sum and sum of squares.
template <typename V>
struct Moments {
  using Register = typename V::Register;
  using Op = Sum<V>;
  static constexpr int aggregates = 2;

  explicit Moments(const Settings& s)
      : share(V::broadcast(1 / static_cast<double>(s.period))),
        degrees(V::broadcast(1 / static_cast<double>(s.period - s.ddof))),
        pivot(V::zero()) {}
  template <typename T>
  void turn(const Series<T>& s, std::size_t at) {
    pivot = V::broadcast(s.in[0][at]);
  }
  template <typename Load>
  void terms(const Load& load, Register* t) const {
    t[0] = V::sub(load(0), pivot);
    t[1] = V::mul(t[0], t[0]);
  }
  Register mean_distance(const Register* t) const { return V::mul(t[0], share); }
  Register deviation(const Register* t) const {
    const Register spread = V::sub(t[1], V::mul(t[0], mean_distance(t)));
    return V::sqrt(V::mul(V::max(spread, V::zero()), degrees));
  }

  Register share, degrees, pivot;
};

template <typename V>
struct Deviation : Moments<V> {
  using Moments<V>::Moments;
  using Register = typename V::Register;
  template <typename Load, typename Store>
  void finish(const Load&, const Register* t, const Store& store) const {
    store(0, this->deviation(t));
  }
};

template <typename V>
struct Bands : Moments<V> {
  using Register = typename V::Register;
  explicit Bands(const Settings& s) : Moments<V>(s), width(V::broadcast(s.width)) {}
  template <typename Load, typename Store>
  void finish(const Load&, const Register* t, const Store& store) const {
    const Register mean = V::add(this->pivot, this->mean_distance(t));
    const Register half = V::mul(width, this->deviation(t));
    store(0, V::add(mean, half));
    store(1, mean);
    store(2, V::sub(mean, half));
  }

  Register width;
};

template <typename V>
struct Score : Moments<V> {
  using Moments<V>::Moments;
  using Register = typename V::Register;
  template <typename Load, typename Store>
  void finish(const Load& load, const Register* t, const Store& store) const {
    const Register distance = V::sub(V::sub(load(0), this->pivot), this->mean_distance(t));
    store(0, quotient<V>(distance, this->deviation(t)));
  }
};

// The price weighted by volume: inputs are price and volume.
template <typename V>
struct WeightedPrice {
  using Register = typename V::Register;
  using Op = Sum<V>;
  static constexpr int aggregates = 2;

  explicit WeightedPrice(const Settings&) : pivot(V::zero()) {}
  template <typename T>
  void turn(const Series<T>& s, std::size_t at) {
    pivot = V::broadcast(s.in[0][at]);
  }
  template <typename Load>
  void terms(const Load& load, Register* t) const {
    t[1] = load(1);
    t[0] = V::mul(V::sub(load(0), pivot), t[1]);
  }
  template <typename Load, typename Store>
  void finish(const Load&, const Register* t, const Store& store) const {
    store(0, V::add(pivot, quotient<V>(t[0], t[1])));
  }

  Register pivot;
};

// The rows from `at` on, of which `count` exist; up to a whole vector of them is read or written.
template <typename V, typename T>
struct Rows {
  const Series<T>& series;
  std::size_t at;
  std::size_t count;

  typename V::Register operator()(int input) const { return load_some<V>(series.in[input] + at, count); }
  void operator()(int output, typename V::Register value) const {
    store_some<V>(series.out[output] + at, value, count);
  }
};

// The left parts of the windows from the pivot on: place k of each aggregate is that of the rows k places
// after the first window's begin up to the pivot, which is not among them.
template <typename V, typename W, typename T>
void aggregate_left(const W& window, const Series<T>& s, std::size_t pivot, std::size_t period, T* left,
                    std::size_t room) {
  using Register = typename V::Register;
  using Op = typename W::Op;
  const std::size_t begin = pivot + 1 - period;
  Register carry[W::aggregates], t[W::aggregates];
  for (Register& r : carry) r = Op::identity();
  std::size_t k = (period - 1) / V::lanes * V::lanes;
  // The topmost vector reaches to the pivot or beyond; those lanes are of no window's left part.
  const std::size_t valid = period - 1 - k;
  window.terms(Rows<V, T>{s, begin + k, s.n - begin - k}, t);
  for (Register& r : t) r = V::low(r, valid, Op::identity());
  for (;;) {
    for (int a = 0; a < W::aggregates; ++a) {
      const Register scanned = scan_down<V, Op>(t[a]);
      V::store(left + a * room + k, Op::of(scanned, carry[a]));
      // Not from what was stored, so that one operation is all that the next vector waits for.
      carry[a] = Op::of(V::first(scanned), carry[a]);
    }
    if (k == 0) return;
    k -= V::lanes;
    window.terms(Rows<V, T>{s, begin + k, V::lanes}, t);
  }
}

// The outputs of the windows that hold the pivot.
template <typename V, typename W, typename T>
void aggregate_right(const W& window, const Series<T>& s, std::size_t pivot, std::size_t period, const T* left,
                     std::size_t room) {
  using Register = typename V::Register;
  using Op = typename W::Op;
  Register carry[W::aggregates], t[W::aggregates];
  for (Register& r : carry) r = Op::identity();
  const std::size_t count = least(period, s.n - pivot);
  for (std::size_t k = 0; k < count; k += V::lanes) {
    // Rows beyond the last window may be written: the next pivot's outputs come later.
    const Rows<V, T> rows{s, pivot + k, s.n - pivot - k};
    window.terms(rows, t);
    for (int a = 0; a < W::aggregates; ++a) {
      const Register scanned = scan_up<V, Op>(t[a]);
      t[a] = Op::of(Op::of(scanned, carry[a]), V::load(left + a * room + k));
      carry[a] = Op::of(V::last(scanned), carry[a]);
    }
    window.finish(rows, t, rows);
  }
}

template <typename V, template <typename> typename W, std::size_t inputs, std::size_t outputs>
bool windowed(const Settings& settings, const Series<typename V::Value>& s, typename V::Value* scratch) {
  if constexpr (V::lanes > 1) {
    // A vector would be full of other windows' places.
    using T = typename V::Value;
    if (settings.period < V::lanes) return windowed<OneLane<T>, W, inputs, outputs>(settings, s, scratch);
  }
  const std::size_t period = settings.period, before = least(s.n, period - 1), room = window_room(period);
  for (std::size_t b = 0; b < outputs; ++b) fill_nan(s.out[b], before);
  for (std::size_t a = 0; a < inputs; ++a) {
    if (!all_finite<V>(s.in[a], before)) return false;
  }
  W<V> window(settings);
  for (std::size_t pivot = period - 1; pivot < s.n; pivot += period) {
    const std::size_t count = least(period, s.n - pivot);
    for (std::size_t a = 0; a < inputs; ++a) {
      if (!all_finite<V>(s.in[a] + pivot, count)) return false;
    }
    window.turn(s, pivot);
    aggregate_left<V>(window, s, pivot, period, scratch, room);
    aggregate_right<V>(window, s, pivot, period, scratch, room);
  }
  return true;
}

}  // namespace
}  // namespace latencykit::kernels

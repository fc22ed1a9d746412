// Indicators made of exponential averages: rsi, atr, macd. Pieces of the series pass through buffers that stay
// in the first-level cache: changes or ranges first, then their averages, then what is made of those.
#pragma once

#include "kernels/ema.h"
#include "kernels/kernels.h"
#include "latency/ema_weight.h"

namespace latencykit::kernels {
namespace {

constexpr std::size_t kPiece = 256;

template <typename V>
struct Buffer {
  alignas(64) typename V::Value values[kPiece];
};

// out[i] = f(i-th vector) for whole vectors and the rest, which is padded with zeros.
template <typename V, typename F>
void each_vector(std::size_t n, const F& f) {
  for (std::size_t i = 0; i < n; i += V::lanes) f(i, least(n - i, V::lanes));
}

template <typename T>
double mean_of(const T* x, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += x[i];
  return sum / static_cast<double>(n);
}

// ---- rsi

template <typename V>
void split_changes(const typename V::Value* x, std::size_t n, Buffer<V>& up, Buffer<V>& down) {
  each_vector<V>(n, [&](std::size_t i, std::size_t count) {
    const auto change = V::sub(load_some<V>(x + i, count), load_some<V>(x + i - 1, count));
    store_some<V>(up.values + i, V::max(change, V::zero()), count);
    store_some<V>(down.values + i, V::max(V::sub(V::zero(), change), V::zero()), count);
  });
}

// 100 * up / (up + down), written so that it is 50 where both are 0.
template <typename V>
void relative_strength(const Buffer<V>& up, const Buffer<V>& down, typename V::Value* out, std::size_t n) {
  const auto half = V::broadcast(50), least_total = V::broadcast(sizeof(typename V::Value) == 8 ? 0x1p-1074 : 0x1p-149);
  each_vector<V>(n, [&](std::size_t i, std::size_t count) {
    const auto u = load_some<V>(up.values + i, count), d = load_some<V>(down.values + i, count);
    const auto total = V::max(V::add(u, d), least_total);
    store_some<V>(out + i, V::fma(V::div(V::sub(u, d), total), half, half), count);
  });
}

template <typename V>
bool rsi(const Settings& settings, const Series<typename V::Value>& s, typename V::Value*) {
  using T = typename V::Value;
  const T* x = s.in[0];
  T* out = s.out[0];
  const std::size_t seeds = settings.mean_seed ? settings.period : 1;
  if (s.n <= seeds) {
    fill_nan(out, s.n);
    return all_finite<V>(x, s.n);
  }
  if (!all_finite<V>(x, seeds + 1)) return false;
  fill_nan(out, seeds);
  double ups = 0, downs = 0;
  for (std::size_t i = 1; i <= seeds; ++i) {
    const T change = x[i] - x[i - 1];
    (change > 0 ? ups : downs) += change > 0 ? change : -change;
  }
  const double count = static_cast<double>(seeds), alpha = 1 / static_cast<double>(settings.period);
  Buffer<V> up, down, up_average, down_average;
  up_average.values[0] = static_cast<T>(ups / count);
  down_average.values[0] = static_cast<T>(downs / count);
  relative_strength<V>(up_average, down_average, out + seeds, 1);
  EmaPieces<V> ups_average(alpha, up_average.values[0]), downs_average(alpha, down_average.values[0]);
  for (std::size_t i = seeds + 1; i < s.n; i += kPiece) {
    const std::size_t n = least(kPiece, s.n - i);
    if (!all_finite<V>(x + i, n)) return false;
    split_changes<V>(x + i, n, up, down);
    ups_average.next(up.values, up_average.values, n);
    downs_average.next(down.values, down_average.values, n);
    relative_strength<V>(up_average, down_average, out + i, n);
  }
  return true;
}

// ---- atr

// The true ranges of rows [at, at + n), at >= 1; false if a value is not finite. One walk over the three arrays:
// where they are far longer than the caches, several would each wait for memory anew.
template <typename V>
bool true_ranges(const Series<typename V::Value>& s, std::size_t at, std::size_t n, typename V::Value* out) {
  auto nought = V::zero();
  each_vector<V>(n, [&](std::size_t i, std::size_t count) {
    const auto high = load_some<V>(s.in[0] + at + i, count), low = load_some<V>(s.in[1] + at + i, count);
    const auto close = load_some<V>(s.in[2] + at + i, count);
    const auto close_before = load_some<V>(s.in[2] + at + i - 1, count);
    const auto gap = V::max(V::size(V::sub(high, close_before)), V::size(V::sub(low, close_before)));
    store_some<V>(out + i, V::max(V::sub(high, low), gap), count);
    // One addition is all that the next vector waits for.
    const auto noughts = V::fma(high, V::zero(), V::fma(low, V::zero(), V::mul(close, V::zero())));
    nought = V::add(nought, noughts);
  });
  return V::all_zero(nought);
}

template <typename V>
bool rows_finite(const Series<typename V::Value>& s, std::size_t n) {
  return all_finite<V>(s.in[0], n) && all_finite<V>(s.in[1], n) && all_finite<V>(s.in[2], n);
}

template <typename V>
bool atr(const Settings& settings, const Series<typename V::Value>& s, typename V::Value*) {
  using T = typename V::Value;
  T* out = s.out[0];
  const std::size_t seeds = settings.mean_seed ? settings.period : 1;
  if (s.n <= seeds) {
    fill_nan(out, s.n);
    return rows_finite<V>(s, s.n);
  }
  // Where the ranges of the seed stand until they are averaged.
  if (!rows_finite<V>(s, 1) || !true_ranges<V>(s, 1, seeds, out + 1)) return false;
  out[seeds] = static_cast<T>(mean_of(out + 1, seeds));
  fill_nan(out, seeds);
  EmaPieces<V> average(1 / static_cast<double>(settings.period), out[seeds]);
  Buffer<V> ranges;
  for (std::size_t i = seeds + 1; i < s.n; i += kPiece) {
    const std::size_t n = least(kPiece, s.n - i);
    if (!true_ranges<V>(s, i, n, ranges.values)) return false;
    average.next(ranges.values, out + i, n);
  }
  return true;
}

// ---- macd

template <typename V>
void subtract(const typename V::Value* a, const typename V::Value* b, typename V::Value* out, std::size_t n) {
  each_vector<V>(n, [&](std::size_t i, std::size_t count) {
    store_some<V>(out + i, V::sub(load_some<V>(a + i, count), load_some<V>(b + i, count)), count);
  });
}

// The average of `period` that continues from `carry`.
template <typename V>
EmaPieces<V> pieces_of(std::size_t period, typename V::Value carry) {
  return {ema_weight(static_cast<double>(period)), carry};
}

template <typename V>
struct MacdAverages {
  EmaPieces<V> fast, slow;
  Buffer<V> fast_values, slow_values;

  // The line of n more values, n at most a piece.
  void next(const typename V::Value* x, typename V::Value* line, std::size_t n) {
    fast.next(x, fast_values.values, n);
    slow.next(x, slow_values.values, n);
    subtract<V>(fast_values.values, slow_values.values, line, n);
  }
};

// Writes the line from its first value up to place `end`, and returns false at an input that is not finite.
template <typename V, typename F>
bool macd_lines(MacdAverages<V>& averages, const Series<typename V::Value>& s, std::size_t begin, std::size_t end,
                const F& then) {
  for (std::size_t i = begin; i < end; i += kPiece) {
    const std::size_t n = least(kPiece, end - i);
    if (!all_finite<V>(s.in[0] + i, n)) return false;
    averages.next(s.in[0] + i, s.out[0] + i, n);
    then(i, n);
  }
  return true;
}

template <typename V>
bool macd(const Settings& settings, const Series<typename V::Value>& s, typename V::Value*) {
  using T = typename V::Value;
  const T* x = s.in[0];
  T *line = s.out[0], *signal = s.out[1], *histogram = s.out[2];
  const bool mean = settings.mean_seed;
  // The first places of the line and of the signal.
  const std::size_t first = mean ? settings.slow - 1 : 0, ready = mean ? first + settings.signal - 1 : 0;
  fill_nan(line, least(s.n, first));
  fill_nan(signal, least(s.n, ready));
  fill_nan(histogram, least(s.n, ready));
  if (!all_finite<V>(x, least(s.n, first + 1))) return false;
  if (s.n <= first) return true;
  const std::size_t fast_seeds = mean ? settings.period : 1;
  const T fast = static_cast<T>(mean_of(x + first + 1 - fast_seeds, fast_seeds));
  const T slow = static_cast<T>(mean_of(x, first + 1));
  MacdAverages<V> averages{pieces_of<V>(settings.period, fast), pieces_of<V>(settings.slow, slow), {}, {}};
  line[first] = fast - slow;
  const auto nothing = [](std::size_t, std::size_t) {};
  if (!macd_lines(averages, s, first + 1, least(s.n, ready + 1), nothing)) return false;
  if (s.n <= ready) return true;
  signal[ready] = static_cast<T>(mean_of(line + first, ready + 1 - first));
  histogram[ready] = line[ready] - signal[ready];
  EmaPieces<V> smoothed = pieces_of<V>(settings.signal, signal[ready]);
  return macd_lines(averages, s, ready + 1, s.n, [&](std::size_t at, std::size_t n) {
    smoothed.next(line + at, signal + at, n);
    subtract<V>(line + at, signal + at, histogram + at, n);
  });
}

}  // namespace
}  // namespace latencykit::kernels

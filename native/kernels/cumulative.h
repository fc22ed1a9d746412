// The volume-weighted average price from the beginning of the series.
#pragma once

#include "kernels/averages.h"
#include "kernels/kernels.h"
#include "kernels/vector.h"

namespace latencykit::kernels {
namespace {

// A sum of doubles with the error of its additions beside it (Neumaier, ZAMM 54(1), 1974). It is the one of
// latency/compensated_sum.h again, because that has external linkage and calls std::abs: see vector.h.
struct ExactSum {
  double sum = 0;
  double error = 0;

  void add(double value) {
    const double total = sum + value;
    const bool sum_is_larger = __builtin_fabs(sum) >= __builtin_fabs(value);
    error += sum_is_larger ? (sum - total) + value : (value - total) + sum;
    sum = total;
  }
};

// The sums up to each of the first n values of two pieces at once, in their place. They are 0 after those, as far
// as the last vector goes.
template <typename W>
void scan_sums(double* a, double* b, std::size_t n) {
  auto carry_a = W::zero(), carry_b = W::zero();
  for (std::size_t i = 0; i < n; i += W::lanes) {
    const auto scanned_a = scan_up<W, Sum<W>>(W::load(a + i)), scanned_b = scan_up<W, Sum<W>>(W::load(b + i));
    W::store(a + i, W::add(scanned_a, carry_a));
    W::store(b + i, W::add(scanned_b, carry_b));
    carry_a = W::add(W::last(scanned_a), carry_a);
    carry_b = W::add(W::last(scanned_b), carry_b);
  }
}

// W is the instruction set's vector of doubles: in float32 a long sum would have no digits left. Sums are of
// distances from the first price, so that the error is relative to the prices' range.
template <typename V, typename W>
bool vwap_from_begin(const Series<typename V::Value>& s) {
  using T = typename V::Value;
  if (s.n == 0) return true;
  T* const out = s.out[0];
  const double origin = s.in[0][0];
  ExactSum traded, volume;
  Buffer<W> traded_sums, volume_sums;
  for (std::size_t at = 0; at < s.n; at += kPiece) {
    const std::size_t n = least(kPiece, s.n - at);
    if (!all_finite<V>(s.in[0] + at, n) || !all_finite<V>(s.in[1] + at, n)) return false;
    for (std::size_t i = 0; i < n; ++i) {
      volume_sums.values[i] = static_cast<double>(s.in[1][at + i]);
      traded_sums.values[i] = (static_cast<double>(s.in[0][at + i]) - origin) * volume_sums.values[i];
    }
    for (std::size_t i = n; i % W::lanes != 0; ++i) volume_sums.values[i] = traded_sums.values[i] = 0;
    scan_sums<W>(traded_sums.values, volume_sums.values, n);
    for (std::size_t i = 0; i < n; ++i) {
      const double total = volume.sum + (volume.error + volume_sums.values[i]);
      const double sum = traded.sum + (traded.error + traded_sums.values[i]);
      out[at + i] = static_cast<T>(origin + sum / (total == 0 ? kNaN<double> : total));
    }
    traded.add(traded_sums.values[n - 1]);
    volume.add(volume_sums.values[n - 1]);
  }
  return true;
}

}  // namespace
}  // namespace latencykit::kernels

// ema of whole series: the seed, missing values, and several series at once. Part of dispatch.cpp; not for
// files that are compiled for an instruction set.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/kernels.h"
#include "kernels/vector.h"

namespace latencykit::kernels {
namespace {

// Writes the outputs up to the first average, the mean of the first finite values; how many, or 0 if there are
// too few values.
template <typename T>
std::size_t seed_ema(const Settings& settings, const T* x, T* out, std::size_t n) {
  const std::size_t seed_count = settings.mean_seed ? settings.period : 1;
  if (seed_count == 1 && n != 0 && std::isfinite(x[0])) {
    out[0] = x[0];
    return 1;
  }
  double sum = 0;
  for (std::size_t i = 0, seen = 0; i < n; ++i) {
    const T value = x[i];
    out[i] = kNaN<T>;
    if (!std::isfinite(value)) continue;
    sum += value;
    if (++seen < seed_count) continue;
    out[i] = static_cast<T>(sum / static_cast<double>(seed_count));
    return i + 1;
  }
  return 0;
}

// How many values come before the first that is missing; the outputs from there on are NaN.
template <typename T>
std::size_t cut_at_missing(const T* x, T* out, std::size_t n) {
  const T* missing = std::find_if_not(x, x + n, [](T value) { return std::isfinite(value); });
  const auto before = static_cast<std::size_t>(missing - x);
  fill_nan(out + before, n - before);
  return before;
}

// Needs no memory: its kernel leaves out what is missing.
template <typename T>
void compute_ema(const Table& table, const Settings& settings, const T* x, T* out, std::size_t n) {
  if (settings.propagate) n = cut_at_missing(x, out, n);
  const std::size_t i = seed_ema(settings, x, out, n);
  if (i != 0) table.of<T>().ema_continue(x + i, out + i, n - i, settings.alpha, out[i - 1]);
}

// Series of ema, computed together as far as none of their values is missing.
template <typename T>
class EmaRowsRun {
 public:
  EmaRowsRun(const Table& table, const Settings& settings, const Series<T>& series, std::size_t count)
      : table_(table), settings_(settings), x_(series.in[0]), out_(series.out[0]), n_(series.n), count_(count) {}

  // Computes series from `done` on; the first that is left to be computed alone.
  std::size_t next(std::size_t done) {
    const std::size_t seed_count = settings_.mean_seed ? settings_.period : 1;
    if (count_ - done < 2 || x_ == out_ || n_ <= seed_count || settings_.propagate) return done;
    if (seeded_ < done) seeded_ = done;
    while (seeded_ < count_ && seed_ema(settings_, x_ + seeded_ * n_, out_ + seeded_ * n_, seed_count) != 0) ++seeded_;
    const auto rows = table_.of<T>().ema_rows;
    return done + rows(x_ + done * n_, out_ + done * n_, n_, seed_count, settings_.alpha, seeded_ - done);
  }

 private:
  const Table& table_;
  const Settings& settings_;
  const T* x_;
  T* out_;
  std::size_t n_;
  std::size_t count_;
  std::size_t seeded_ = 0;
};

template <typename T>
void compute_emas(const Table& table, const Settings& settings, const Series<T>& series, std::size_t count) {
  EmaRowsRun<T> together(table, settings, series, count);
  for (std::size_t r = together.next(0); r < count; r = together.next(r + 1)) {
    compute_ema(table, settings, series.in[0] + r * series.n, series.out[0] + r * series.n, series.n);
  }
}

}  // namespace
}  // namespace latencykit::kernels

// Indicators other than ema, whose kernels stop where a value is missing: what is computed then. Part of
// dispatch.cpp; not for files that are compiled for an instruction set.
#pragma once

#include <cmath>
#include <memory>
#include <new>

#include "kernels/kernels.h"
#include "kernels/vector.h"

namespace latencykit::kernels {
namespace {

template <typename T>
using Memory = std::unique_ptr<T[]>;

template <typename T>
Memory<T> memory_for(std::size_t count) {
  return Memory<T>(new (std::nothrow) T[count]);
}

// The n rows of the series' arrays that begin `at` values later.
template <typename T>
Series<T> part_of(const Series<T>& series, const Shape& shape, std::size_t at, std::size_t n) {
  Series<T> part{.n = n};
  for (std::size_t a = 0; a < shape.inputs; ++a) part.in[a] = series.in[a] + at;
  for (std::size_t b = 0; b < shape.outputs; ++b) part.out[b] = series.out[b] + at;
  return part;
}

template <typename T>
class Presence {
 public:
  Presence(const Series<T>& series, const Shape& shape) : series_(series), shape_(shape) {}

  bool finite(std::size_t i) const {
    for (std::size_t a = 0; a < shape_.inputs; ++a) {
      if (!std::isfinite(series_.in[a][i])) return false;
    }
    return true;
  }
  // The first row from i on that is missing, or that is not.
  std::size_t next(std::size_t i, bool missing) const {
    while (i < series_.n && finite(i) == missing) ++i;
    return i;
  }
  std::size_t count() const {
    std::size_t found = 0;
    for (std::size_t i = 0; i < series_.n; ++i) found += finite(i);
    return found;
  }
  void fill(std::size_t begin, std::size_t end) const {
    for (std::size_t b = 0; b < shape_.outputs; ++b) fill_nan(series_.out[b] + begin, end - begin);
  }

 private:
  const Series<T>& series_;
  const Shape& shape_;
};

// An indicator other than ema, of one series.
template <typename T>
struct Work {
  const Table& table;
  Indicator indicator;
  const Settings& settings;
  Shape shape;
  T* scratch;

  // False if a value is missing.
  bool finite(const Series<T>& series) const {
    return table.of<T>().kernels[static_cast<unsigned>(indicator)](settings, series, scratch);
  }

  // A window begins anew after each missing row; an average goes no further than the first.
  void propagating(const Series<T>& series) const {
    const Presence<T> rows(series, shape);
    std::size_t begin = 0;
    while (begin < series.n) {
      const std::size_t missing = rows.next(begin, true), end = shape.windowed ? rows.next(missing, false) : series.n;
      rows.fill(missing, end);
      finite(part_of(series, shape, begin, missing - begin));
      begin = end;
    }
  }

  // The rows that are there, computed as a series of their own.
  bool skipping(const Series<T>& series) const {
    const Presence<T> rows(series, shape);
    const std::size_t count = rows.count();
    const Memory<T> memory = memory_for<T>(count * (shape.inputs + shape.outputs));
    if (memory == nullptr) return false;
    Series<T> there{.n = count};
    T* next = memory.get();
    for (std::size_t a = 0; a < shape.inputs; ++a, next += count) {
      there.in[a] = next;
      for (std::size_t i = 0, to = 0; i < series.n; ++i) {
        if (rows.finite(i)) next[to++] = series.in[a][i];
      }
    }
    for (std::size_t b = 0; b < shape.outputs; ++b, next += count) there.out[b] = next;
    finite(there);
    for (std::size_t b = 0; b < shape.outputs; ++b) {
      for (std::size_t i = 0, from = 0; i < series.n; ++i) {
        series.out[b][i] = rows.finite(i) ? there.out[b][from++] : kNaN<T>;
      }
    }
    return true;
  }

  // False if memory was refused.
  bool compute(const Series<T>& series) const {
    if (settings.propagate) {
      if (!finite(series)) propagating(series);
      return true;
    }
    return finite(series) || skipping(series);
  }
};

}  // namespace
}  // namespace latencykit::kernels

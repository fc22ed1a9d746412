// Which tables this CPU can run, and the parts of an indicator that no instruction set makes faster.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <new>

#include "kernels/kernels.h"
#include "kernels/vector.h"

namespace latencykit::kernels {
namespace {

constexpr std::array<std::string_view, 3> kKnown = {"scalar", "avx2", "avx512"};

struct Available {
  std::array<const Table*, kKnown.size()> tables{};
  std::size_t count = 0;

  Available() {
    tables[count++] = &scalar_table;
#ifdef LATENCYKIT_HAVE_X86
    // Asks the operating system too, through XGETBV: it must save the wide registers.
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return;
    tables[count++] = &avx2_table;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) tables[count++] = &avx512_table;
#endif
  }
};

template <typename T>
using Memory = std::unique_ptr<T[]>;

template <typename T>
Memory<T> memory_for(std::size_t count) {
  return Memory<T>(new (std::nothrow) T[count]);
}

// Most of the windows in use are shorter: their scratch is on the stack.
constexpr std::size_t kScratchOnStack = 2 * window_room(496);

std::size_t scratch_size(Indicator indicator, const Settings& settings) {
  switch (indicator) {
    case Indicator::sma:
    case Indicator::rolling_min:
    case Indicator::rolling_max:
      return window_room(settings.period);
    case Indicator::rolling_std:
    case Indicator::bollinger:
    case Indicator::zscore:
      return 2 * window_room(settings.period);
    case Indicator::vwap:
      return settings.period == 0 ? 0 : 2 * window_room(settings.period);
    default:
      return 0;
  }
}

// ---- ema

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

template <typename T>
void ema(const Table& table, const Settings& settings, const T* x, T* out, std::size_t n) {
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

// ---- Missing values

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

template <typename T>
struct Work {
  const Table& table;
  Indicator indicator;
  const Settings& settings;
  Shape shape;
  T* scratch;

  // False if a value is missing that the kernel could not leave out by itself.
  bool finite(const Series<T>& series) const {
    if (indicator == Indicator::ema) {
      ema(table, settings, series.in[0], series.out[0], series.n);
      return true;
    }
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
      // ema's own kernel leaves out what is missing.
      if (indicator == Indicator::ema || !finite(series)) propagating(series);
      return true;
    }
    return finite(series) || skipping(series);
  }
};

}  // namespace

std::span<const Table* const> available() {
  static const Available found;
  return {found.tables.data(), found.count};
}

const Table& best() {
  const Table* wide = find("avx2");
  return wide != nullptr ? *wide : scalar_table;
}

const Table* find(std::string_view isa) {
  for (const Table* table : available()) {
    if (table->isa == isa) return table;
  }
  return nullptr;
}

bool is_known(std::string_view isa) { return std::ranges::find(kKnown, isa) != kKnown.end(); }

Shape shape_of(Indicator indicator, const Settings& settings) {
  switch (indicator) {
    case Indicator::ema:
    case Indicator::rsi:
      return {1, 1, false};
    case Indicator::macd:
      return {1, 3, false};
    case Indicator::atr:
      return {3, 1, false};
    case Indicator::bollinger:
      return {1, 3, true};
    case Indicator::vwap:
      return {2, 1, settings.period != 0};
    default:
      return {1, 1, true};
  }
}

template <typename T>
bool compute(const Table& table, Indicator indicator, const Settings& settings, const Series<T>& series,
             std::size_t count) {
  if (indicator == Indicator::ema && count == 1 && !settings.propagate) {
    ema(table, settings, series.in[0], series.out[0], series.n);
    return true;
  }
  T on_stack[kScratchOnStack];
  Memory<T> memory;
  // No window that is longer than the series is ever filled.
  const bool filled = settings.period <= series.n;
  const std::size_t needed = filled ? scratch_size(indicator, settings) : 0;
  if (needed > kScratchOnStack) {
    memory = memory_for<T>(needed);
    if (memory == nullptr) return false;
  }
  const Work<T> work{table, indicator, settings, shape_of(indicator, settings), memory ? memory.get() : on_stack};
  EmaRowsRun<T> together(table, settings, series, count);
  for (std::size_t r = 0; r < count; ++r) {
    if (indicator == Indicator::ema) r = together.next(r);
    if (r < count && !work.compute(part_of(series, work.shape, r * series.n, series.n))) return false;
  }
  return true;
}

template bool compute<double>(const Table&, Indicator, const Settings&, const Series<double>&, std::size_t);
template bool compute<float>(const Table&, Indicator, const Settings&, const Series<float>&, std::size_t);

}  // namespace latencykit::kernels

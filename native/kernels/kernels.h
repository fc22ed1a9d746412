// The indicator kernels: one table of functions per instruction set, and the choice among them.
//
// Promises: nothing here throws or keeps state, and every function may be called from any thread. Memory is
// allocated only where `compute` says so. Each table is compiled in its own translation unit with its own ISA
// flags, and `available` lists only those that this CPU can run, so that a table found there is safe to call.
// The choice is the caller's: see `best`.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace latencykit::kernels {

enum class Indicator : unsigned {
  ema,          // x -> average
  sma,          // x -> mean of the window
  rsi,          // x -> index
  macd,         // x -> line, signal, histogram
  bollinger,    // x -> upper, middle, lower
  atr,          // high, low, close -> range
  vwap,         // price, volume -> price
  rolling_std,  // x -> deviation of the window
  rolling_min,  // x -> least of the window
  rolling_max,  // x -> greatest of the window
  zscore,       // x -> distance from the window's mean in deviations
};
inline constexpr std::size_t kIndicators = 11;

// The arrays that an indicator reads and writes, and whether an output depends on the last `period` inputs
// only, or on all before it.
struct Shape {
  std::size_t inputs = 1;
  std::size_t outputs = 1;
  bool windowed = false;
};
inline constexpr std::size_t kMostArrays = 3;

struct Settings {
  std::size_t period = 1;  // of the window or the average; of macd's fast average; 0 for vwap from the beginning
  std::size_t slow = 1;    // period of macd's slow average, greater than period
  std::size_t signal = 1;  // period of macd's signal
  double alpha = 1;        // weight of ema's newest value, in (0, 1]
  double width = 2;        // of bollinger's band, in deviations
  unsigned ddof = 0;       // 0 for the population's deviation, 1 for the sample's; less than period
  bool mean_seed = false;  // averages start from the mean of their first period, not from their first value
  bool propagate = false;  // an input that is not finite makes every output that depends on it NaN
};

Shape shape_of(Indicator indicator, const Settings& settings);

// Arrays of n values each, as many as the indicator's shape says. No output overlaps an input or another
// output; only ema's may be its input itself.
template <typename T>
struct Series {
  const T* in[kMostArrays] = {};
  T* out[kMostArrays] = {};
  std::size_t n = 0;
};

// Continues an exponential average over x[0..n): out[i] = (1 - alpha) * average + alpha * x[i], where
// `average` is the last average, `carry` before the first. An input that is not finite gives NaN at its index
// and leaves the average as it was. alpha is in (0, 1], carry is finite, out is x itself or does not overlap it.
template <typename T>
using EmaContinue = void (*)(const T* x, T* out, std::size_t n, double alpha, T carry);

// Continues the averages of `count` series of n values, each n after the one before and of whose outputs those
// below `begin`, at least 1, stand; no output is an input. Returns how many series are done: it stops where one
// has an input that is not finite, or where they are done faster one by one.
template <typename T>
using EmaRows = std::size_t (*)(const T* x, T* out, std::size_t n, std::size_t begin, double alpha, std::size_t count);

// Computes an indicator of inputs that are all finite; false, with outputs of no meaning, if one is not.
// `scratch` has room for scratch_size values.
template <typename T>
using Kernel = bool (*)(const Settings& settings, const Series<T>& series, T* scratch);

template <typename T>
struct Functions {
  EmaContinue<T> ema_continue;
  EmaRows<T> ema_rows;
  Kernel<T> kernels[kIndicators];  // none for ema
};

struct Table {
  std::string_view isa;
  Functions<double> f64;
  Functions<float> f32;

  template <typename T>
  const Functions<T>& of() const {
    if constexpr (sizeof(T) == sizeof(double)) {
      return f64;
    } else {
      return f32;
    }
  }
};

extern const Table scalar_table;
#ifdef LATENCYKIT_HAVE_X86
extern const Table avx2_table;
extern const Table avx512_table;
#endif

// The tables that this CPU can run, the plainest first.
std::span<const Table* const> available();

// The one to use: avx2 where it is there. On the CPU with both that this was measured on (Zen 4, whose vectors of 512
// bits take two turns) avx512 is no faster, so it is used only where it is asked for.
const Table& best();

// The available table of that name, or nullptr.
const Table* find(std::string_view isa);

// Whether an instruction set of that name exists at all, here or on another machine.
bool is_known(std::string_view isa);

// Computes the indicator, of `count` series if there are more than one: the arrays of series r begin n * r values
// after those of the first. A row with an input that is not finite (NaN or infinite) is missing: its outputs are
// NaN, and the others are those of the series without it; with `propagate` every output that depends on it is
// NaN instead. Returns false, with nothing of meaning written, if memory was refused; it is asked for only
// where a window is longer than some hundred values, or where values are missing (but never by ema).
template <typename T>
[[nodiscard]] bool compute(const Table& table, Indicator indicator, const Settings& settings, const Series<T>& series,
                           std::size_t count = 1);

}  // namespace latencykit::kernels

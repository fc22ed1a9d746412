#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/kernels.h"
#include "tests/check.h"

namespace kernels = latencykit::kernels;
using kernels::Indicator;
using kernels::Settings;

namespace {

using Exact = std::vector<long double>;
constexpr long double kNone = std::numeric_limits<long double>::quiet_NaN();

// What is computed: up to three inputs of one length.
template <typename T>
using Inputs = std::vector<std::vector<T>>;

// An expected output and how far a result may be from it.
struct Expected {
  Exact value;
  Exact error;
};

template <typename T>
Inputs<T> random_inputs(std::size_t count, std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> step(0, 1);
  Inputs<T> inputs(count, std::vector<T>(n));
  double price = 100;
  for (std::size_t i = 0; i < n; ++i) {
    price += step(random);
    inputs[0][i] = static_cast<T>(price);
    if (count == 2) inputs[1][i] = static_cast<T>(random() % 50);  // volume, often 0
    if (count == 3) {
      inputs[0][i] = static_cast<T>(price + std::fabs(step(random)));
      inputs[1][i] = static_cast<T>(price - std::fabs(step(random)));
      inputs[2][i] = static_cast<T>(price);
    }
  }
  return inputs;
}

// ---- References: the definitions in long double, over finite rows

struct Window {
  std::vector<long double> values;
  long double low, high, mean, squares;

  template <typename T>
  Window(const std::vector<T>& x, std::size_t end, std::size_t period) {
    for (std::size_t i = end + 1 - period; i <= end; ++i) values.push_back(x[i]);
    low = *std::ranges::min_element(values);
    high = *std::ranges::max_element(values);
    long double sum = 0, beyond = 0;
    for (long double value : values) sum += value - low;
    mean = low + sum / period;
    for (long double value : values) beyond += (value - mean) * (value - mean);
    squares = beyond;
  }
  long double range() const { return high - low; }
};

template <typename T>
std::vector<Expected> windowed(Indicator indicator, const Settings& s, const Inputs<T>& in) {
  const std::vector<T>& x = in[0];
  const std::size_t n = x.size(), p = s.period;
  const bool bands = indicator == Indicator::bollinger;
  std::vector<Expected> out(bands ? 3 : 1, {Exact(n, kNone), Exact(n, 0)});
  const long double eps = std::numeric_limits<T>::epsilon();
  for (std::size_t i = p - 1; i < n; ++i) {
    const Window w(x, i, p);
    const long double deviation = std::sqrt(w.squares / (p - s.ddof));
    const long double mean_error = 2 * eps * (p * w.range() + std::max(std::fabs(w.low), std::fabs(w.high)));
    const long double square_error = 8 * eps * p * w.range() * w.range() * p / (p - s.ddof);
    const long double deviation_error = deviation > 0 ? square_error / deviation + 2 * eps * deviation : 0;
    if (indicator == Indicator::sma) out[0].value[i] = w.mean, out[0].error[i] = mean_error;
    if (indicator == Indicator::rolling_min) out[0].value[i] = w.low;
    if (indicator == Indicator::rolling_max) out[0].value[i] = w.high;
    if (indicator == Indicator::rolling_std) out[0].value[i] = deviation, out[0].error[i] = deviation_error;
    if (indicator == Indicator::zscore && w.range() > 0) {
      const long double score = (x[i] - w.mean) / deviation;
      out[0].value[i] = score;
      out[0].error[i] = (4 * eps * p * w.range() + std::fabs(score) * deviation_error) / deviation + 4 * eps;
    }
    if (bands) {
      const long double half = static_cast<T>(s.width) * deviation;
      for (int b = 0; b < 3; ++b) {
        out[b].value[i] = w.mean + (1 - b) * half;
        out[b].error[i] = mean_error + s.width * deviation_error + 2 * eps * half;
      }
    }
    if (indicator == Indicator::vwap) {
      long double traded = 0, volume = 0;
      for (std::size_t k = i + 1 - p; k <= i; ++k) {
        traded += (in[0][k] - w.low) * static_cast<long double>(in[1][k]);
        volume += in[1][k];
      }
      if (volume > 0) out[0].value[i] = w.low + traded / volume;
      out[0].error[i] = 4 * mean_error;
    }
  }
  return out;
}

// An average seeded with the mean of `seeds` values from `begin` on.
Exact average(const Exact& x, std::size_t begin, std::size_t seeds, long double alpha) {
  Exact out(x.size(), kNone);
  if (x.size() < begin + seeds) return out;
  long double value = 0;
  for (std::size_t i = begin; i < begin + seeds; ++i) value += x[i] / seeds;
  for (std::size_t i = begin + seeds - 1; i < x.size(); ++i) {
    if (i >= begin + seeds) value += alpha * (x[i] - value);
    out[i] = value;
  }
  return out;
}

template <typename T>
std::vector<Expected> rsi(const Settings& s, const Inputs<T>& in) {
  const std::vector<T>& x = in[0];
  Exact up(x.size(), 0), down(x.size(), 0);
  for (std::size_t i = 1; i < x.size(); ++i) {
    const T change = x[i] - x[i - 1];
    up[i] = change > 0 ? change : 0;
    down[i] = change < 0 ? -change : 0;
  }
  const std::size_t seeds = s.mean_seed ? s.period : 1;
  const Exact ups = average(up, 1, seeds, 1.0L / s.period), downs = average(down, 1, seeds, 1.0L / s.period);
  Expected out{Exact(x.size(), kNone), Exact(x.size(), 1000 * s.period * std::numeric_limits<T>::epsilon())};
  for (std::size_t i = seeds; i < x.size(); ++i) {
    const long double total = ups[i] + downs[i];
    out.value[i] = total == 0 ? 50 : 100 * ups[i] / total;
  }
  return {out};
}

long double largest(const Exact& x) {
  long double most = 0;
  for (long double value : x) most = std::max(most, std::isnan(value) ? 0 : std::fabs(value));
  return most;
}

template <typename T>
std::vector<Expected> atr(const Settings& s, const Inputs<T>& in) {
  Exact range(in[0].size(), 0);
  for (std::size_t i = 1; i < range.size(); ++i) {
    const long double high = in[0][i], low = in[1][i], close = in[2][i - 1];
    range[i] = std::max({high - low, std::fabs(high - close), std::fabs(low - close)});
  }
  const std::size_t seeds = s.mean_seed ? s.period : 1;
  const long double error = 8 * std::numeric_limits<T>::epsilon() * s.period * largest(range);
  return {{average(range, 1, seeds, 1.0L / s.period), Exact(range.size(), error)}};
}

template <typename T>
std::vector<Expected> macd(const Settings& s, const Inputs<T>& in) {
  const Exact x(in[0].begin(), in[0].end());
  const std::size_t n = x.size(), slow_seeds = s.mean_seed ? s.slow : 1, fast_seeds = s.mean_seed ? s.period : 1;
  const Exact slow = average(x, 0, slow_seeds, 2.0L / (s.slow + 1));
  const Exact fast = average(x, slow_seeds - fast_seeds, fast_seeds, 2.0L / (s.period + 1));
  Exact line(n, kNone), histogram(n, kNone);
  for (std::size_t i = 0; i < n; ++i) line[i] = fast[i] - slow[i];
  const Exact signal = average(line, slow_seeds - 1, s.mean_seed ? s.signal : 1, 2.0L / (s.signal + 1));
  for (std::size_t i = 0; i < n; ++i) histogram[i] = line[i] - signal[i];
  const Exact error(n, 16 * std::numeric_limits<T>::epsilon() * (s.slow + s.signal) * largest(x));
  return {{line, error}, {signal, error}, {histogram, error}};
}

template <typename T>
std::vector<Expected> vwap_from_begin(const Inputs<T>& in) {
  const std::size_t n = in[0].size();
  Expected out{Exact(n, kNone), Exact(n, 0)};
  long double traded = 0, volume = 0, most = 0;
  for (std::size_t i = 0; i < n; ++i) {
    traded += static_cast<long double>(in[0][i]) * in[1][i];
    volume += in[1][i];
    most = std::max<long double>(most, std::fabs(in[0][i]));
    if (volume > 0) out.value[i] = traded / volume;
    out.error[i] = 4 * std::numeric_limits<T>::epsilon() * most;
  }
  return {out};
}

template <typename T>
std::vector<Expected> reference(Indicator indicator, const Settings& s, const Inputs<T>& in) {
  if (indicator == Indicator::rsi) return rsi(s, in);
  if (indicator == Indicator::atr) return atr(s, in);
  if (indicator == Indicator::macd) return macd(s, in);
  if (indicator == Indicator::ema) {
    const Exact x(in[0].begin(), in[0].end());
    const long double error = 8 * std::numeric_limits<T>::epsilon() * largest(x) / s.alpha;
    return {{average(x, 0, s.mean_seed ? s.period : 1, s.alpha), Exact(x.size(), error)}};
  }
  if (indicator == Indicator::vwap && s.period == 0) return vwap_from_begin(in);
  return windowed(indicator, s, in);
}

// ---- Missing rows

template <typename T>
bool row_is_finite(const Inputs<T>& in, std::size_t i) {
  return std::ranges::all_of(in, [i](const auto& x) { return std::isfinite(x[i]); });
}

template <typename T>
Inputs<T> rows_between(const Inputs<T>& in, std::size_t begin, std::size_t end) {
  Inputs<T> part;
  for (const auto& x : in) part.emplace_back(x.begin() + begin, x.begin() + end);
  return part;
}

template <typename T>
std::vector<Expected> with_missing(Indicator indicator, const Settings& s, const Inputs<T>& in) {
  const std::size_t n = in[0].size();
  const kernels::Shape shape = kernels::shape_of(indicator, s);
  std::vector<Expected> out(shape.outputs, {Exact(n, kNone), Exact(n, 0)});
  if (!s.propagate) {
    Inputs<T> there(in.size());
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < n; ++i) {
      if (!row_is_finite(in, i)) continue;
      places.push_back(i);
      for (std::size_t a = 0; a < in.size(); ++a) there[a].push_back(in[a][i]);
    }
    const auto whole = reference(indicator, s, there);
    for (std::size_t b = 0; b < shape.outputs; ++b) {
      for (std::size_t k = 0; k < places.size(); ++k) {
        out[b].value[places[k]] = whole[b].value[k];
        out[b].error[places[k]] = whole[b].error[k];
      }
    }
    return out;
  }
  for (std::size_t begin = 0; begin < n;) {
    std::size_t end = begin;
    while (end < n && row_is_finite(in, end)) ++end;
    const auto part = reference(indicator, s, rows_between(in, begin, end));
    for (std::size_t b = 0; b < shape.outputs; ++b) {
      std::ranges::copy(part[b].value, out[b].value.begin() + begin);
      std::ranges::copy(part[b].error, out[b].error.begin() + begin);
    }
    if (!shape.windowed) break;
    begin = end + 1;
  }
  return out;
}

// ---- Checks

template <typename T>
void check(Indicator indicator, const Settings& s, const Inputs<T>& in) {
  const std::size_t n = in[0].size();
  const auto want = with_missing(indicator, s, in);
  for (const kernels::Table* table : kernels::available()) {
    // A frame around each output must stay as it is.
    std::vector<std::vector<T>> out(want.size(), std::vector<T>(n + 32, T{-7}));
    kernels::Series<T> series{.n = n};
    for (std::size_t a = 0; a < in.size(); ++a) series.in[a] = in[a].data();
    for (std::size_t b = 0; b < out.size(); ++b) series.out[b] = out[b].data() + 16;
    CHECK(kernels::compute<T>(*table, indicator, s, series));
    for (std::size_t b = 0; b < out.size(); ++b) {
      for (std::size_t i = 0; i < 16; ++i) CHECK(out[b][i] == -7 && out[b][n + 16 + i] == -7);
      for (std::size_t i = 0; i < n; ++i) {
        const T got = out[b][16 + i];
        const long double value = want[b].value[i];
        const bool good = std::isnan(value) ? std::isnan(got) : std::fabs(got - value) <= want[b].error[i];
        if (!good) {
          std::fprintf(stderr, "%s indicator %u output %zu of n %zu period %zu at %zu: %.17g, not %.17Lg +- %.3Lg\n",
                       table->isa.data(), static_cast<unsigned>(indicator), b, n, s.period, i, double(got), value,
                       want[b].error[i]);
        }
        CHECK(good);
      }
    }
  }
}

std::vector<Settings> settings_of(Indicator indicator, std::size_t period) {
  std::vector<Settings> forms;
  for (bool mean_seed : {false, true}) {
    Settings s{.period = period, .mean_seed = mean_seed};
    s.alpha = 2.0 / (static_cast<double>(period) + 1);
    s.slow = 2 * period + 1;
    s.signal = period / 2 + 1;
    s.ddof = mean_seed && period > 1 ? 1 : 0;  // a window has no seed
    forms.push_back(s);
  }
  if (indicator == Indicator::vwap) forms.push_back({.period = 0});
  return forms;
}

std::size_t inputs_of(Indicator indicator) { return kernels::shape_of(indicator, {}).inputs; }

template <typename T, typename F>
void each_case(std::size_t n, std::size_t period, unsigned seed, const F& change) {
  for (unsigned k = 0; k < kernels::kIndicators; ++k) {
    const Indicator indicator{k};
    for (Settings s : settings_of(indicator, period)) {
      auto in = random_inputs<T>(inputs_of(indicator), n, seed);
      change(in);
      for (bool propagate : {false, true}) {
        s.propagate = propagate;
        check<T>(indicator, s, in);
      }
    }
  }
}

template <typename T>
void every_length() {
  const auto nothing = [](auto&) {};
  for (std::size_t n = 0; n < 75; ++n) {
    for (std::size_t period : {1, 2, 3, 5, 8, 16, 20, 33}) each_case<T>(n, period, 1, nothing);
  }
  for (std::size_t period : {1, 2, 7, 20, 64, 499, 700, 2000}) each_case<T>(2100, period, 2, nothing);
}

template <typename T>
void missing_rows() {
  for (T missing : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
    for (std::size_t at = 0; at < 90; ++at) {
      for (std::size_t period : {1, 6, 20}) {
        each_case<T>(90, period, 3, [&](auto& in) { in[at % in.size()][at] = missing; });
      }
    }
  }
  std::mt19937 random(4);
  each_case<T>(1500, 14, 5, [&](auto& in) {
    for (int i = 0; i < 60; ++i) in[random() % in.size()][random() % 1500] = std::numeric_limits<T>::quiet_NaN();
  });
  each_case<T>(100, 5, 6, [&](auto& in) { std::ranges::fill(in[0], std::numeric_limits<T>::quiet_NaN()); });
}

// A large value that has left a window leaves no trace, and the level of the values costs no digits.
template <typename T>
void what_left_is_forgotten() {
  each_case<T>(300, 20, 7, [](auto& in) {
    for (auto& x : in) x[50] = 1e15f;
  });
  each_case<T>(300, 20, 8, [](auto& in) {
    for (auto& x : in) {
      for (T& value : x) value += T{1e6};
    }
  });
}

// Several series at once give what each gives alone.
template <typename T>
void several_series(Indicator indicator, Settings s, std::size_t n, std::size_t count, bool missing) {
  auto in = random_inputs<T>(inputs_of(indicator), n * count, 9);
  if (missing && n > 0) in[0][n * (count - 1) + n / 2] = std::numeric_limits<T>::infinity();
  const kernels::Shape shape = kernels::shape_of(indicator, s);
  for (const kernels::Table* table : kernels::available()) {
    std::vector<std::vector<T>> together(3, std::vector<T>(n * count)), alone = together;
    kernels::Series<T> all{.n = n};
    for (std::size_t a = 0; a < in.size(); ++a) all.in[a] = in[a].data();
    for (std::size_t b = 0; b < 3; ++b) all.out[b] = together[b].data();
    CHECK(kernels::compute<T>(*table, indicator, s, all, count));
    for (std::size_t r = 0; r < count; ++r) {
      kernels::Series<T> one{.n = n};
      for (std::size_t a = 0; a < in.size(); ++a) one.in[a] = in[a].data() + r * n;
      for (std::size_t b = 0; b < 3; ++b) one.out[b] = alone[b].data() + r * n;
      CHECK(kernels::compute<T>(*table, indicator, s, one));
    }
    const double bound = indicator == Indicator::ema ? 1000 * std::numeric_limits<T>::epsilon() / s.alpha : 0;
    for (std::size_t b = 0; b < shape.outputs; ++b) {
      for (std::size_t i = 0; i < n * count; ++i) {
        const T got = together[b][i], want = alone[b][i];
        CHECK(std::isnan(want) ? std::isnan(got) : std::fabs(got - want) <= bound);
      }
    }
  }
}

template <typename T>
void several_series_of_all() {
  for (unsigned k = 0; k < kernels::kIndicators; ++k) {
    for (Settings s : settings_of(Indicator{k}, 6)) {
      for (std::size_t n : {0, 1, 6, 7, 23, 24, 25, 40, 300}) {
        for (std::size_t count : {1, 2, 5, 8}) {
          for (bool missing : {false, true}) several_series<T>(Indicator{k}, s, n, count, missing);
          s.propagate = !s.propagate;
        }
      }
    }
  }
}

template <typename T>
void a_constant_is_exact() {
  for (const kernels::Table* table : kernels::available()) {
    const std::vector<T> x(1000, T{0.1f} * T{0.3f});
    std::vector<T> mean(1000), deviation(1000);
    const Settings s{.period = 30};
    CHECK(kernels::compute<T>(*table, Indicator::sma, s, {{x.data()}, {mean.data()}, 1000}));
    CHECK(kernels::compute<T>(*table, Indicator::rolling_std, s, {{x.data()}, {deviation.data()}, 1000}));
    for (std::size_t i = 29; i < 1000; ++i) CHECK(mean[i] == x[0] && deviation[i] == 0);
  }
}

// Volumes that cancel, and a deviation whose squares are below the least float.
template <typename T>
void nothing_is_divided_by_nothing() {
  constexpr std::size_t n = 200;
  std::vector<T> price(n), volume(n), tiny(n), out(n);
  for (std::size_t i = 0; i < n; ++i) {
    price[i] = static_cast<T>(i + 1);
    volume[i] = i % 2 == 0 ? 1 : -1;
    tiny[i] = static_cast<T>(i % 3) * std::numeric_limits<T>::denorm_min();
  }
  for (const kernels::Table* table : kernels::available()) {
    for (std::size_t period : {2, 8, 16, 34}) {
      CHECK(kernels::compute<T>(*table, Indicator::vwap, {.period = period},
                                {{price.data(), volume.data()}, {out.data()}, n}));
      for (T value : out) CHECK(std::isnan(value));
      CHECK(kernels::compute<T>(*table, Indicator::zscore, {.period = period}, {{tiny.data()}, {out.data()}, n}));
      for (T value : out) CHECK(std::isnan(value));
    }
  }
}

}  // namespace

int main() {
  every_length<double>();
  every_length<float>();
  missing_rows<double>();
  missing_rows<float>();
  what_left_is_forgotten<double>();
  several_series_of_all<double>();
  several_series_of_all<float>();
  a_constant_is_exact<double>();
  a_constant_is_exact<float>();
  nothing_is_divided_by_nothing<double>();
  nothing_is_divided_by_nothing<float>();
}

// The definitions of the indicators in long double, with how far a result may be from them: what indicators_test.cpp
// holds the kernels to.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/kernels.h"

namespace {

namespace kernels = latencykit::kernels;
using kernels::Indicator;
using kernels::Settings;

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

}  // namespace

#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "kernels/kernels.h"
#include "tests/check.h"
#include "tests/exact_indicators.h"

namespace {

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

#include "kernels/kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "latency/ema.h"
#include "tests/check.h"

namespace kernels = latencykit::kernels;

namespace {

template <typename T>
std::vector<T> random_series(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> step(0, 1);
  std::vector<T> series(n);
  double price = 100;
  for (T& value : series) value = static_cast<T>(price += step(random));
  return series;
}

template <typename T>
void ema(const kernels::Table& table, const T* x, T* out, std::size_t n, double alpha, std::size_t seed_count) {
  const kernels::Settings settings{.period = seed_count, .alpha = alpha, .mean_seed = seed_count > 1};
  CHECK(kernels::compute<T>(table, kernels::Indicator::ema, settings, {{x}, {out}, n}));
}

template <typename T>
std::vector<T> run(const kernels::Table& table, const std::vector<T>& x, double alpha, std::size_t seed_count) {
  std::vector<T> out(x.size());
  ema(table, x.data(), out.data(), x.size(), alpha, seed_count);
  return out;
}

// The recurrence in long double, gaps left out.
template <typename T>
std::vector<long double> reference(const std::vector<T>& x, double alpha, std::size_t seed_count) {
  std::vector<long double> out;
  long double sum = 0, average = 0;
  std::size_t seen = 0;
  for (T value : x) {
    if (!std::isfinite(value)) {
      out.push_back(NAN);
      continue;
    }
    if (seen < seed_count) {
      sum += value;
      average = sum / seed_count;
      out.push_back(++seen == seed_count ? average : NAN);
    } else {
      average += static_cast<long double>(alpha) * (value - average);
      out.push_back(average);
    }
  }
  return out;
}

template <typename T>
void check_close(const std::vector<T>& got, const std::vector<long double>& want, double alpha, T largest) {
  const long double bound = 4.0L * std::numeric_limits<T>::epsilon() * largest / alpha;
  for (std::size_t i = 0; i < got.size(); ++i) {
    CHECK(std::isnan(got[i]) == std::isnan(want[i]));
    if (!std::isnan(got[i])) CHECK(std::fabs(got[i] - want[i]) <= bound);
  }
}

template <typename T>
T largest_of(const std::vector<T>& x) {
  T largest = 0;
  for (T value : x) {
    if (std::isfinite(value)) largest = std::max(largest, std::fabs(value));
  }
  return largest;
}

template <typename T>
void check_all_isas(const std::vector<T>& x, double alpha, std::size_t seed_count) {
  const auto want = reference(x, alpha, seed_count);
  for (const kernels::Table* table : kernels::available()) {
    const auto got = run(*table, x, alpha, seed_count);
    check_close(got, want, alpha, largest_of(x));
    auto in_place = x;
    ema(*table, in_place.data(), in_place.data(), x.size(), alpha, seed_count);
    check_close(in_place, want, alpha, largest_of(x));
  }
}

template <typename T>
void every_length_and_seed() {
  for (std::size_t n = 0; n < 70; ++n) {
    for (std::size_t seed_count : {1, 2, 20, 64}) check_all_isas(random_series<T>(n, 1), 0.1, seed_count);
  }
  for (double alpha : {1.0, 0.9, 0.5, 2.0 / 21, 1e-3, 1e-300}) {
    check_all_isas(random_series<T>(1000, 2), alpha, 1);
  }
  check_all_isas(random_series<T>(5000, 3), 2.0 / 201, 200);
}

template <typename T>
void a_gap_anywhere_leaves_the_rest_alone() {
  for (T gap :
       {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity()}) {
    for (std::size_t at = 0; at < 600; at += 7) {
      for (double alpha : {1.0, 0.1}) {
        auto x = random_series<T>(600, 4);
        x[at] = gap;
        check_all_isas(x, alpha, 1);
        check_all_isas(x, alpha, 20);
      }
    }
  }
  auto x = random_series<T>(2000, 5);
  std::mt19937 random(6);
  for (int i = 0; i < 100; ++i) x[random() % x.size()] = std::numeric_limits<T>::quiet_NaN();
  check_all_isas(x, 0.05, 10);
  check_all_isas(std::vector<T>(300, std::numeric_limits<T>::quiet_NaN()), 0.05, 1);
}

// Nothing is written before or after the output, and nothing read outside the input (which ASan sees).
template <typename T>
void writes_its_output_only() {
  for (const kernels::Table* table : kernels::available()) {
    for (std::size_t n = 1; n < 40; ++n) {
      const auto x = random_series<T>(n, 7);
      std::vector<T> framed(n + 16, T{-1});
      ema(*table, x.data(), framed.data() + 8, n, 0.2, 1);
      for (std::size_t i = 0; i < 8; ++i) CHECK(framed[i] == -1 && framed[n + 8 + i] == -1);
    }
  }
}

// Every offset from a cache line, in and out.
template <typename T>
void unaligned() {
  const auto x = random_series<T>(116, 8);
  for (const kernels::Table* table : kernels::available()) {
    for (std::size_t offset = 0; offset < 16; ++offset) {
      std::vector<T> out(116), want(100), tail(x.begin() + offset, x.begin() + offset + 100);
      ema(*table, x.data() + offset, out.data() + (15 - offset), 100, 0.2, 1);
      ema(*table, tail.data(), want.data(), 100, 0.2, 1);
      for (std::size_t i = 0; i < 100; ++i) CHECK(out[15 - offset + i] == want[i]);
    }
  }
}

void largest_doubles_stay_finite() {
  std::vector<double> x(100, 1e308);
  for (std::size_t i = 0; i < x.size(); i += 2) x[i] = -1e308;
  check_all_isas(x, 0.5, 1);
}

void streaming_is_the_scalar_batch() {
  auto x = random_series<double>(500, 9);
  x[3] = x[250] = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t seed_count : {1, 20}) {
    const auto batch = run(kernels::scalar_table, x, 0.1, seed_count);
    latencykit::Ema ema(0.1, seed_count);
    double last = NAN;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double value = ema.update(x[i]);
      CHECK(std::isnan(value) ? std::isnan(batch[i]) : value == batch[i]);
      if (!std::isnan(value)) last = value;
    }
    CHECK(ema.value() == last);
  }
}

void tables_are_found_by_name() {
  CHECK(kernels::find("scalar") == &kernels::scalar_table);
  CHECK(kernels::available().front() == &kernels::scalar_table);
  CHECK(kernels::best().isa == (kernels::find("avx2") ? "avx2" : "scalar"));
  CHECK(kernels::find("avx9") == nullptr && !kernels::is_known("avx9"));
  for (const kernels::Table* table : kernels::available()) CHECK(kernels::is_known(table->isa));
}

template <typename T>
void of_type() {
  every_length_and_seed<T>();
  a_gap_anywhere_leaves_the_rest_alone<T>();
  writes_its_output_only<T>();
  unaligned<T>();
}

}  // namespace

int main() {
  of_type<double>();
  of_type<float>();
  largest_doubles_stay_finite();
  streaming_is_the_scalar_batch();
  tables_are_found_by_name();
}

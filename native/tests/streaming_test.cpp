// Every streaming indicator against its definition in long double, over the rows that are not missing; and what missing
// rows, reset() and huge values that have left the window do.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include "latency/atr.h"
#include "latency/bollinger.h"
#include "latency/ema.h"
#include "latency/macd.h"
#include "latency/rolling_extreme.h"
#include "latency/rolling_std.h"
#include "latency/rsi.h"
#include "latency/sma.h"
#include "latency/vwap.h"
#include "latency/zscore.h"
#include "tests/check.h"

using namespace latencykit;

namespace {

using Real = long double;
using Reals = std::vector<Real>;

constexpr Real kNone = std::numeric_limits<Real>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr std::size_t kPeriods[] = {1, 2, 3, 5, 14, 37};

bool near(double got, Real expected, Real bound) {
  if (std::isnan(expected)) return std::isnan(got);
  const bool good = std::abs(static_cast<Real>(got) - expected) <= bound;
  if (!good) std::fprintf(stderr, "got %.17g, expected %.20Lg within %Lg\n", got, expected, bound);
  return good;
}

std::vector<double> prices(std::size_t n, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> step;
  std::vector<double> x(n);
  double price = 100;
  for (double& value : x) {
    value = price;
    if (random() % 4 != 0) price += step(random);  // Some values repeat.
  }
  return x;
}

// ---- Definitions

Reals exponential(const Reals& x, Real alpha, std::size_t seed_count, std::size_t from = 0) {
  Reals averages(x.size(), kNone);
  Real average = 0;
  for (std::size_t i = from; i < x.size(); ++i) {
    const std::size_t count = i - from + 1;
    average =
        count <= seed_count ? average + x[i] / static_cast<Real>(seed_count) : (1 - alpha) * average + alpha * x[i];
    if (count >= seed_count) averages[i] = average;
  }
  return averages;
}

struct Moments {
  Real mean = 0, squares = 0, largest = 0, least = 0, greatest = 0;
  Real deviation(std::size_t period, unsigned ddof) const {
    return std::sqrt(squares / static_cast<Real>(period - ddof));
  }
};

Moments moments(const std::vector<double>& x, std::size_t end, std::size_t period) {
  Moments m{.least = x[end], .greatest = x[end]};
  for (std::size_t i = end + 1 - period; i <= end; ++i) {
    m.mean += x[i] / static_cast<Real>(period);
    m.least = std::min<Real>(m.least, x[i]);
    m.greatest = std::max<Real>(m.greatest, x[i]);
  }
  for (std::size_t i = end + 1 - period; i <= end; ++i) m.squares += (x[i] - m.mean) * (x[i] - m.mean);
  m.largest = m.greatest - m.least;
  return m;
}

// ---- Windows

void windows_follow_their_definition(std::size_t period, unsigned ddof, std::uint64_t seed) {
  const auto x = prices(400, seed);
  const Real p = static_cast<Real>(period);
  Sma sma(period);
  RollingStd deviation(period, ddof);
  Bollinger bollinger(period, 2.5, ddof);
  Zscore zscore(period, ddof);
  RollingMin least(period);
  RollingMax greatest(period);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double mean = sma.update(x[i]), std = deviation.update(x[i]), z = zscore.update(x[i]);
    const auto [upper, middle, lower] = bollinger.update(x[i]);
    const double low = least.update(x[i]), high = greatest.update(x[i]);
    if (i + 1 < period) {
      for (double result : {mean, std, z, upper, middle, lower, low, high}) CHECK(std::isnan(result));
      continue;
    }
    const Moments m = moments(x, i, period);
    const Real slack = kEpsilon * (2 * std::abs(m.mean) + p * m.largest);
    const Real exact = m.deviation(period, ddof);
    // The variance is off by some roundings of sum(d * d), the deviation by its root where it is nearly 0.
    const Real variance_slack = 8 * p * kEpsilon * p * m.largest * m.largest / static_cast<Real>(period - ddof);
    CHECK(near(std * std, exact * exact, variance_slack + 4 * kEpsilon * exact * exact));
    CHECK(near(mean, m.mean, slack) && near(middle, m.mean, slack));
    CHECK(near(upper, m.mean + 2.5L * std, 4 * slack) && near(lower, m.mean - 2.5L * std, 4 * slack));
    CHECK(low == static_cast<double>(m.least) && high == static_cast<double>(m.greatest));
    if (m.largest == 0) {
      CHECK(mean == x[i] && std == 0 && std::isnan(z));
    } else {
      CHECK(near(z * std, x[i] - m.mean, 4 * slack));
    }
  }
}

void a_huge_value_leaves_nothing_behind() {
  for (const std::size_t period : kPeriods) {
    auto x = prices(300, 5);
    Sma sma(period), clean(period);
    RollingStd deviation(period, 0u), clean_deviation(period, 0u);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double seen = i == 100 ? 1e300 : x[i];
      const double mean = sma.update(seen), std = deviation.update(seen);
      const double clean_mean = clean.update(x[i]), clean_std = clean_deviation.update(x[i]);
      if (i >= 100 + period) CHECK(mean == clean_mean && std == clean_std);
    }
  }
}

void a_constant_window_is_exact() {
  for (const double value : {0.1, -1e300, 5e-324, 123456.789}) {
    Bollinger bollinger(std::size_t{7}, 2.0, 1u);
    Zscore zscore(std::size_t{7}, 1u);
    bollinger.update(value / 3);
    zscore.update(value / 3);
    for (int i = 0; i < 40; ++i) {
      const auto [upper, middle, lower] = bollinger.update(value);
      const double z = zscore.update(value);
      if (i >= 6) CHECK(upper == value && middle == value && lower == value && std::isnan(z));
    }
  }
}

// Distances whose squares vanish: their sum squared does not, and a variance must not come out below 0.
void vanishing_squares_give_no_deviation() {
  constexpr double kTiny = 1.5e-162;
  RollingStd deviation(std::size_t{14}, 0u);
  Zscore zscore(std::size_t{14}, 0u);
  for (int i = 0; i < 40; ++i) {
    const double value = i % 14 == 13 ? 0 : kTiny;  // The pivots are 0.
    const double std = deviation.update(value), z = zscore.update(value);
    if (i >= 13) CHECK(std == 0 && std::isnan(z));
  }
}

// ---- Averages

void averages_follow_their_definition(std::size_t period, bool mean_seed, std::uint64_t seed) {
  const auto x = prices(400, seed), spread = prices(400, seed + 1);
  const Reals exact_x(x.begin(), x.end());
  const std::size_t count = mean_seed ? period : 1;
  const Real p = static_cast<Real>(period), bound = 400 * kEpsilon * (p + 1);

  Reals rises(x.size(), kNone), falls = rises, ranges = rises;
  std::vector<double> high(x.size()), low(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    high[i] = x[i] + std::abs(spread[i] - 100);
    low[i] = x[i] - 1;
    if (i == 0) continue;
    const Real change = static_cast<Real>(x[i]) - x[i - 1];
    rises[i] = std::max<Real>(change, 0);
    falls[i] = std::max<Real>(-change, 0);
    ranges[i] = std::max({static_cast<Real>(high[i]) - low[i], std::abs(static_cast<Real>(high[i]) - x[i - 1]),
                          std::abs(static_cast<Real>(low[i]) - x[i - 1])});
  }
  const Reals average = exponential(exact_x, 2 / (p + 1), count), up = exponential(rises, 1 / p, count, 1),
              down = exponential(falls, 1 / p, count, 1), range = exponential(ranges, 1 / p, count, 1);

  Ema ema(2 / (static_cast<double>(period) + 1), std::uint64_t{count});
  Rsi rsi(std::uint64_t{period}, mean_seed);
  Atr atr(std::uint64_t{period}, mean_seed);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Real both = up[i] + down[i];
    CHECK(near(ema.update(x[i]), average[i], 100 * bound));
    CHECK(near(atr.update(high[i], low[i], x[i]), range[i], 100 * bound));
    const double strength = rsi.update(x[i]);
    if (both == 0) {
      CHECK(strength == 50);
    } else {
      CHECK(near(strength, 100 * up[i] / both, 100 * bound / std::min<Real>(both, 1)));
    }
  }
}

void macd_follows_its_definition(std::size_t fast, std::size_t slow, std::size_t signal, bool mean_seed) {
  const auto x = prices(300, 9);
  const Reals exact_x(x.begin(), x.end());
  const auto average = [&](const Reals& of, std::size_t period, std::size_t from) {
    return exponential(of, 2 / (static_cast<Real>(period) + 1), mean_seed ? period : 1, from);
  };
  const Reals fast_average = average(exact_x, fast, mean_seed ? slow - fast : 0),
              slow_average = average(exact_x, slow, 0);
  Reals line(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) line[i] = fast_average[i] - slow_average[i];
  const Reals signals = average(line, signal, mean_seed ? slow - 1 : 0);
  Macd macd(std::uint64_t{fast}, std::uint64_t{slow}, std::uint64_t{signal}, mean_seed);
  const Real bound = 1e5L * kEpsilon;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto [got_line, got_signal, histogram] = macd.update(x[i]);
    const bool line_due = !mean_seed || i + 1 >= slow, signal_due = !mean_seed || i + 2 >= slow + signal;
    CHECK(std::isnan(got_line) != line_due && std::isnan(got_signal) != signal_due);
    CHECK(near(got_line, line_due ? line[i] : kNone, bound));
    CHECK(near(got_signal, signal_due ? signals[i] : kNone, bound));
    CHECK(near(histogram, signal_due ? line[i] - signals[i] : kNone, 2 * bound));
  }
}

// ---- Volumes

void vwap_follows_its_definition(std::size_t period) {
  const auto x = prices(500, 3);
  const auto volumes = prices(500, 4);
  Vwap vwap(period);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double got = vwap.update(x[i], volumes[i]);
    const std::size_t length = period == 0 ? i + 1 : period;
    if (i + 1 < length) {
      CHECK(std::isnan(got));
      continue;
    }
    Real turnover = 0, volume = 0;
    for (std::size_t k = i + 1 - length; k <= i; ++k) {
      turnover += static_cast<Real>(x[k]) * volumes[k];
      volume += volumes[k];
    }
    CHECK(near(got, turnover / volume, 200 * static_cast<Real>(period + 2) * kEpsilon));
  }
}

void vwap_without_volume_is_nan() {
  for (const std::size_t period : {std::size_t{0}, std::size_t{2}}) {
    Vwap vwap(period);
    CHECK(std::isnan(vwap.update(10.0, 0.0)) && std::isnan(vwap.update(11.0, 0.0)));
    CHECK(vwap.update(12.0, 4.0) == 12);
    CHECK(vwap.update(13.0, 4.0) == 12.5);
    const double opposite = vwap.update(14.0, -4.0);
    CHECK(period == 0 ? opposite == 11 : std::isnan(opposite));
    vwap.reset();
    vwap.update(10.0, 1.0);
    CHECK(std::isnan(vwap.update(20.0, -1.0)));
  }
}

void a_compensated_sum_keeps_what_rounding_takes() {
  CompensatedSum sum;
  for (const double value : {1.0, 1e100, 1.0, -1e100}) sum.add(value);
  CHECK(sum.total() == 2);
}

// A plain sum of a million volumes of 0.1 and 0.3 would be off by thousands of roundings.
void a_long_cumulative_vwap_does_not_drift() {
  Vwap vwap(std::size_t{0});
  double got = 0;
  constexpr int kRows = 1'000'000;
  for (int i = 0; i < kRows; ++i) got = vwap.update(i % 2 == 0 ? 100.0 : 100.1, i % 2 == 0 ? 0.1 : 0.3);
  const Real exact = 100 + (static_cast<Real>(100.1 - 100.0) * static_cast<Real>(0.3)) / (static_cast<Real>(0.1) + 0.3);
  CHECK(near(got, exact, 2 * 100 * static_cast<Real>(kEpsilon)));
}

// ---- Missing rows

using Feed = std::function<std::vector<double>(double)>;
struct Stream {
  Feed update, value;
  std::function<void()> reset;
};

template <typename Result>
std::vector<double> as_vector(const Result& result) {
  if constexpr (std::same_as<Result, double>) {
    return {result};
  } else {
    return {result.begin(), result.end()};
  }
}

template <typename I, typename... Row>
Stream stream(std::shared_ptr<I> indicator, Row... rest) {
  return {[=](double x) { return as_vector(indicator->update(x, rest...)); },
          [=](double) { return as_vector(indicator->value()); }, [=] { indicator->reset(); }};
}

std::vector<Stream> every_indicator(Missing missing) {
  const std::size_t p = 4;
  const std::uint64_t q = 4;
  return {
      stream(std::make_shared<Sma>(missing, p)),
      stream(std::make_shared<RollingStd>(missing, p, 1u)),
      stream(std::make_shared<RollingMin>(missing, p)),
      stream(std::make_shared<RollingMax>(missing, p)),
      stream(std::make_shared<Zscore>(missing, p, 0u)),
      stream(std::make_shared<Bollinger>(missing, p, 2.0, 0u)),
      stream(std::make_shared<Vwap>(missing, p), 2.0),
      stream(std::make_shared<Vwap>(missing, std::size_t{0}), 2.0),
      stream(std::make_shared<Ema>(missing, 0.5, q)),
      stream(std::make_shared<Rsi>(missing, q, true)),
      stream(std::make_shared<Atr>(missing, q, false), 90.0, 100.0),
      stream(std::make_shared<Macd>(missing, std::uint64_t{2}, q, q, true)),
  };
}
constexpr std::size_t kWindows = 7;  // The first of them.

bool same(const std::vector<double>& a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && !(std::isnan(a[i]) && std::isnan(b[i]))) return false;
  }
  return a.size() == b.size();
}

bool all_nan(const std::vector<double>& values) {
  for (double value : values) {
    if (!std::isnan(value)) return false;
  }
  return true;
}

void skipped_rows_change_nothing() {
  const auto x = prices(100, 8);
  auto gapped = every_indicator(Missing::skip), whole = every_indicator(Missing::skip);
  for (std::size_t each = 0; each < gapped.size(); ++each) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto before = gapped[each].value(0);
      for (const double missing : {static_cast<double>(NAN), kInfinity, -kInfinity}) {
        if (i % 7 == 0) CHECK(all_nan(gapped[each].update(missing)));
      }
      CHECK(same(gapped[each].value(0), before));
      const auto got = gapped[each].update(x[i]);
      CHECK(same(got, whole[each].update(x[i])) && same(gapped[each].value(0), got));
    }
  }
}

void propagated_rows_restart_windows_and_end_averages() {
  const auto x = prices(60, 8);
  auto gapped = every_indicator(Missing::propagate), fresh = every_indicator(Missing::propagate);
  for (std::size_t each = 0; each < gapped.size(); ++each) {
    for (double value : x) gapped[each].update(value);
    CHECK(!all_nan(gapped[each].value(0)));
    CHECK(all_nan(gapped[each].update(NAN)) && all_nan(gapped[each].value(0)));
    for (double value : x) {
      const auto got = gapped[each].update(value), expected = fresh[each].update(value);
      CHECK(each < kWindows ? same(got, expected) : all_nan(got));
    }
    gapped[each].reset();
    fresh[each].reset();
    CHECK(all_nan(gapped[each].value(0)));
    for (double value : x) CHECK(same(gapped[each].update(value), fresh[each].update(value)));
    CHECK(!all_nan(gapped[each].value(0)));
  }
}

void reset_forgets_all() {
  const auto x = prices(40, 8);
  auto used = every_indicator(Missing::skip);
  for (const std::size_t rows : {1, 2, 5, 11}) {
    auto fresh = every_indicator(Missing::skip);
    for (std::size_t each = 0; each < used.size(); ++each) {
      for (std::size_t i = 0; i < rows; ++i) used[each].update(1000.0 * static_cast<double>(i));
      used[each].reset();
      CHECK(all_nan(used[each].value(0)));
      for (double value : x) CHECK(same(used[each].update(value), fresh[each].update(value)));
      used[each].reset();
    }
  }
}

void any_part_of_a_row_can_be_missing() {
  Atr atr(std::uint64_t{1}, true);
  Vwap vwap(std::size_t{0});
  atr.update(3.0, 1.0, 2.0);
  vwap.update(3.0, 1.0);
  for (const double bad : {static_cast<double>(NAN), kInfinity}) {
    CHECK(std::isnan(atr.update(bad, 1.0, 9.0)) && std::isnan(atr.update(9.0, bad, 9.0)));
    CHECK(std::isnan(atr.update(9.0, 1.0, bad)));
    CHECK(std::isnan(vwap.update(bad, 1.0)) && std::isnan(vwap.update(1.0, bad)));
  }
  CHECK(atr.update(4.0, 3.0, 3.5) == 2);  // From the close of 2, not of 9.
  CHECK(vwap.update(6.0, 2.0) == 5);
}

// Under the address sanitizer an absurd request ends the program, before it could throw.
void refused_memory_throws() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  for (const std::size_t period : {std::size_t{1} << 60, std::numeric_limits<std::size_t>::max() / 2}) {
    bool refused = false;
    try {
      Sma sma(period);
    } catch (const std::bad_alloc&) {
      refused = true;
    }
    CHECK(refused);
  }
#endif
}

}  // namespace

int main() {
  for (const std::size_t period : kPeriods) {
    windows_follow_their_definition(period, 0, period);
    if (period > 1) windows_follow_their_definition(period, 1, period + 1);
    averages_follow_their_definition(period, false, period);
    averages_follow_their_definition(period, true, period);
    vwap_follows_its_definition(period);
  }
  for (const bool mean_seed : {false, true}) {
    macd_follows_its_definition(12, 26, 9, mean_seed);
    macd_follows_its_definition(1, 2, 1, mean_seed);
  }
  vwap_follows_its_definition(0);
  vwap_without_volume_is_nan();
  a_long_cumulative_vwap_does_not_drift();
  a_huge_value_leaves_nothing_behind();
  a_constant_window_is_exact();
  vanishing_squares_give_no_deviation();
  a_compensated_sum_keeps_what_rounding_takes();
  skipped_rows_change_nothing();
  propagated_rows_restart_windows_and_end_averages();
  reset_forgets_all();
  any_part_of_a_row_can_be_missing();
  refused_memory_throws();
}

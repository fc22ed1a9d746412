// Sma, RollingStd, RollingMin, RollingMax, Zscore, Bollinger and Vwap for Python: indicators over a window of rows.
#include "bind/streaming.h"
#include "latency/bollinger.h"
#include "latency/rolling_extreme.h"
#include "latency/rolling_std.h"
#include "latency/sma.h"
#include "latency/vwap.h"
#include "latency/zscore.h"

namespace latencykit::bind {
namespace {

using kernels::Settings;

#define ON_WINDOWS                                                                                   \
  "Amortised, an update costs the same whatever the period; each `period`-th one alone takes time\n" \
  "in proportion to it. The window's memory is taken on construction.\n\n"

#define MISSING                                                                                  \
  "    missing: What a value that is not finite (NaN or an infinity) does. It gives NaN; with\n" \
  "        'skip' it changes nothing else, with 'propagate' the window starts again after it.\n" \
  "\n"                                                                                           \
  "Raises:\n"                                                                                    \
  "    CapacityError: The memory left is too little for the window.\n"                           \
  "    InvalidTypeError: A number has another type.\n"                                           \
  "    InvalidValueError: An argument is out of range."

#define DDOF "    ddof: 0 for the deviation of a population, 1 for that of a sample; less than period.\n"

#define UPDATE(result)                               \
  "update($self, value, /)\n--\n\n"                  \
  "Take in a value and return " result               \
  ", NaN while fewer than `period` values came.\n\n" \
  "Raises:\n    InvalidTypeError: It is not a number."

struct OneValue {
  static constexpr std::array kInputs = {"value"};
};

struct SmaType : OneValue {
  using Indicator = Sma;
  static constexpr auto kIndicator = kernels::Indicator::sma;
  static constexpr const char* kName = "latencykit._core.Sma";
  static constexpr const char* kDoc =
      "Sma(period, *, missing='skip')\n--\n\n"
      "The mean of the last values, one taken in at a time.\n\n"
      "mean = v + sum(x - v) / period, with v one of the values. It has the meaning of `sma` in\n"
      "float64. " ON_WINDOWS
      "Args:\n"
      "    period: Number of values, at least 1.\n" MISSING;
  static constexpr const char* kUpdateDoc = UPDATE("the mean");
  static Indicator make(const Settings& settings) { return Indicator(missing_of(settings), settings.period); }
};

struct RollingStdType : OneValue {
  using Indicator = RollingStd;
  static constexpr auto kIndicator = kernels::Indicator::rolling_std;
  static constexpr const char* kName = "latencykit._core.RollingStd";
  static constexpr const char* kDoc =
      "RollingStd(period, *, ddof=0, missing='skip')\n--\n\n"
      "The standard deviation of the last values, one taken in at a time.\n\n"
      "sqrt((sum(d * d) - sum(d)**2 / period) / (period - ddof)), with d = x - v and v one of the\n"
      "values (the shifted form in Chan, Golub, LeVeque, Algorithms for Computing the Sample\n"
      "Variance, 1983). It has the meaning of `rolling_std` in float64. " ON_WINDOWS
      "Args:\n"
      "    period: Number of values, at least 1.\n" DDOF MISSING;
  static constexpr const char* kUpdateDoc = UPDATE("the deviation");
  static Indicator make(const Settings& settings) {
    return Indicator(missing_of(settings), settings.period, settings.ddof);
  }
};

struct RollingMinType : OneValue {
  using Indicator = RollingMin;
  static constexpr auto kIndicator = kernels::Indicator::rolling_min;
  static constexpr const char* kName = "latencykit._core.RollingMin";
  static constexpr const char* kDoc =
      "RollingMin(period, *, missing='skip')\n--\n\n"
      "The least of the last values, one taken in at a time.\n\n"
      "The least of two runs of values that meet in the window (M. van Herk, 1992; J. Gil, M. Werman,\n"
      "1993). It has the meaning of `rolling_min` in float64. " ON_WINDOWS
      "Args:\n"
      "    period: Number of values, at least 1.\n" MISSING;
  static constexpr const char* kUpdateDoc = UPDATE("the least");
  static Indicator make(const Settings& settings) { return Indicator(missing_of(settings), settings.period); }
};

struct RollingMaxType : OneValue {
  using Indicator = RollingMax;
  static constexpr auto kIndicator = kernels::Indicator::rolling_max;
  static constexpr const char* kName = "latencykit._core.RollingMax";
  static constexpr const char* kDoc =
      "RollingMax(period, *, missing='skip')\n--\n\n"
      "The greatest of the last values, one taken in at a time.\n\n"
      "The greatest of two runs of values that meet in the window (M. van Herk, 1992; J. Gil, M.\n"
      "Werman, 1993). It has the meaning of `rolling_max` in float64. " ON_WINDOWS
      "Args:\n"
      "    period: Number of values, at least 1.\n" MISSING;
  static constexpr const char* kUpdateDoc = UPDATE("the greatest");
  static Indicator make(const Settings& settings) { return Indicator(missing_of(settings), settings.period); }
};

struct ZscoreType : OneValue {
  using Indicator = Zscore;
  static constexpr auto kIndicator = kernels::Indicator::zscore;
  static constexpr const char* kName = "latencykit._core.Zscore";
  static constexpr const char* kDoc =
      "Zscore(period, *, ddof=0, missing='skip')\n--\n\n"
      "The distance of each value from the mean of the last ones, in deviations.\n\n"
      "(x - mean) / deviation of the last `period` values, x included; NaN where the deviation is 0.\n"
      "It has the meaning of `zscore` in float64. " ON_WINDOWS
      "Args:\n"
      "    period: Number of values, at least 1.\n" DDOF MISSING;
  static constexpr const char* kUpdateDoc = UPDATE("its score");
  static Indicator make(const Settings& settings) {
    return Indicator(missing_of(settings), settings.period, settings.ddof);
  }
};

struct BollingerType : OneValue {
  using Indicator = Bollinger;
  static constexpr auto kIndicator = kernels::Indicator::bollinger;
  static constexpr const char* kName = "latencykit._core.Bollinger";
  static constexpr const char* kDoc =
      "Bollinger(period=20, width=2.0, *, ddof=0, missing='skip')\n--\n\n"
      "Bollinger bands that take one value at a time.\n\n"
      "middle = mean, upper and lower = middle +- width * deviation, of the last `period` values\n"
      "(John Bollinger, Bollinger on Bollinger Bands, 2001). It has the meaning of `bollinger` in\n"
      "float64. " ON_WINDOWS
      "Args:\n"
      "    period: Number of values, at least 1.\n"
      "    width: Reach to each side in deviations, finite and at least 0.\n" DDOF MISSING;
  static constexpr const char* kUpdateDoc = UPDATE("upper, middle and lower");
  static Indicator make(const Settings& settings) {
    return Indicator(missing_of(settings), settings.period, settings.width, settings.ddof);
  }
};

struct VwapType {
  using Indicator = Vwap;
  static constexpr auto kIndicator = kernels::Indicator::vwap;
  static constexpr const char* kName = "latencykit._core.Vwap";
  static constexpr std::array kInputs = {"price", "volume"};
  static constexpr const char* kDoc =
      "Vwap(period=None, *, missing='skip')\n--\n\n"
      "A volume-weighted average price that takes one row of price and volume at a time.\n\n"
      "sum(price * volume) / sum(volume), NaN where the volumes sum to 0. It has the meaning of\n"
      "`vwap` in float64. From the beginning, sums are compensated (A. Neumaier, Rundungsfehleranalyse\n"
      "einiger Verfahren zur Summation endlicher Summen, 1974), and each update costs the same. With a\n"
      "period only the amortised cost does, each `period`-th update taking time in proportion to it;\n"
      "the window's memory is taken on construction.\n\n"
      "Args:\n"
      "    period: Number of rows, at least 1; None for all from the beginning.\n"
      "    missing: What a row with a value that is not finite (NaN or an infinity) does. It gives\n"
      "        NaN; with 'skip' it changes nothing else, with 'propagate' the window starts again after\n"
      "        it, and without a window all is NaN from there until reset().\n\n"
      "Raises:\n"
      "    CapacityError: The memory left is too little for the window.\n"
      "    InvalidTypeError: A number has another type.\n"
      "    InvalidValueError: An argument is out of range.";
  static constexpr const char* kUpdateDoc =
      "update($self, price, volume, /)\n--\n\n"
      "Take in a row and return the average price, NaN while fewer than `period` rows came.\n\n"
      "Raises:\n    InvalidTypeError: One is not a number.";
  static Indicator make(const Settings& settings) { return Indicator(missing_of(settings), settings.period); }
};

}  // namespace

int add_streaming_windows(PyObject* module) {
  for (auto add : {StreamingType<SmaType>::add, StreamingType<RollingStdType>::add, StreamingType<RollingMinType>::add,
                   StreamingType<RollingMaxType>::add, StreamingType<ZscoreType>::add,
                   StreamingType<BollingerType>::add, StreamingType<VwapType>::add}) {
    if (add(module) < 0) return -1;
  }
  return 0;
}

}  // namespace latencykit::bind

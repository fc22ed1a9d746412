// Ema, Rsi, Macd and Atr for Python: indicators made of exponential averages.
#include "bind/streaming.h"
#include "latency/atr.h"
#include "latency/ema.h"
#include "latency/macd.h"
#include "latency/rsi.h"

namespace latencykit::bind {
namespace {

using kernels::Settings;

#define SEED_AND_MISSING                                                                            \
  "    missing: What a value that is not finite (NaN or an infinity) does. It gives NaN; with\n"    \
  "        'skip' it changes nothing else, with 'propagate' all is NaN from there until reset().\n" \
  "\n"                                                                                              \
  "Raises:\n"                                                                                       \
  "    InvalidTypeError: A number has another type.\n"

struct EmaType {
  using Indicator = Ema;
  static constexpr auto kIndicator = kernels::Indicator::ema;
  static constexpr const char* kName = "latencykit._core.Ema";
  static constexpr std::array kInputs = {"value"};
  static constexpr const char* kDoc =
      "Ema(period=None, *, alpha=None, seed='first', missing='skip')\n--\n\n"
      "An exponential moving average that takes one value at a time.\n\n"
      "y[i] = (1 - alpha) * y[i-1] + alpha * x[i], with alpha = 2 / (period + 1)\n"
      "(P. N. Haurlan, Measuring Trend Values, 1968). It has the meaning of `ema` in float64.\n\n"
      "Args:\n"
      "    period: Number of values, at least 1. Give either period or alpha.\n"
      "    alpha: Weight of the newest value, greater than 0 and at most 1.\n"
      "    seed: 'first' starts from the first value; 'sma' from the mean of the first `period`\n"
      "        values, NaN before.\n" SEED_AND_MISSING
      "    InvalidValueError: An argument is out of range, or both or neither of period and alpha\n"
      "        are given.";
  static constexpr const char* kUpdateDoc =
      "update($self, value, /)\n--\n\n"
      "Take in a value and return the average, NaN while the seed is incomplete.\n\n"
      "Raises:\n    InvalidTypeError: It is not a number.";
  static Indicator make(const Settings& settings) {
    return Indicator(missing_of(settings), settings.alpha, std::uint64_t{settings.mean_seed ? settings.period : 1});
  }
};

struct RsiType {
  using Indicator = Rsi;
  static constexpr auto kIndicator = kernels::Indicator::rsi;
  static constexpr const char* kName = "latencykit._core.Rsi";
  static constexpr std::array kInputs = {"value"};
  static constexpr const char* kDoc =
      "Rsi(period=14, *, seed='sma', missing='skip')\n--\n\n"
      "A relative strength index, 0 to 100, that takes one value at a time.\n\n"
      "rsi = 100 * up / (up + down), 50 where both are 0, with up and down the averages of the rises\n"
      "and falls from value to value, each new one weighing 1 / period (J. Welles Wilder, New\n"
      "Concepts in Technical Trading Systems, 1978). It has the meaning of `rsi` in float64.\n\n"
      "Args:\n"
      "    period: Number of changes, at least 1.\n"
      "    seed: 'sma' starts from the means of the first `period` changes, NaN before (TA-Lib);\n"
      "        'first' from the first change.\n" SEED_AND_MISSING "    InvalidValueError: An argument is out of range.";
  static constexpr const char* kUpdateDoc =
      "update($self, value, /)\n--\n\n"
      "Take in a value and return the index, NaN while the seed is incomplete.\n\n"
      "Raises:\n    InvalidTypeError: It is not a number.";
  static Indicator make(const Settings& settings) {
    return Indicator(missing_of(settings), std::uint64_t{settings.period}, settings.mean_seed);
  }
};

struct MacdType {
  using Indicator = Macd;
  static constexpr auto kIndicator = kernels::Indicator::macd;
  static constexpr const char* kName = "latencykit._core.Macd";
  static constexpr std::array kInputs = {"value"};
  static constexpr const char* kDoc =
      "Macd(fast=12, slow=26, signal=9, *, seed='first', missing='skip')\n--\n\n"
      "Moving average convergence/divergence that takes one value at a time.\n\n"
      "line = fast average - slow average, signal = average of the line, histogram = line - signal,\n"
      "with averages that weigh the newest value by 2 / (period + 1) (Gerald Appel, The Moving\n"
      "Average Convergence-Divergence Method, 1979). It has the meaning of `macd` in float64.\n\n"
      "Args:\n"
      "    fast: Period of the fast average, at least 1 and less than slow.\n"
      "    slow: Period of the slow average.\n"
      "    signal: Period of the signal, at least 1.\n"
      "    seed: 'first' starts all from the first value; 'sma' from means, as TA-Lib does: the line\n"
      "        comes with value number `slow`, signal and histogram with `slow + signal - 1`.\n" SEED_AND_MISSING
      "    InvalidValueError: An argument is out of range.";
  static constexpr const char* kUpdateDoc =
      "update($self, value, /)\n--\n\n"
      "Take in a value and return line, signal and histogram, NaN while their seeds are incomplete.\n\n"
      "Raises:\n    InvalidTypeError: It is not a number.";
  static Indicator make(const Settings& settings) {
    return Indicator(missing_of(settings), std::uint64_t{settings.period}, std::uint64_t{settings.slow},
                     std::uint64_t{settings.signal}, settings.mean_seed);
  }
};

struct AtrType {
  using Indicator = Atr;
  static constexpr auto kIndicator = kernels::Indicator::atr;
  static constexpr const char* kName = "latencykit._core.Atr";
  static constexpr std::array kInputs = {"high", "low", "close"};
  static constexpr const char* kDoc =
      "Atr(period=14, *, seed='sma', missing='skip')\n--\n\n"
      "An average true range that takes one row of high, low and close at a time.\n\n"
      "The average, each new one weighing 1 / period, of\n"
      "max(high - low, |high - previous close|, |low - previous close|) (J. Welles Wilder, New\n"
      "Concepts in Technical Trading Systems, 1978); the first row has none, as in TA-Lib. It has\n"
      "the meaning of `atr` in float64.\n\n"
      "Args:\n"
      "    period: Number of ranges, at least 1.\n"
      "    seed: 'sma' starts from the mean of the first `period` ranges, NaN before (TA-Lib);\n"
      "        'first' from the first range.\n" SEED_AND_MISSING "    InvalidValueError: An argument is out of range.";
  static constexpr const char* kUpdateDoc =
      "update($self, high, low, close, /)\n--\n\n"
      "Take in a row and return the average range, NaN while the seed is incomplete.\n\n"
      "Raises:\n    InvalidTypeError: One is not a number.";
  static Indicator make(const Settings& settings) {
    return Indicator(missing_of(settings), std::uint64_t{settings.period}, settings.mean_seed);
  }
};

}  // namespace

int add_streaming_averages(PyObject* module) {
  for (auto add : {StreamingType<EmaType>::add, StreamingType<RsiType>::add, StreamingType<MacdType>::add,
                   StreamingType<AtrType>::add}) {
    if (add(module) < 0) return -1;
  }
  return 0;
}

}  // namespace latencykit::bind

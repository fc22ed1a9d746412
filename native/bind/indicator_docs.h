// The docstrings of the batch functions. What several of them say is written once.
#pragma once

#define INDICATOR_SERIES                                                                                     \
  "    x: The series; any length, 0 included. An array of shape (series, n) holds one series in each row.\n" \
  "        float64 and float32 are computed as they are; integers, booleans and sequences of numbers are\n"  \
  "        converted to float64. What is not C-contiguous, aligned and in native byte order is copied first.\n"

#define INDICATOR_COLUMNS(names)                                                                               \
  "    " names                                                                                                 \
  ": The series, of one shape; any length, 0 included. Arrays of shape (series, n) hold one\n"                 \
  "        series in each row. Computed in float32 if all are float32, else in float64, to which integers,\n"  \
  "        booleans and sequences of numbers are converted. What is not C-contiguous, aligned and in native\n" \
  "        byte order is copied first.\n"

#define INDICATOR_PERIOD "    period: Number of values in the window, at least 1.\n"

#define INDICATOR_WINDOW_PERIOD_DDOF "    period: Number of values in the window, at least 1 and more than ddof.\n"

#define INDICATOR_DDOF                                                                            \
  "    ddof: 0 for the deviation of the population (divided by period), 1 for that of a sample\n" \
  "        (divided by period - 1).\n"

#define INDICATOR_WILDER_SEED(what)                                  \
  "    seed: 'sma' starts from the mean of the first `period` " what \
  " (Wilder, TA-Lib), with the first\n"                              \
  "        result at index `period`; 'first' starts from the first of them, at index 1.\n"

#define INDICATOR_MISSING_WINDOW                                                                            \
  "    missing: 'skip' leaves a missing value out: its result is NaN, the others are those of the series\n" \
  "        without it. 'propagate' gives NaN until `period` values have come after it.\n"

#define INDICATOR_MISSING_AVERAGE                                                                           \
  "    missing: 'skip' leaves a missing value out: its result is NaN, the others are those of the series\n" \
  "        without it. 'propagate' gives NaN from it on.\n"

#define INDICATOR_OUT                                                                                      \
  "    out: Where to write: a C-contiguous writable array of the result's shape and dtype that does not\n" \
  "        overlap the input. With it, no array is allocated.\n"

#define INDICATOR_OUTS(names)                                                                              \
  "    out: Where to write: a tuple of three C-contiguous writable arrays (" names                         \
  ") of the\n"                                                                                             \
  "        result's shape and dtype that overlap neither the input nor each other. With it, no array is\n" \
  "        allocated.\n"

#define INDICATOR_ISA "    isa: Instruction set of this call, one of ISAS; None for the one chosen at import.\n\n"

#define INDICATOR_RETURNS \
  "Returns:\n"            \
  "    out, or a new array of the input's shape.\n\n"

#define INDICATOR_RETURNS_TUPLE(names) \
  "Returns:\n"                         \
  "    out, or a new tuple of arrays (" names ") of x's shape.\n\n"

#define INDICATOR_RAISES(values)                                                                       \
  "Raises:\n"                                                                                          \
  "    InvalidTypeError: An argument has a type or dtype that cannot be used, or is a masked array.\n" \
  "    InvalidValueError: " values                                                                     \
  " or isa is out of range, an array has neither one nor two\n"                                        \
  "        dimensions, or out does not fit or overlaps.\n"                                             \
  "    UnsupportedError: This CPU lacks the instruction set.\n"                                        \
  "    MemoryError: There is none for the result, or to work on a long window or on a series with\n"   \
  "        missing values; out then holds nothing of meaning."

// Of accuracy: eps is that of the dtype. The bounds follow from counting roundings; the tests hold every instruction
// set to them.
#define INDICATOR_SMALL \
  "A size below the dtype's smallest normal number counts as that number; no sum may exceed its largest.\n\n"

#define INDICATOR_SQUARES                                                                                       \
  "In squares, sizes below the root of the dtype's smallest number are lost; no square or sum may exceed its\n" \
  "largest.\n\n"

namespace latencykit::bind {

inline constexpr const char* kEmaDoc =
    "ema(x, period=None, *, alpha=None, seed='first', missing='skip', out=None, isa=None)\n--\n\n"
    "Compute the exponential moving average of a series.\n\n"
    "y[i] = (1 - alpha) * y[i-1] + alpha * x[i], with alpha = 2 / (period + 1)\n"
    "(P. N. Haurlan, Measuring Trend Values, 1968).\n\n"
    "A value that is not finite (NaN or an infinity) is missing. Left out, the average goes on from the last\n"
    "finite value, as in pandas with adjust=False, ignore_na=True. Instruction sets differ by rounding only:\n"
    "each result is within 4 * eps * max|x| / alpha of the exact one, eps being that of the dtype.\n" INDICATOR_SMALL
    "Args:\n" INDICATOR_SERIES
    "    period: Number of values, at least 1. Give either period or alpha.\n"
    "    alpha: Weight of the newest value, greater than 0 and at most 1.\n"
    "    seed: 'first' starts from the first finite value (pandas adjust=False); 'sma' starts from the mean of\n"
    "        the first `period` finite values and is NaN before (TA-Lib).\n" INDICATOR_MISSING_AVERAGE
    "    out: Where to write: a C-contiguous writable array of the result's shape and dtype, x itself or one\n"
    "        that does not overlap it. With it, no array is allocated.\n" INDICATOR_ISA INDICATOR_RETURNS
    "Raises:\n"
    "    InvalidTypeError: An argument has a type or dtype that cannot be used, or is a masked array.\n"
    "    InvalidValueError: period, alpha, seed, missing or isa is out of range, both or neither of period and\n"
    "        alpha are given, x has neither one nor two dimensions, or out does not fit or overlaps.\n"
    "    UnsupportedError: This CPU lacks the instruction set.";

inline constexpr const char* kSmaDoc =
    "sma(x, period, *, missing='skip', out=None, isa=None)\n--\n\n"
    "Compute the simple moving average: the mean of the last `period` values.\n\n"
    "y[i] = (x[i-period+1] + ... + x[i]) / period; NaN before index period - 1 (J. J. Murphy, Technical\n"
    "Analysis of the Financial Markets, 1999). Each sum is formed from the window's own values, never by\n"
    "subtracting what left it, so that rounding does not build up over a long series.\n\n"
    "A value that is not finite (NaN or an infinity) is missing.\n\n"
    "Each result is within (period + 2) * eps * R + eps * |mean| of the exact one, R being the range of the window's\n"
    "values and eps that of the dtype.\n" INDICATOR_SMALL "Args:\n" INDICATOR_SERIES INDICATOR_PERIOD
        INDICATOR_MISSING_WINDOW INDICATOR_OUT INDICATOR_ISA INDICATOR_RETURNS INDICATOR_RAISES("period, missing");

inline constexpr const char* kRsiDoc =
    "rsi(x, period=14, *, seed='sma', missing='skip', out=None, isa=None)\n--\n\n"
    "Compute the relative strength index.\n\n"
    "y[i] = 100 * up[i] / (up[i] + down[i]), and 50 where both are 0: up and down are the averages, with\n"
    "alpha = 1 / period, of max(change, 0) and max(-change, 0), change being x[i] - x[i-1] (J. W. Wilder, New\n"
    "Concepts in Technical Trading Systems, 1978).\n\n"
    "A value that is not finite (NaN or an infinity) is missing.\n\n"
    "Each result is within 600 * eps * period * M / (up + down) of the exact one, M being the largest |change| so far\n"
    "and eps that of the dtype.\n" INDICATOR_SMALL "Args:\n" INDICATOR_SERIES
    "    period: Number of changes, at least 1.\n" INDICATOR_WILDER_SEED("changes")
        INDICATOR_MISSING_AVERAGE INDICATOR_OUT INDICATOR_ISA INDICATOR_RETURNS INDICATOR_RAISES(
            "period, seed, missing");

inline constexpr const char* kMacdDoc =
    "macd(x, fast=12, slow=26, signal=9, *, seed='first', missing='skip', out=None, isa=None)\n--\n\n"
    "Compute the moving average convergence/divergence: line, signal and histogram.\n\n"
    "line = ema(x, fast) - ema(x, slow); signal is the ema of the line over `signal` values; histogram =\n"
    "line - signal (G. Appel, The Moving Average Convergence-Divergence Method, 1979).\n\n"
    "A value that is not finite (NaN or an infinity) is missing.\n\n"
    "Each result is within 4 * eps * (fast + slow + signal + 4) * max|x| of the exact one, eps being that of the\n"
    "dtype.\n" INDICATOR_SMALL "Args:\n" INDICATOR_SERIES
    "    fast: Period of the fast average, at least 1 and less than slow.\n"
    "    slow: Period of the slow average.\n"
    "    signal: Period of the signal's average, at least 1.\n"
    "    seed: 'first' starts all averages from the first value (pandas adjust=False). 'sma' starts the slow\n"
    "        average from the mean of the first `slow` values, the fast one from the mean of the `fast` values\n"
    "        that end there, and the signal from the mean of the first `signal` values of the line: the line is\n"
    "        NaN before index slow - 1, the others before slow + signal - 2. TA-Lib gives the same, but leaves\n"
    "        the line out until then too.\n" INDICATOR_MISSING_AVERAGE INDICATOR_OUTS("line, signal, histogram")
        INDICATOR_ISA INDICATOR_RETURNS_TUPLE("line, signal, histogram")
            INDICATOR_RAISES("fast, slow, signal, seed, missing");

inline constexpr const char* kBollingerDoc =
    "bollinger(x, period=20, width=2.0, *, ddof=0, missing='skip', out=None, isa=None)\n--\n\n"
    "Compute Bollinger bands: upper, middle and lower.\n\n"
    "middle is the mean of the last `period` values, upper and lower lie `width` deviations above and below it\n"
    "(J. Bollinger, Bollinger on Bollinger Bands, 2001); NaN before index period - 1. The bands of a constant\n"
    "window are exactly the constant.\n\n"
    "A value that is not finite (NaN or an infinity) is missing.\n\n"
    "middle is as accurate as `sma`, the distance to a band as `rolling_std` times width.\n" INDICATOR_SQUARES
    "Args:\n" INDICATOR_SERIES INDICATOR_WINDOW_PERIOD_DDOF
    "    width: Deviations between the middle and a band, finite and at least 0.\n" INDICATOR_DDOF
        INDICATOR_MISSING_WINDOW INDICATOR_OUTS("upper, middle, lower")
            INDICATOR_ISA INDICATOR_RETURNS_TUPLE("upper, middle, lower")
                INDICATOR_RAISES("period, width, ddof, missing");

inline constexpr const char* kAtrDoc =
    "atr(high, low, close, period=14, *, seed='sma', missing='skip', out=None, isa=None)\n--\n\n"
    "Compute the average true range.\n\n"
    "The average, with alpha = 1 / period, of the true range max(high[i] - low[i], |high[i] - close[i-1]|,\n"
    "|low[i] - close[i-1]|), which starts at index 1 (J. W. Wilder, New Concepts in Technical Trading Systems,\n"
    "1978).\n\n"
    "A row with a value that is not finite (NaN or an infinity) is missing.\n\n"
    "Each result is within 5 * eps * period * M of the exact one, M being the largest true range so far and eps that\n"
    "of the dtype.\n" INDICATOR_SMALL "Args:\n" INDICATOR_COLUMNS(
        "high, low, close") "    period: Number of ranges, at least 1.\n" INDICATOR_WILDER_SEED("ranges")
        INDICATOR_MISSING_AVERAGE INDICATOR_OUT INDICATOR_ISA INDICATOR_RETURNS INDICATOR_RAISES(
            "period, seed, missing");

inline constexpr const char* kVwapDoc =
    "vwap(price, volume, period=None, *, missing='skip', out=None, isa=None)\n--\n\n"
    "Compute the volume-weighted average price.\n\n"
    "y[i] = sum(price * volume) / sum(volume), over all rows so far or the last `period`; NaN where the volume\n"
    "sums to 0 (S. A. Berkowitz, D. E. Logue and E. A. Noser, The Total Cost of Transactions on the NYSE,\n"
    "Journal of Finance 43(1), 1988). Volumes are used as they are.\n\n"
    "A row with a value that is not finite (NaN or an infinity) is missing.\n\n"
    "With R the range of the prices averaged and s = sum|volume| / |sum(volume)|, 1 where no volume is negative, each\n"
    "result y is within (period + 2) * eps * R * s**2 + eps * |y| of the exact one, as long as period * eps * s is\n"
    "far below 1 and no product underflows; eps is that of the dtype. Without a period, 300 * 2**-52 stands for\n"
    "(period + 2) * eps.\n" INDICATOR_SMALL
    "Args:\n" INDICATOR_COLUMNS("price, volume")
    "    period: Number of rows in the window, at least 1, with NaN before index period - 1; None for all rows\n"
    "        from the beginning.\n"
    "    missing: 'skip' leaves a missing row out: its result is NaN, the others are those of the series\n"
    "        without it. 'propagate' gives NaN until `period` rows have come after it, and without a period\n"
    "        from it on.\n" INDICATOR_OUT INDICATOR_ISA INDICATOR_RETURNS INDICATOR_RAISES("period, missing");

inline constexpr const char* kRollingStdDoc =
    "rolling_std(x, period, *, ddof=0, missing='skip', out=None, isa=None)\n--\n\n"
    "Compute the standard deviation of the last `period` values.\n\n"
    "y[i] = sqrt(sum((x - mean)^2) / (period - ddof)) over the window; NaN before index period - 1 (T. F. Chan,\n"
    "G. H. Golub and R. J. LeVeque, Algorithms for Computing the Sample Variance, American Statistician 37(3),\n"
    "1983). The sums are formed from the window's own values, around one that lies in it: a constant window\n"
    "gives exactly 0.\n\n"
    "A value that is not finite (NaN or an infinity) is missing.\n\n"
    "The square of each result is within (2 * period + 8) * eps * R**2 of the exact variance, R being the range of "
    "the\n"
    "window's values and eps that of the dtype; the deviation is at least R / sqrt(2 * period).\n" INDICATOR_SQUARES
    "Args:\n" INDICATOR_SERIES INDICATOR_WINDOW_PERIOD_DDOF INDICATOR_DDOF INDICATOR_MISSING_WINDOW INDICATOR_OUT
        INDICATOR_ISA INDICATOR_RETURNS INDICATOR_RAISES("period, ddof, missing");

inline constexpr const char* kRollingMinDoc =
    "rolling_min(x, period, *, missing='skip', out=None, isa=None)\n--\n\n"
    "Compute the least of the last `period` values.\n\n"
    "y[i] = min(x[i-period+1], ..., x[i]), exactly one of them; NaN before index period - 1 (M. van Herk, A Fast\n"
    "Algorithm for Local Minimum and Maximum Filters, Pattern Recognition Letters 13(7), 1992).\n\n"
    "A value that is not finite (NaN or an infinity) is missing.\n\n"
    "Args:\n" INDICATOR_SERIES INDICATOR_PERIOD INDICATOR_MISSING_WINDOW INDICATOR_OUT INDICATOR_ISA INDICATOR_RETURNS
        INDICATOR_RAISES("period, missing");

inline constexpr const char* kRollingMaxDoc =
    "rolling_max(x, period, *, missing='skip', out=None, isa=None)\n--\n\n"
    "Compute the greatest of the last `period` values.\n\n"
    "y[i] = max(x[i-period+1], ..., x[i]), exactly one of them; NaN before index period - 1 (M. van Herk, A Fast\n"
    "Algorithm for Local Minimum and Maximum Filters, Pattern Recognition Letters 13(7), 1992).\n\n"
    "A value that is not finite (NaN or an infinity) is missing.\n\n"
    "Args:\n" INDICATOR_SERIES INDICATOR_PERIOD INDICATOR_MISSING_WINDOW INDICATOR_OUT INDICATOR_ISA INDICATOR_RETURNS
        INDICATOR_RAISES("period, missing");

inline constexpr const char* kZscoreDoc =
    "zscore(x, period, *, ddof=0, missing='skip', out=None, isa=None)\n--\n\n"
    "Compute how many deviations each value lies from the mean of its window.\n\n"
    "y[i] = (x[i] - mean) / deviation, both of the last `period` values; NaN before index period - 1 and where\n"
    "the deviation is 0 (the standard score: E. Kreyszig, Advanced Engineering Mathematics, 1979).\n\n"
    "A value that is not finite (NaN or an infinity) is missing.\n\n"
    "With R the range of the window's values, r = R / deviation and e = (2 * period + 8) * eps, eps being that of the\n"
    "dtype, each result z is within e * r * (1 + |z| * r) of the exact one, as long as e * r**2 is below "
    "0.5.\n" INDICATOR_SQUARES
    "Args:\n" INDICATOR_SERIES INDICATOR_WINDOW_PERIOD_DDOF INDICATOR_DDOF INDICATOR_MISSING_WINDOW INDICATOR_OUT
        INDICATOR_ISA INDICATOR_RETURNS INDICATOR_RAISES("period, ddof, missing");

}  // namespace latencykit::bind

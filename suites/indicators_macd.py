"""Component `indicators_macd`: the MACD of 1000 prices: line, signal and histogram for 12, 26 and 9."""

from typing import TYPE_CHECKING

import latencykit as lk

from ._indicators import LENGTH, compiled, exponential, native_variants, prices

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

    from ._indicators import Doubles

macd = lk.Component(
    "indicators_macd",
    baseline="naive",
    doc="MACD of 1000 doubles, periods 12, 26, 9",
    on_request=True,
)

PERIODS = (12, 26, 9)
FAST, SLOW, SIGNAL = (2 / (period + 1) for period in PERIODS)


def list_macd(values: list[float]) -> tuple[list[float], list[float], list[float]]:
    lines, signals, histograms = [], [], []
    fast = slow = values[0]
    signal = 0.0
    for value in values:
        fast = FAST * value + (1 - FAST) * fast
        slow = SLOW * value + (1 - SLOW) * slow
        line = fast - slow
        signal = SIGNAL * line + (1 - SIGNAL) * signal
        lines.append(line)
        signals.append(signal)
        histograms.append(line - signal)
    return lines, signals, histograms


def vector_macd(length: int) -> "Callable[[Doubles], tuple[Doubles, Doubles, Doubles]]":
    """Prepare the lines of `length` values, their averages as matrix products."""
    fast, slow, signal = (exponential(length, alpha) for alpha in (FAST, SLOW, SIGNAL))

    def lines(values: "Doubles") -> "tuple[Doubles, Doubles, Doubles]":
        line = fast(values) - slow(values)
        average = signal(line)
        return line, average, line - average

    return lines


def array_macd(
    values: "Doubles", lines: "Doubles", signals: "Doubles", histograms: "Doubles"
) -> "tuple[Doubles, Doubles, Doubles]":
    fast = slow = values[0]
    signal = 0.0
    for i in range(values.size):
        fast = FAST * values[i] + (1 - FAST) * fast
        slow = SLOW * values[i] + (1 - SLOW) * slow
        line = fast - slow
        signal = SIGNAL * line + (1 - SIGNAL) * signal
        lines[i] = line
        signals[i] = signal
        histograms[i] = line - signal
    return lines, signals, histograms


@macd.variant
def naive() -> "Operation":
    return lk.call(list_macd, prices().tolist())


@macd.variant(contrast=True)
def numpy() -> "Operation":
    return lk.call(vector_macd(LENGTH), prices())


native_variants(macd, "macd", lambda: (prices(),), *PERIODS)


# Tulip's MACD is another one: for 12 and 26 it takes the weights 0.15 and 0.075.
@macd.variant(peer="talib")
def talib() -> "Operation":
    # Its averages start at means of their first periods.
    import talib as library

    return lk.call(library.MACD, prices(), *PERIODS)


@macd.variant(peer="numba")
def numba() -> "Operation":
    values = prices()
    return compiled(array_macd, values, values.copy(), values.copy(), values.copy())


@macd.variant(peer="pandas")
def pandas() -> "Callable[[], object]":
    import pandas as pd

    series = pd.Series(prices())

    def lines() -> object:
        fast, slow = (series.ewm(span=span, adjust=False).mean() for span in PERIODS[:2])
        line = fast - slow
        signal = line.ewm(span=PERIODS[2], adjust=False).mean()
        return line, signal, line - signal

    return lines


@macd.variant(peer="polars")
def polars() -> "Callable[[], object]":
    import polars as pl

    series = pl.Series(prices())

    def lines() -> object:
        fast, slow = (series.ewm_mean(span=span, adjust=False) for span in PERIODS[:2])
        line = fast - slow
        signal = line.ewm_mean(span=PERIODS[2], adjust=False)
        return line, signal, line - signal

    return lines

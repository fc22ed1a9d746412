"""Component `indicators_rolling_std`: the population's deviation of the last 20 of 1000 prices."""

from typing import TYPE_CHECKING

import latencykit as lk

from ._indicators import NAN, PERIOD, compiled, native_variants, prices, window_moments

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

    from ._indicators import Doubles

rolling_std = lk.Component(
    "indicators_rolling_std",
    baseline="naive",
    doc="deviation of the last 20 of 1000 doubles",
    on_request=True,
)


def list_std(values: list[float], period: int) -> list[float]:
    deviations = [NAN] * (period - 1)
    for end in range(period, len(values) + 1):
        window = values[end - period : end]
        mean = sum(window) / period
        deviations.append((sum((value - mean) ** 2 for value in window) / period) ** 0.5)
    return deviations


def vector_std(values: "Doubles", period: int) -> "Doubles":
    return window_moments(values, period)[1]


def array_std(values: "Doubles", period: int, out: "Doubles") -> "Doubles":
    # Two sums of distances from the first value that are updated: less accurate the further the series moves from it.
    first, total, squares = values[0], 0.0, 0.0
    for i in range(values.size):
        distance = values[i] - first
        total += distance
        squares += distance * distance
        if i >= period:
            gone = values[i - period] - first
            total -= gone
            squares -= gone * gone
        mean = total / period
        out[i] = NAN if i < period - 1 else max(squares / period - mean * mean, 0.0) ** 0.5
    return out


@rolling_std.variant
def naive() -> "Operation":
    return lk.call(list_std, prices().tolist(), PERIOD)


@rolling_std.variant(contrast=True)
def numpy() -> "Operation":
    return lk.call(vector_std, prices(), PERIOD)


native_variants(rolling_std, "rolling_std", lambda: (prices(),), PERIOD)


@rolling_std.variant(peer="talib")
def talib() -> "Operation":
    import talib as library

    return lk.call(library.STDDEV, prices(), PERIOD)


@rolling_std.variant(peer="tulipy")
def tulipy() -> "Operation":
    import tulipy as library

    return lk.call(library.stddev, prices(), PERIOD)


@rolling_std.variant(peer="numba")
def numba() -> "Operation":
    values = prices()
    return compiled(array_std, values, PERIOD, values.copy())


@rolling_std.variant(peer="pandas")
def pandas() -> "Callable[[], object]":
    import pandas as pd

    series = pd.Series(prices())
    return lambda: series.rolling(PERIOD).std(ddof=0)


@rolling_std.variant(peer="polars")
def polars() -> "Callable[[], object]":
    import polars as pl

    series = pl.Series(prices())
    return lambda: series.rolling_std(PERIOD, ddof=0)

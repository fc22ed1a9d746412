"""Component `indicators_bollinger`: Bollinger bands of 1000 prices: two deviations around the mean of 20."""

from typing import TYPE_CHECKING

import latencykit as lk

from ._indicators import NAN, PERIOD, compiled_moments, native_variants, prices, window_moments

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

    from ._indicators import Doubles

bollinger = lk.Component(
    "indicators_bollinger",
    baseline="naive",
    doc="Bollinger bands of 1000 doubles, period 20",
    on_request=True,
)

WIDTH = 2.0


def list_bollinger(values: list[float], period: int, width: float) -> tuple[list[float], list[float], list[float]]:
    upper, middle, lower = ([NAN] * (period - 1) for _ in range(3))
    for end in range(period, len(values) + 1):
        window = values[end - period : end]
        mean = sum(window) / period
        reach = width * (sum((value - mean) ** 2 for value in window) / period) ** 0.5
        upper.append(mean + reach)
        middle.append(mean)
        lower.append(mean - reach)
    return upper, middle, lower


def vector_bollinger(values: "Doubles", period: int, width: float) -> "tuple[Doubles, Doubles, Doubles]":
    mean, deviation = window_moments(values, period)
    reach = width * deviation
    return mean + reach, mean, mean - reach


def write_bollinger(
    bands: "tuple[Doubles, Doubles, Doubles]", i: int, _value: float, mean: float, deviation: float
) -> None:
    upper, middle, lower = bands
    upper[i] = mean + WIDTH * deviation
    middle[i] = mean
    lower[i] = mean - WIDTH * deviation


@bollinger.variant
def naive() -> "Operation":
    return lk.call(list_bollinger, prices().tolist(), PERIOD, WIDTH)


@bollinger.variant(contrast=True)
def numpy() -> "Operation":
    return lk.call(vector_bollinger, prices(), PERIOD, WIDTH)


native_variants(bollinger, "bollinger", lambda: (prices(),), PERIOD, WIDTH)


@bollinger.variant(peer="talib")
def talib() -> "Operation":
    import talib as library

    return lk.call(library.BBANDS, prices(), PERIOD, WIDTH, WIDTH)


@bollinger.variant(peer="tulipy")
def tulipy() -> "Operation":
    # Lower, middle, upper.
    import tulipy as library

    return lk.call(library.bbands, prices(), PERIOD, WIDTH)


@bollinger.variant(peer="numba")
def numba() -> "Operation":
    values = prices()
    return compiled_moments(write_bollinger, values, PERIOD, (values.copy(), values.copy(), values.copy()))


@bollinger.variant(peer="pandas")
def pandas() -> "Callable[[], object]":
    import pandas as pd

    series = pd.Series(prices())

    def bands() -> object:
        window = series.rolling(PERIOD)
        mean, reach = window.mean(), WIDTH * window.std(ddof=0)
        return mean + reach, mean, mean - reach

    return bands


@bollinger.variant(peer="polars")
def polars() -> "Callable[[], object]":
    import polars as pl

    series = pl.Series(prices())

    def bands() -> object:
        mean, reach = series.rolling_mean(PERIOD), WIDTH * series.rolling_std(PERIOD, ddof=0)
        return mean + reach, mean, mean - reach

    return bands

"""Component `indicators_rolling_max`: the greatest of the last 20 of 1000 prices."""

from typing import TYPE_CHECKING

import latencykit as lk

from ._indicators import NAN, PERIOD, compiled, native_variants, prices

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

    from ._indicators import Doubles

rolling_max = lk.Component(
    "indicators_rolling_max",
    baseline="naive",
    doc="greatest of the last 20 of 1000 doubles",
    on_request=True,
)


def list_max(values: list[float], period: int) -> list[float]:
    extremes = [NAN] * (period - 1)
    for end in range(period, len(values) + 1):
        extremes.append(max(values[end - period : end]))
    return extremes


def vector_max(values: "Doubles", period: int) -> "Doubles":
    """Return the extremes of windows of 2, 4, 8, ... values, each from two of the size before, the last overlapping."""
    import numpy as np

    size = 1
    while size < period:
        step = min(size, period - size)
        values = np.maximum(values[:-step], values[step:])
        size += step
    return values


def array_max(values: "Doubles", period: int, out: "Doubles") -> "Doubles":
    # The window is looked through again only when its extreme has left it.
    at = 0
    for i in range(values.size):
        if values[i] >= values[at]:
            at = i
        elif at <= i - period:
            at = i - period + 1
            for j in range(at + 1, i + 1):
                if values[j] >= values[at]:
                    at = j
        out[i] = NAN if i < period - 1 else values[at]
    return out


@rolling_max.variant
def naive() -> "Operation":
    return lk.call(list_max, prices().tolist(), PERIOD)


@rolling_max.variant(contrast=True)
def numpy() -> "Operation":
    return lk.call(vector_max, prices(), PERIOD)


native_variants(rolling_max, "rolling_max", lambda: (prices(),), PERIOD)


@rolling_max.variant(peer="talib")
def talib() -> "Operation":
    import talib as library

    return lk.call(library.MAX, prices(), PERIOD)


@rolling_max.variant(peer="tulipy")
def tulipy() -> "Operation":
    import tulipy as library

    return lk.call(library.max, prices(), PERIOD)


@rolling_max.variant(peer="numba")
def numba() -> "Operation":
    values = prices()
    return compiled(array_max, values, PERIOD, values.copy())


@rolling_max.variant(peer="pandas")
def pandas() -> "Callable[[], object]":
    import pandas as pd

    series = pd.Series(prices())
    return lambda: series.rolling(PERIOD).max()


@rolling_max.variant(peer="polars")
def polars() -> "Callable[[], object]":
    import polars as pl

    series = pl.Series(prices())
    return lambda: series.rolling_max(PERIOD)

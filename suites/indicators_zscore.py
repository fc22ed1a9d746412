"""Component `indicators_zscore`: how many deviations each of 1000 prices lies from the mean of its last 20."""

from typing import TYPE_CHECKING

import latencykit as lk

from ._indicators import NAN, PERIOD, compiled_moments, native_variants, prices, window_moments

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

    from ._indicators import Doubles

zscore = lk.Component(
    "indicators_zscore",
    baseline="naive",
    doc="z-score of 1000 doubles, period 20",
    on_request=True,
)


def list_zscore(values: list[float], period: int) -> list[float]:
    scores = [NAN] * (period - 1)
    for end in range(period, len(values) + 1):
        window = values[end - period : end]
        mean = sum(window) / period
        deviation = (sum((value - mean) ** 2 for value in window) / period) ** 0.5
        scores.append((values[end - 1] - mean) / deviation if deviation else NAN)
    return scores


def vector_zscore(values: "Doubles", period: int) -> "Doubles":
    import numpy as np

    mean, deviation = window_moments(values, period)
    return np.divide(values[period - 1 :] - mean, deviation, out=np.full_like(mean, NAN), where=deviation > 0)


def write_zscore(out: "Doubles", i: int, value: float, mean: float, deviation: float) -> None:
    out[i] = (value - mean) / deviation if deviation > 0 else NAN


@zscore.variant
def naive() -> "Operation":
    return lk.call(list_zscore, prices().tolist(), PERIOD)


@zscore.variant(contrast=True)
def numpy() -> "Operation":
    return lk.call(vector_zscore, prices(), PERIOD)


native_variants(zscore, "zscore", lambda: (prices(),), PERIOD)


@zscore.variant(peer="numba")
def numba() -> "Operation":
    values = prices()
    return compiled_moments(write_zscore, values, PERIOD, values.copy())


@zscore.variant(peer="pandas")
def pandas() -> "Callable[[], object]":
    import pandas as pd

    series = pd.Series(prices())

    def scores() -> object:
        window = series.rolling(PERIOD)
        return (series - window.mean()) / window.std(ddof=0)

    return scores


@zscore.variant(peer="polars")
def polars() -> "Callable[[], object]":
    import polars as pl

    series = pl.Series(prices())
    return lambda: (series - series.rolling_mean(PERIOD)) / series.rolling_std(PERIOD, ddof=0)

"""Component `indicators_vwap`: the volume-weighted average price of 1000 trades, of all so far or of the last 20."""

from typing import TYPE_CHECKING

import latencykit as lk
from latencykit.errors import UnsupportedError

from ._indicators import NAN, PERIOD, compiled, native_bound, native_call, prices, volumes, window_sums

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

    from ._indicators import Doubles

vwap = lk.Component(
    "indicators_vwap",
    baseline="naive",
    parameters={"period": [0, PERIOD]},
    doc="VWAP of 1000 trades, of all so far (period 0) or of the last 20",
    on_request=True,
)


def list_vwap(prices: list[float], volumes: list[float]) -> list[float]:
    averages = []
    turnover = volume = 0.0
    for price, traded in zip(prices, volumes, strict=True):
        turnover += price * traded
        volume += traded
        averages.append(turnover / volume)
    return averages


def list_window_vwap(prices: list[float], volumes: list[float], period: int) -> list[float]:
    averages = [NAN] * (period - 1)
    for end in range(period, len(prices) + 1):
        traded = volumes[end - period : end]
        turnover = sum(price * volume for price, volume in zip(prices[end - period : end], traded, strict=True))
        averages.append(turnover / sum(traded))
    return averages


def vector_vwap(prices: "Doubles", volumes: "Doubles") -> "Doubles":
    import numpy as np

    averages: Doubles = np.cumsum(prices * volumes) / np.cumsum(volumes)
    return averages


def vector_window_vwap(prices: "Doubles", volumes: "Doubles", period: int) -> "Doubles":
    return window_sums(prices * volumes, period) / window_sums(volumes, period)


def array_vwap(prices: "Doubles", volumes: "Doubles", period: int, out: "Doubles") -> "Doubles":
    # Two sums that are updated: with a period less accurate than sums of the windows' own values.
    turnover = volume = 0.0
    for i in range(prices.size):
        turnover += prices[i] * volumes[i]
        volume += volumes[i]
        if period and i >= period:
            turnover -= prices[i - period] * volumes[i - period]
            volume -= volumes[i - period]
        out[i] = NAN if i < period - 1 else turnover / volume
    return out


@vwap.variant
def naive(period: int) -> "Operation":
    trades = prices().tolist(), volumes().tolist()
    return lk.call(list_window_vwap, *trades, period) if period else lk.call(list_vwap, *trades)


@vwap.variant(contrast=True)
def numpy(period: int) -> "Operation":
    trades = prices(), volumes()
    return lk.call(vector_window_vwap, *trades, period) if period else lk.call(vector_vwap, *trades)


@vwap.variant(contrast=True)
def scalar(period: int) -> "Callable[[], object]":
    return native_call("vwap", (prices(), volumes()), period or None, isa="scalar")


@vwap.variant
def simd(period: int) -> "Callable[[], object]":
    return native_call("vwap", (prices(), volumes()), period or None)


@vwap.variant
def bound(period: int) -> "Operation":
    return native_bound("vwap", (prices(), volumes()), period or None)


@vwap.variant(peer="tulipy")
def tulipy(period: int) -> "Operation":
    import tulipy as library

    if not period:
        raise UnsupportedError("tulipy has the average of a window only, as vwma")
    return lk.call(library.vwma, prices(), volumes(), period)


@vwap.variant(peer="numba")
def numba(period: int) -> "Operation":
    values = prices()
    return compiled(array_vwap, values, volumes(), period, values.copy())


@vwap.variant(peer="pandas")
def pandas(period: int) -> "Callable[[], object]":
    import pandas as pd

    price, volume = pd.Series(prices()), pd.Series(volumes())
    if period:
        return lambda: (price * volume).rolling(period).sum() / volume.rolling(period).sum()
    return lambda: (price * volume).cumsum() / volume.cumsum()


@vwap.variant(peer="polars")
def polars(period: int) -> "Callable[[], object]":
    import polars as pl

    price, volume = pl.Series(prices()), pl.Series(volumes())
    if period:
        return lambda: (price * volume).rolling_sum(period) / volume.rolling_sum(period)
    return lambda: (price * volume).cum_sum() / volume.cum_sum()

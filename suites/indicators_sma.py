"""Component `indicators_sma`: the mean of the last 20 of 1000 prices."""

from typing import TYPE_CHECKING

import latencykit as lk

from ._indicators import NAN, PERIOD, compiled, library_variants, native_variants, prices, window_sums

if TYPE_CHECKING:
    from latencykit.suite import Operation

    from ._indicators import Doubles

sma = lk.Component(
    "indicators_sma",
    baseline="naive",
    doc="SMA of 1000 doubles, period 20",
    on_request=True,
)


def list_sma(values: list[float], period: int) -> list[float]:
    means = [NAN] * (period - 1)
    for end in range(period, len(values) + 1):
        means.append(sum(values[end - period : end]) / period)
    return means


def vector_sma(values: "Doubles", period: int) -> "Doubles":
    return window_sums(values, period) / period


def array_sma(values: "Doubles", period: int, out: "Doubles") -> "Doubles":
    # One sum that is updated: less accurate than sums of the windows' own values.
    total = 0.0
    for i in range(period):
        total += values[i]
        out[i] = NAN
    out[period - 1] = total / period
    for i in range(period, values.size):
        total += values[i] - values[i - period]
        out[i] = total / period
    return out


@sma.variant
def naive() -> "Operation":
    return lk.call(list_sma, prices().tolist(), PERIOD)


@sma.variant(contrast=True)
def numpy() -> "Operation":
    return lk.call(vector_sma, prices(), PERIOD)


native_variants(sma, "sma", lambda: (prices(),), PERIOD)


@sma.variant(peer="numba")
def numba() -> "Operation":
    values = prices()
    return compiled(array_sma, values, PERIOD, values.copy())


library_variants(
    sma,
    talib="SMA",
    tulipy="sma",
    pandas=lambda series: series.rolling(PERIOD).mean(),
    polars=lambda series: series.rolling_mean(PERIOD),
)

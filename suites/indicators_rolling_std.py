"""Component `indicators_rolling_std`: the population's deviation of the last 20 of 1000 prices."""

from typing import TYPE_CHECKING

import latencykit as lk

from ._indicators import NAN, PERIOD, compiled_moments, library_variants, native_variants, prices, window_moments

if TYPE_CHECKING:
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


def write_std(out: "Doubles", i: int, _value: float, _mean: float, deviation: float) -> None:
    out[i] = deviation


@rolling_std.variant
def naive() -> "Operation":
    return lk.call(list_std, prices().tolist(), PERIOD)


@rolling_std.variant(contrast=True)
def numpy() -> "Operation":
    return lk.call(vector_std, prices(), PERIOD)


native_variants(rolling_std, "rolling_std", lambda: (prices(),), PERIOD)


@rolling_std.variant(peer="numba")
def numba() -> "Operation":
    values = prices()
    return compiled_moments(write_std, values, PERIOD, values.copy())


library_variants(
    rolling_std,
    talib="STDDEV",
    tulipy="stddev",
    pandas=lambda series: series.rolling(PERIOD).std(ddof=0),
    polars=lambda series: series.rolling_std(PERIOD, ddof=0),
)

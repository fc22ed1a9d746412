"""Component `indicators_rolling_max`: the greatest of the last 20 of 1000 prices."""

import operator
from typing import TYPE_CHECKING

import latencykit as lk

from ._indicators import NAN, PERIOD, compiled_extremes, library_variants, native_variants, prices, window_extremes

if TYPE_CHECKING:
    from latencykit.suite import Operation

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


@rolling_max.variant
def naive() -> "Operation":
    return lk.call(list_max, prices().tolist(), PERIOD)


@rolling_max.variant(contrast=True)
def numpy() -> "Operation":
    import numpy as np

    return lk.call(window_extremes, np.maximum, prices(), PERIOD)


native_variants(rolling_max, "rolling_max", lambda: (prices(),), PERIOD)


@rolling_max.variant(peer="numba")
def numba() -> "Operation":
    return compiled_extremes(operator.ge, prices(), PERIOD)


library_variants(
    rolling_max,
    talib="MAX",
    tulipy="max",
    pandas=lambda series: series.rolling(PERIOD).max(),
    polars=lambda series: series.rolling_max(PERIOD),
)

"""Component `indicators_rolling_min`: the least of the last 20 of 1000 prices."""

import operator
from typing import TYPE_CHECKING

import latencykit as lk

from ._indicators import NAN, PERIOD, compiled_extremes, library_variants, native_variants, prices, window_extremes

if TYPE_CHECKING:
    from latencykit.suite import Operation

rolling_min = lk.Component(
    "indicators_rolling_min",
    baseline="naive",
    doc="least of the last 20 of 1000 doubles",
    on_request=True,
)


def list_min(values: list[float], period: int) -> list[float]:
    extremes = [NAN] * (period - 1)
    for end in range(period, len(values) + 1):
        extremes.append(min(values[end - period : end]))
    return extremes


@rolling_min.variant
def naive() -> "Operation":
    return lk.call(list_min, prices().tolist(), PERIOD)


@rolling_min.variant(contrast=True)
def numpy() -> "Operation":
    import numpy as np

    return lk.call(window_extremes, np.minimum, prices(), PERIOD)


native_variants(rolling_min, "rolling_min", lambda: (prices(),), PERIOD)


@rolling_min.variant(peer="numba")
def numba() -> "Operation":
    return compiled_extremes(operator.le, prices(), PERIOD)


library_variants(
    rolling_min,
    talib="MIN",
    tulipy="min",
    pandas=lambda series: series.rolling(PERIOD).min(),
    polars=lambda series: series.rolling_min(PERIOD),
)

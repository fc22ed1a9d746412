"""Component `indicators_series`: the exponential moving average, period 20, of many series of 1000 doubles each.

`one_by_one` calls once for each series; the others pass all of them as the rows of one array.
"""

from typing import TYPE_CHECKING

import latencykit as lk

from ._indicators import LENGTH, PERIOD, compiled, exponential, native_bound, native_call, prices
from .indicators import ALPHA

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from latencykit.suite import Operation

    Rows = npt.NDArray[np.float64]

series = lk.Component(
    "indicators_series",
    baseline="one_by_one",
    parameters={"series": [1, 4, 32, 256]},
    growth="series",
    doc="EMA of so many series of 1000 doubles, period 20",
    on_request=True,
)


def rows_of_prices(series: int) -> "Rows":
    return prices(series * LENGTH).reshape(series, LENGTH)


def ema_rows(rows: "Rows", alpha: float, out: "Rows") -> "Rows":
    for row in range(rows.shape[0]):
        average = rows[row, 0]
        for i in range(rows.shape[1]):
            average = alpha * rows[row, i] + (1 - alpha) * average
            out[row, i] = average
    return out


@series.variant
def one_by_one(series: int) -> "Callable[[], object]":
    from latencykit.engine.indicators import ema

    rows = rows_of_prices(series)
    out = ema(rows, PERIOD)
    pairs = list(zip(rows, out, strict=True))

    def averages() -> object:
        for row, averaged in pairs:
            ema(row, PERIOD, out=averaged)
        return out

    return averages


@series.variant(contrast=True)
def numpy(series: int) -> "Callable[[], object]":
    import numpy as np

    # Row by row: a step in time for all series at once is slower up to some hundred of them.
    rows = rows_of_prices(series)
    average = exponential(LENGTH, ALPHA)

    def averages() -> object:
        return np.stack([average(row) for row in rows])

    return averages


@series.variant(contrast=True)
def scalar(series: int) -> "Callable[[], object]":
    return native_call("ema", (rows_of_prices(series),), PERIOD, isa="scalar")


@series.variant
def simd(series: int) -> "Callable[[], object]":
    return native_call("ema", (rows_of_prices(series),), PERIOD)


@series.variant
def bound(series: int) -> "Operation":
    return native_bound("ema", (rows_of_prices(series),), PERIOD)


@series.variant(peer="numba")
def numba(series: int) -> "Operation":
    rows = rows_of_prices(series)
    return compiled(ema_rows, rows, ALPHA, rows.copy())


@series.variant(peer="pandas")
def pandas(series: int) -> "Callable[[], object]":
    import pandas as pd

    # A column is a series.
    frame = pd.DataFrame(rows_of_prices(series).T)
    return lambda: frame.ewm(span=PERIOD, adjust=False).mean()

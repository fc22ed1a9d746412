"""Component `indicators_length`: the exponential moving average, period 20, of 10 to 10,000,000 doubles.

What grows with the length is the work for a value; what does not is the call. From about a million on the arrays are
larger than the caches, and the memory has a say.
"""

from typing import TYPE_CHECKING

import latencykit as lk
from latencykit.errors import UnsupportedError

from ._indicators import PERIOD, compiled, exponential, native_bound, native_call, prices
from .indicators import ALPHA, array_ema, list_ema

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

# A list of ten million floats takes 320 MB, and a call on it about a second.
LONGEST_LIST = 100_000

length = lk.Component(
    "indicators_length",
    baseline="naive",
    parameters={"length": [10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]},
    growth="length",
    doc="EMA of so many doubles, period 20",
    on_request=True,
)


@length.variant
def naive(length: int) -> "Operation":
    if length > LONGEST_LIST:
        raise UnsupportedError(
            f"the list loop is measured up to {LONGEST_LIST:,} values; it grows in proportion, and longer lists only "
            "take the time and the memory of the other measurements"
        )
    return lk.call(list_ema, prices(length).tolist(), ALPHA)


@length.variant(contrast=True)
def numpy(length: int) -> "Operation":
    return lk.call(exponential(length, ALPHA), prices(length))


@length.variant(contrast=True)
def scalar(length: int) -> "Callable[[], object]":
    return native_call("ema", (prices(length),), PERIOD, isa="scalar")


@length.variant
def simd(length: int) -> "Callable[[], object]":
    return native_call("ema", (prices(length),), PERIOD)


@length.variant
def bound(length: int) -> "Operation":
    return native_bound("ema", (prices(length),), PERIOD)


@length.variant(contrast=True)
def float32(length: int) -> "Callable[[], object]":
    return native_call("ema", (prices(length).astype("float32"),), PERIOD)


@length.variant(peer="talib")
def talib(length: int) -> "Operation":
    # Its average starts at the mean of the first period.
    import talib as library

    return lk.call(library.EMA, prices(length), PERIOD)


@length.variant(peer="tulipy")
def tulipy(length: int) -> "Operation":
    import tulipy as library

    return lk.call(library.ema, prices(length), PERIOD)


@length.variant(peer="numba")
def numba(length: int) -> "Operation":
    values = prices(length)
    return compiled(array_ema, values, ALPHA, values.copy())


@length.variant(peer="pandas")
def pandas(length: int) -> "Callable[[], object]":
    import pandas as pd

    series = pd.Series(prices(length))
    return lambda: series.ewm(span=PERIOD, adjust=False).mean()


@length.variant(peer="polars")
def polars(length: int) -> "Callable[[], object]":
    import polars as pl

    series = pl.Series(prices(length))
    return lambda: series.ewm_mean(span=PERIOD, adjust=False)

"""Component `indicators`: the exponential moving average of 1000 prices, period 20.

`simd` runs on the instruction set that was chosen at import, the fastest that this CPU has; `scalar` forces
the native code without SIMD, so that the table tells the two gains apart. `bound` has its arguments checked once,
before. The other indicators have a suite each: `bench indicators` measures all of them.
"""

from typing import TYPE_CHECKING

import latencykit as lk
from latencykit.errors import UnsupportedError

from ._indicators import LENGTH, PERIOD, compiled, exponential, native_bound, native_call, prices
from .targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

    from ._indicators import Doubles

indicators = lk.Component(
    "indicators",
    baseline="naive",
    target=TARGETS["indicators"],
    doc="EMA of 1000 doubles, period 20",
    claims=[
        lk.Claim(text="SIMD gains", worse="scalar", better="simd", times=(4, 8)),
        lk.Claim(text="SIMD gains for the EMA, over a Python loop", worse="naive", better="simd", times=(20, 20)),
    ],
)

ALPHA = 2 / (PERIOD + 1)


def list_ema(values: list[float], alpha: float) -> list[float]:
    averages = []
    average = values[0]
    for value in values:
        average = alpha * value + (1 - alpha) * average
        averages.append(average)
    return averages


def array_ema(values: "Doubles", alpha: float, out: "Doubles") -> "Doubles":
    average = values[0]
    for i in range(values.size):
        average = alpha * values[i] + (1 - alpha) * average
        out[i] = average
    return out


@indicators.variant
def naive() -> "Operation":
    return lk.call(list_ema, prices().tolist(), ALPHA)


@indicators.variant(contrast=True)
def numpy() -> "Operation":
    return lk.call(exponential(LENGTH, ALPHA), prices())


@indicators.variant(contrast=True)
def scalar() -> "Callable[[], object]":
    return native_call("ema", (prices(),), PERIOD, isa="scalar")


@indicators.variant
def simd() -> "Callable[[], object]":
    return native_call("ema", (prices(),), PERIOD)


@indicators.variant
def bound() -> "Operation":
    return native_bound("ema", (prices(),), PERIOD)


@indicators.variant(contrast=True)
def float32() -> "Callable[[], object]":
    return native_call("ema", (prices().astype("float32"),), PERIOD)


@indicators.variant(contrast=True)
def avx512() -> "Callable[[], object]":
    from latencykit.engine.indicators import ISAS

    if "avx512" not in ISAS:
        raise UnsupportedError(f"this CPU has no AVX-512; the kernels can run on {', '.join(ISAS)}")
    return native_call("ema", (prices(),), PERIOD, isa="avx512")


@indicators.variant(peer="talib")
def talib() -> "Operation":
    # Its average starts at the mean of the first period.
    import talib as library

    return lk.call(library.EMA, prices(), PERIOD)


@indicators.variant(peer="tulipy")
def tulipy() -> "Operation":
    import tulipy as library

    return lk.call(library.ema, prices(), PERIOD)


@indicators.variant(peer="numba")
def numba() -> "Operation":
    values = prices()
    return compiled(array_ema, values, ALPHA, values.copy())


@indicators.variant(peer="pandas")
def pandas() -> "Callable[[], object]":
    import pandas as pd

    series = pd.Series(prices())
    return lambda: series.ewm(span=PERIOD, adjust=False).mean()


@indicators.variant(peer="polars")
def polars() -> "Callable[[], object]":
    import polars as pl

    series = pl.Series(prices())
    return lambda: series.ewm_mean(span=PERIOD, adjust=False)

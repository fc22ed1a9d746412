"""Component `indicators_atr`: Wilder's average true range of 1000 bars, period 14."""

from typing import TYPE_CHECKING

import latencykit as lk

from ._indicators import LENGTH, NAN, WILDER, bars, compiled, native_variants, wilder

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

    from ._indicators import Doubles

atr = lk.Component(
    "indicators_atr",
    baseline="naive",
    doc="ATR of 1000 bars, period 14",
    on_request=True,
)


def list_atr(highs: list[float], lows: list[float], closes: list[float], period: int) -> list[float]:
    ranges = [
        max(high - low, abs(high - before), abs(low - before))
        for high, low, before in zip(highs[1:], lows[1:], closes, strict=False)
    ]
    average = sum(ranges[:period]) / period
    averages = [NAN] * period
    averages.append(average)
    for true_range in ranges[period:]:
        average = (average * (period - 1) + true_range) / period
        averages.append(average)
    return averages


def vector_atr(length: int, period: int) -> "Callable[[Doubles, Doubles, Doubles], Doubles]":
    """Prepare the range of `length` bars, its average as matrix products."""
    import numpy as np

    average = wilder(length - 1, period)

    def ranges(high: "Doubles", low: "Doubles", close: "Doubles") -> "Doubles":
        # The same as the greatest of the three differences.
        return average(np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1]))

    return ranges


def array_atr(high: "Doubles", low: "Doubles", close: "Doubles", period: int, out: "Doubles") -> "Doubles":
    average = 0.0
    out[0] = NAN
    for i in range(1, high.size):
        true_range = max(high[i], close[i - 1]) - min(low[i], close[i - 1])
        if i <= period:
            average += true_range / period
        else:
            average += (true_range - average) / period
        out[i] = NAN if i < period else average
    return out


@atr.variant
def naive() -> "Operation":
    high, low, close = bars()
    return lk.call(list_atr, high.tolist(), low.tolist(), close.tolist(), WILDER)


@atr.variant(contrast=True)
def numpy() -> "Operation":
    return lk.call(vector_atr(LENGTH, WILDER), *bars())


native_variants(atr, "atr", bars, WILDER)


@atr.variant(peer="talib")
def talib() -> "Operation":
    import talib as library

    return lk.call(library.ATR, *bars(), WILDER)


@atr.variant(peer="tulipy")
def tulipy() -> "Operation":
    # Its average starts with the first bar, whose range has no close before it.
    import tulipy as library

    return lk.call(library.atr, *bars(), WILDER)


@atr.variant(peer="numba")
def numba() -> "Operation":
    high, low, close = bars()
    return compiled(array_atr, high, low, close, WILDER, close.copy())

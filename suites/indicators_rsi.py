"""Component `indicators_rsi`: Wilder's relative strength index of 1000 prices, period 14."""

from itertools import pairwise
from typing import TYPE_CHECKING

import latencykit as lk

from ._indicators import LENGTH, NAN, WILDER, compiled, native_variants, prices, wilder

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

    from ._indicators import Doubles

rsi = lk.Component(
    "indicators_rsi",
    baseline="naive",
    doc="RSI of 1000 doubles, period 14",
    on_request=True,
)


def list_rsi(values: list[float], period: int) -> list[float]:
    changes = [after - before for before, after in pairwise(values)]
    up = sum(max(change, 0.0) for change in changes[:period]) / period
    down = sum(max(-change, 0.0) for change in changes[:period]) / period
    indices = [NAN] * period
    indices.append(100 * up / (up + down) if up + down else 50.0)
    for change in changes[period:]:
        up = (up * (period - 1) + max(change, 0.0)) / period
        down = (down * (period - 1) + max(-change, 0.0)) / period
        indices.append(100 * up / (up + down) if up + down else 50.0)
    return indices


def vector_rsi(length: int, period: int) -> "Callable[[Doubles], Doubles]":
    """Prepare the index of `length` values, its two averages as matrix products."""
    import numpy as np

    average = wilder(length - 1, period)

    def index(values: "Doubles") -> "Doubles":
        changes = np.diff(values)
        up = average(np.maximum(changes, 0))
        both = up + average(np.maximum(-changes, 0))
        return np.divide(100 * up, both, out=np.full_like(both, 50.0), where=both > 0)

    return index


def array_rsi(values: "Doubles", period: int, out: "Doubles") -> "Doubles":
    up = down = 0.0
    out[0] = NAN
    for i in range(1, values.size):
        change = values[i] - values[i - 1]
        gain, loss = max(change, 0.0), max(-change, 0.0)
        if i <= period:
            up += gain / period
            down += loss / period
        else:
            up += (gain - up) / period
            down += (loss - down) / period
        if i < period:
            out[i] = NAN
        else:
            out[i] = 100 * up / (up + down) if up + down > 0 else 50.0
    return out


@rsi.variant
def naive() -> "Operation":
    return lk.call(list_rsi, prices().tolist(), WILDER)


@rsi.variant(contrast=True)
def numpy() -> "Operation":
    return lk.call(vector_rsi(LENGTH, WILDER), prices())


native_variants(rsi, "rsi", lambda: (prices(),), WILDER)


@rsi.variant(peer="talib")
def talib() -> "Operation":
    import talib as library

    return lk.call(library.RSI, prices(), WILDER)


@rsi.variant(peer="tulipy")
def tulipy() -> "Operation":
    import tulipy as library

    return lk.call(library.rsi, prices(), WILDER)


@rsi.variant(peer="numba")
def numba() -> "Operation":
    values = prices()
    return compiled(array_rsi, values, WILDER, values.copy())

"""Component `indicators`: the exponential moving average of 1000 prices, period 20.

`simd` runs on the instruction set that was chosen at import, the fastest that this CPU has; `scalar` forces
the native code without SIMD, so that the table tells the two gains apart.
"""

from typing import TYPE_CHECKING

import latencykit as lk

from .targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from latencykit.suite import Operation

    Doubles = npt.NDArray[np.float64]

indicators = lk.Component(
    "indicators", baseline="naive", target=TARGETS["indicators"], doc="EMA of 1000 doubles, period 20"
)

LENGTH = 1000
PERIOD = 20
ALPHA = 2 / (PERIOD + 1)
# Rows of 40 keep both matrices of `blocked_ema` small, and 0.9 ** 40 far from underflow.
BLOCK = 40


def prices() -> "Doubles":
    """Return the market's first prices, repeated if there are too few."""
    import numpy as np

    return np.resize(np.asarray(lk.market().price, dtype=np.float64), LENGTH)


def list_ema(values: list[float], alpha: float) -> list[float]:
    averages = []
    average = values[0]
    for value in values:
        average = alpha * value + (1 - alpha) * average
        averages.append(average)
    return averages


def decay_matrix(size: int, weight: float, decay: float) -> "Doubles":
    """Return the matrix that takes `size` inputs to their recursive sums y = decay * y + weight * x."""
    import numpy as np

    ages = np.subtract.outer(np.arange(size), np.arange(size))
    return np.where(ages >= 0, weight * decay ** np.maximum(ages, 0), 0.0)


def blocked_ema(length: int, alpha: float) -> "Callable[[Doubles], Doubles]":
    """Prepare the average of `length` values, a multiple of BLOCK, as two matrix products.

    Within each row of BLOCK values the average is one product; what each row carries into the next is a
    second, over the rows' ends, and decays along the row.
    """
    import numpy as np

    decay = 1 - alpha
    rows = length // BLOCK
    within = decay_matrix(BLOCK, alpha, decay).T
    across = decay_matrix(rows, 1.0, decay**BLOCK)
    fading = decay ** np.arange(1, BLOCK + 1)

    def average(values: "Doubles") -> "Doubles":
        averages = values.reshape(rows, BLOCK) @ within
        carried = averages[:, -1].copy()
        carried[0] += decay**BLOCK * values[0]
        before = np.empty(rows)
        before[0] = values[0]
        before[1:] = (across @ carried)[:-1]
        averages += np.multiply.outer(before, fading)
        return averages.reshape(length)

    return average


@indicators.variant
def naive() -> "Operation":
    return lk.call(list_ema, prices().tolist(), ALPHA)


@indicators.variant(contrast=True)
def numpy() -> "Operation":
    return lk.call(blocked_ema(LENGTH, ALPHA), prices())


@indicators.variant(contrast=True)
def scalar() -> "Callable[[], object]":
    return native_ema("scalar")


@indicators.variant
def simd() -> "Callable[[], object]":
    return native_ema(None)


def native_ema(isa: str | None) -> "Callable[[], object]":
    import numpy as np

    from latencykit.engine.indicators import ema

    values = prices()
    out = np.empty_like(values)
    if isa is None:
        return lambda: ema(values, PERIOD, out=out)
    return lambda: ema(values, PERIOD, out=out, isa=isa)


@indicators.variant(peer="talib")
def talib() -> "Operation":
    import talib as library

    return lk.call(library.EMA, prices(), PERIOD)


@indicators.variant(peer="pandas")
def pandas() -> "Callable[[], object]":
    import pandas as pd

    series = pd.Series(prices())
    return lambda: series.ewm(span=PERIOD, adjust=False).mean()

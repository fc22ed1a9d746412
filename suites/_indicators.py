"""What the suites of the indicators share: their input, the native variants, and vectorised forms of sums.

Every variant of a suite computes the same figures; a result may lack the leading values that are NaN in ours, and
where a library can only start its average otherwise, the two agree from where that start has faded.
"""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import latencykit as lk

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy as np
    import numpy.typing as npt

    from latencykit.suite import Component, Operation

    Doubles = npt.NDArray[np.float64]

LENGTH = 1000
PERIOD = 20
WILDER = 14
NAN = float("nan")
# Rows of 40 keep the matrices of `Recurrence` small.
BLOCK = 40


class Bars(NamedTuple):
    """Equally long columns of prices."""

    high: "Doubles"
    low: "Doubles"
    close: "Doubles"


def prices(length: int = LENGTH) -> "Doubles":
    """Return the market's first prices, repeated if there are too few."""
    import numpy as np

    return np.resize(np.asarray(lk.market().price, dtype=np.float64), length)


def volumes(length: int = LENGTH) -> "Doubles":
    """Return the market's first volumes, repeated if there are too few; at least 1, also where the source has none."""
    import numpy as np

    return np.maximum(np.resize(np.asarray(lk.market().volume, dtype=np.float64), length), 1.0)


def bars(length: int = LENGTH) -> Bars:
    """Return bars that close at the market's prices and reach up to 0.1 % beyond them."""
    import numpy as np

    random = np.random.default_rng(1)
    close = prices(length)
    above, below = random.uniform(0, 1e-3, (2, length))
    return Bars(close * (1 + above), close * (1 - below), close)


def native_variants(
    component: "Component", name: str, inputs: "Callable[[], tuple[Doubles, ...]]", *settings: "Any"
) -> None:
    """Register our own ways: `scalar` without SIMD, `simd` as a plain call with `out`, `bound` without arguments."""

    def scalar() -> "Callable[[], object]":
        return native_call(name, inputs(), *settings, isa="scalar")

    def simd() -> "Callable[[], object]":
        return native_call(name, inputs(), *settings)

    def bound() -> "Operation":
        return native_bound(name, inputs(), *settings)

    component.variant(contrast=True)(scalar)
    component.variant(simd)
    component.variant(bound)


def native_call(
    name: str, inputs: "tuple[npt.NDArray[Any], ...]", *settings: "Any", isa: str | None = None
) -> "Callable[[], object]":
    """Return a call of our indicator into arrays that are there already."""
    from latencykit.engine import indicators

    function = getattr(indicators, name)
    given = {f"argument{index}": value for index, value in enumerate((*inputs, *settings))}
    given |= {"function": function, "out": function(*inputs, *settings), "isa": isa}
    arguments = ", ".join([key for key in given if key.startswith("argument")] + ["out=out"] + ["isa=isa"] * bool(isa))
    # Spelled out as a user would: *arguments would make a tuple and a dict for each call.
    operation: Callable[[], object] = eval(f"lambda: function({arguments})", given)  # noqa: S307 - made of names only
    return operation


def native_bound(name: str, inputs: "tuple[npt.NDArray[Any], ...]", *settings: "Any") -> "Operation":
    """Return the bound form of our indicator."""
    from latencykit.engine import indicators

    return lk.call(indicators.bind(getattr(indicators, name), *inputs, *settings))


def compiled(loop: "Callable[..., object]", *args: object) -> "Operation":
    """Compile a loop with numba for these arguments, and return a call of it."""
    import numba

    native = numba.njit(loop)
    native(*args)
    return lk.call(native, *args)


def compiled_moments(finish: "Callable[..., None]", values: "Doubles", period: int, out: object) -> "Operation":
    """Compile with numba a loop over windows: `finish(out, i, value, mean, deviation)` makes what is asked of each.

    Two sums of distances from the first value are updated: less accurate the further the series moves from it.
    """
    import numba

    write = numba.njit(finish)

    def loop(values: "Doubles", period: int, out: "Any") -> "Any":
        first, total, squares = values[0], 0.0, 0.0
        for i in range(values.size):
            distance = values[i] - first
            total += distance
            squares += distance * distance
            if i >= period:
                gone = values[i - period] - first
                total -= gone
                squares -= gone * gone
            if i < period - 1:
                write(out, i, values[i], NAN, NAN)
            else:
                mean = total / period
                write(out, i, values[i], first + mean, max(squares / period - mean * mean, 0.0) ** 0.5)
        return out

    return compiled(loop, values, period, out)


def compiled_extremes(before: "Callable[..., bool]", values: "Doubles", period: int) -> "Operation":
    """Compile with numba a loop over windows that keeps where the extreme is: `before(a, b)` if a is no less extreme.

    The window is looked through again only when its extreme has left it.
    """

    def loop(values: "Doubles", period: int, out: "Doubles") -> "Doubles":
        at = 0
        for i in range(values.size):
            if before(values[i], values[at]):
                at = i
            elif at <= i - period:
                at = i - period + 1
                for j in range(at + 1, i + 1):
                    if before(values[j], values[at]):
                        at = j
            out[i] = NAN if i < period - 1 else values[at]
        return out

    return compiled(loop, values, period, values.copy())


def library_variants(
    component: "Component",
    *,
    talib: str,
    tulipy: str,
    pandas: "Callable[[Any], object]",
    polars: "Callable[[Any], object]",
) -> None:
    """Register the libraries' windows of PERIOD prices: two by their functions' names, two as calls of a series."""
    names = {"talib": talib, "tulipy": tulipy}
    calls = {"pandas": pandas, "polars": polars}

    def by_name(library: str) -> "Callable[[], Operation]":
        return lambda: lk.call(getattr(import_module(library), names[library]), prices(), PERIOD)

    def of_series(library: str) -> "Callable[[], Operation]":
        return lambda: lk.call(calls[library], import_module(library).Series(prices()))

    for library in (*names, *calls):
        setup = by_name(library) if library in names else of_series(library)
        setup.__name__ = library
        component.variant(peer=library)(setup)


def window_sums(values: "Doubles", period: int) -> "Doubles":
    """Return the sums of every `period` values, as differences of one running sum.

    Less accurate than sums of the windows' own values, for the running sum's rounding error grows with the series.
    """
    import numpy as np

    running = np.cumsum(values)
    sums = running[period - 1 :].copy()
    sums[1:] -= running[:-period]
    return sums


def window_extremes(choose: "Callable[[Doubles, Doubles], Doubles]", values: "Doubles", period: int) -> "Doubles":
    """Return the extremes of windows of 2, 4, 8, ... values, each from two of the size before, the last overlapping."""
    size = 1
    while size < period:
        step = min(size, period - size)
        values = choose(values[:-step], values[step:])
        size += step
    return values


def window_moments(values: "Doubles", period: int) -> "tuple[Doubles, Doubles]":
    """Return the mean and the population's deviation of every `period` values, from `window_sums`.

    The values' own mean is taken off first, without which the squares would leave few digits of the difference.
    """
    import numpy as np

    middle = values.mean()
    centred = values - middle
    mean = window_sums(centred, period) / period
    square = window_sums(centred * centred, period) / period
    return mean + middle, np.sqrt(np.maximum(square - mean * mean, 0))


def decay_matrix(size: int, weight: float, decay: float) -> "Doubles":
    """Return the matrix that takes `size` inputs to their recursive sums y = decay * y + weight * x."""
    import numpy as np

    ages = np.subtract.outer(np.arange(size), np.arange(size))
    return np.where(ages >= 0, weight * decay ** np.maximum(ages, 0), 0.0)


class Recurrence:
    """The recursive sums y = decay * y + weight * x of `length` values, as matrix products.

    Within each row of BLOCK values the sums are one product; what each row carries into the next is such a recurrence
    again, over the rows' ends, and decays along the row.
    """

    def __init__(self, length: int, weight: float, decay: float) -> None:
        import numpy as np

        rows = -(-length // BLOCK)
        self.length = length
        self.within = decay_matrix(BLOCK, weight, decay).T
        self.fading = decay ** np.arange(1, BLOCK + 1)
        self.rows = np.zeros((rows, BLOCK))
        self.carried = np.zeros(rows)
        self.across = Recurrence(rows - 1, 1.0, decay**BLOCK) if rows > 1 else None

    def __call__(self, values: "Doubles", before: float) -> "Doubles":
        """Return the sums that follow the sum `before`."""
        import numpy as np

        self.rows.reshape(-1)[: self.length] = values
        sums: Doubles = self.rows @ self.within
        self.carried[0] = before
        if self.across is not None:
            self.carried[1:] = self.across(sums[:-1, -1], before)
        sums += np.multiply.outer(self.carried, self.fading)
        return sums.reshape(-1)[: self.length]


def exponential(length: int, alpha: float) -> "Callable[[Doubles], Doubles]":
    """Prepare the exponential average of `length` values that starts at the first of them."""
    average = Recurrence(length, alpha, 1 - alpha)
    return lambda values: average(values, values[0])


def wilder(length: int, period: int) -> "Callable[[Doubles], Doubles]":
    """Prepare Wilder's average of `length` values that starts at the mean of the first `period`."""
    import numpy as np

    average = Recurrence(length - period, 1 / period, 1 - 1 / period)

    def averages(values: "Doubles") -> "Doubles":
        start = values[:period].mean()
        return np.concatenate(([start], average(values[period:], start)))

    return averages

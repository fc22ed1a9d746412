"""The indicators in integers and rational numbers, written from their definitions, with the error each may have.

Nothing here knows how the package computes. A series becomes integers, multiples of the least double; averages that
would need ever longer fractions are kept to `GUARD` bits more. Each result comes with the bound that the function's
docstring states.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

GUARD = 128
UNIT = 1 << (1074 + GUARD)  # a series in these units is whole, with GUARD bits to spare
Row = tuple[int, ...]
Number = int | Fraction


def as_units(value: float) -> int:
    """Give a float as a multiple of 1 / UNIT, which it is."""
    numerator, denominator = value.as_integer_ratio()
    return numerator * (UNIT // denominator)


@dataclass(frozen=True)
class Near:
    """An exact result, how far from it a computed one may be, both times `scale`; without a bound it may be any."""

    value: Number
    bound: Number | None
    scale: int = UNIT

    def holds(self, got: float) -> bool:
        """Whether a computed result is near enough."""
        if self.bound is None:
            return not math.isinf(got)
        if not math.isfinite(got):
            return False
        scaled = as_units(got) if self.scale == UNIT else Fraction(got) * self.scale
        return abs(scaled - self.value) <= self.bound


Results = list[tuple[Near, ...] | None]


@dataclass(frozen=True)
class Precision:
    """Of a float type. Errors do not shrink with numbers below its smallest normal one, so `error` takes that then."""

    eps: Fraction
    normal: int
    least: int

    @staticmethod
    def of(dtype: type) -> "Precision":
        info = np.finfo(dtype)
        return Precision(
            Fraction(float(info.eps)), as_units(float(info.smallest_normal)), as_units(float(info.smallest_subnormal))
        )

    def error(self, size: Number) -> Fraction:
        """Give eps times a size in units."""
        return self.eps * max(abs(size), self.normal)


def square_root(square: Fraction) -> Fraction:
    """Round a root to some 250 bits."""
    shift = max(0, 500 - square.numerator.bit_length() + square.denominator.bit_length()) // 2
    return Fraction(math.isqrt((square.numerator << 2 * shift) // square.denominator), 1 << shift)


def averages(values: Sequence[int], alpha: Fraction, seeds: int) -> list[int | None]:
    """Average exponentially from the mean of the first `seeds` values."""
    if len(values) < seeds:
        return [None] * len(values)
    average = sum(values[:seeds]) // seeds
    found: list[int | None] = [None] * (seeds - 1) + [average]
    for value in values[seeds:]:
        average = (average * (alpha.denominator - alpha.numerator) + value * alpha.numerator) // alpha.denominator
        found.append(average)
    return found


def windows(rows: Sequence[Row], period: int) -> Iterable[Sequence[Row] | None]:
    """Give the rows that each result is made of."""
    return (rows[i + 1 - period : i + 1] if i + 1 >= period else None for i in range(len(rows)))


# ---- averages


def ema(rows: Sequence[Row], p: Precision, *, period: int, seed: str) -> Results:
    x = [row[0] for row in rows]
    alpha = Fraction(2, period + 1)
    bound = 4 * p.error(max(map(abs, x), default=0)) / alpha
    found = averages(x, alpha, period if seed == "sma" else 1)
    return [None if value is None else (Near(value, bound),) for value in found]


def rsi(rows: Sequence[Row], p: Precision, *, period: int, seed: str) -> Results:
    changes = [b - a for (a,), (b,) in pairwise(rows)]
    seeds = period if seed == "sma" else 1
    ups = averages([max(change, 0) for change in changes], Fraction(1, period), seeds)
    downs = averages([max(-change, 0) for change in changes], Fraction(1, period), seeds)
    error = 600 * period * p.error(max(map(abs, changes), default=0))
    found: Results = [None] if rows else []
    for up, down in zip(ups, downs, strict=True):
        if up is None or down is None:
            found.append(None)
        elif up + down < p.least:  # what is left of old changes is less than a float can hold
            found.append((Near(50, 0 if not any(changes) else 50, 1),))
        else:
            found.append((Near(Fraction(100 * up, up + down), error / (up + down), 1),))
    return found


def macd(rows: Sequence[Row], p: Precision, *, fast: int, slow: int, signal: int, seed: str) -> Results:
    x = [row[0] for row in rows]
    ahead = slow - fast if seed == "sma" else 0
    weights = [Fraction(2, period + 1) for period in (fast, slow, signal)]
    seeds = (fast, slow, signal) if seed == "sma" else (1, 1, 1)
    fasts: list[int | None] = [None] * min(ahead, len(x)) + averages(x[ahead:], weights[0], seeds[0])
    slows = averages(x, weights[1], seeds[1])
    lines = [None if a is None or b is None else a - b for a, b in zip(fasts, slows, strict=True)]
    begin = seeds[1] - 1
    signals: list[int | None] = [None] * min(begin, len(x))
    signals += averages([line for line in lines if line is not None], weights[2], seeds[2])
    bound = 4 * p.error(max(map(abs, x), default=0)) * (fast + slow + signal + 4)
    found: Results = []
    for line, smooth in zip(lines, signals, strict=True):
        if line is None:
            found.append(None)
        else:
            rest = (NOTHING, NOTHING) if smooth is None else (Near(smooth, bound), Near(line - smooth, bound))
            found.append((Near(line, bound), *rest))
    return found


def atr(rows: Sequence[Row], p: Precision, *, period: int, seed: str) -> Results:
    ranges = [max(high - low, abs(high - c), abs(low - c)) for (_, _, c), (high, low, _) in pairwise(rows)]
    bound = 5 * period * p.error(max(ranges, default=0))
    found = averages(ranges, Fraction(1, period), period if seed == "sma" else 1)
    return [None] * bool(rows) + [None if value is None else (Near(value, bound),) for value in found]


# ---- windows


def mean_of(window: Sequence[Row], p: Precision) -> Near:
    x = [row[0] for row in window]
    mean = Fraction(sum(x), len(x))
    return Near(mean, (len(x) + 2) * p.error(max(x) - min(x)) + p.error(mean))


def variance_of(window: Sequence[Row], p: Precision, ddof: int) -> Near:
    """Give the variance, in squared units."""
    x = [row[0] for row in window]
    n, spread = len(x), max(x) - min(x)
    variance = Fraction(n * sum(value * value for value in x) - sum(x) ** 2, n * (n - ddof))
    bound = (2 * n + 8) * p.eps * spread * spread
    return Near(variance, bound + 4 * p.least * UNIT if spread else 0)


def deviation_of(window: Sequence[Row], p: Precision, ddof: int) -> Near:
    variance = variance_of(window, p, ddof)
    assert variance.bound is not None
    deviation = square_root(Fraction(variance.value))
    least = square_root(Fraction(variance.bound))
    return Near(deviation, min(least, variance.bound / deviation if deviation else least))


def score_of(window: Sequence[Row], p: Precision, ddof: int) -> Near:
    x = [row[0] for row in window]
    variance = variance_of(window, p, ddof)
    assert variance.bound is not None
    if variance.value == 0:
        return NOTHING
    blurred = variance.bound / Fraction(variance.value)
    deviation = square_root(Fraction(variance.value))
    score = (x[-1] - Fraction(sum(x), len(x))) / deviation
    spread = max(x) - min(x)
    bound = 2 * (len(x) + 4) * p.error(spread) / deviation + abs(score) * blurred
    return Near(score, bound if blurred < Fraction(1, 2) else None, 1)


def price_of(rows: Sequence[Row], p: Precision, error: Fraction) -> Near:
    """Give the weighted price; `error` is that of a sum, relative to the sum of its terms' sizes."""
    prices = [price for price, _ in rows]
    volume, size = sum(volume for _, volume in rows), sum(abs(volume) for _, volume in rows)
    if volume == 0:
        return NOTHING
    price = Fraction(sum(price * volume for price, volume in rows), volume)
    share = Fraction(size, abs(volume))
    spread = max(prices) - min(prices)
    lost = Fraction(len(rows) * p.least * UNIT, abs(volume))  # products that underflow
    bound = error * max(spread, p.normal) * share * share + p.error(price) + lost
    return Near(price, bound if error * share < Fraction(1, 4) else None)


NOTHING = Near(0, -1)  # no result


def over_windows(of: Callable[[Sequence[Row]], tuple[Near, ...]], rows: Sequence[Row], period: int) -> Results:
    return [None if window is None else of(window) for window in windows(rows, period)]


def sma(rows: Sequence[Row], p: Precision, *, period: int) -> Results:
    return over_windows(lambda window: (mean_of(window, p),), rows, period)


def rolling_min(rows: Sequence[Row], p: Precision, *, period: int) -> Results:
    return over_windows(lambda window: (Near(min(window)[0], 0),), rows, period)


def rolling_max(rows: Sequence[Row], p: Precision, *, period: int) -> Results:
    return over_windows(lambda window: (Near(max(window)[0], 0),), rows, period)


def rolling_std(rows: Sequence[Row], p: Precision, *, period: int, ddof: int) -> Results:
    return over_windows(lambda window: (deviation_of(window, p, ddof),), rows, period)


def zscore(rows: Sequence[Row], p: Precision, *, period: int, ddof: int) -> Results:
    return over_windows(lambda window: (score_of(window, p, ddof),), rows, period)


def bollinger(rows: Sequence[Row], p: Precision, *, period: int, width: float, ddof: int) -> Results:
    def bands(window: Sequence[Row]) -> tuple[Near, ...]:
        middle, deviation = mean_of(window, p), deviation_of(window, p, ddof)
        assert middle.bound is not None
        assert deviation.bound is not None
        reach = Fraction(width) * deviation.value
        bound = middle.bound + Fraction(width) * deviation.bound + p.error(reach) + p.error(abs(middle.value) + reach)
        return Near(middle.value + reach, bound), middle, Near(middle.value - reach, bound)

    return over_windows(bands, rows, period)


def vwap(rows: Sequence[Row], p: Precision, *, period: int | None) -> Results:
    if period is not None:
        return over_windows(lambda window: (price_of(window, p, (period + 2) * p.eps),), rows, period)
    return [(price_of(rows[: i + 1], p, 300 * Fraction(2) ** -52),) for i in range(len(rows))]


# ---- missing rows

WINDOWED = {"sma", "bollinger", "rolling_std", "rolling_min", "rolling_max", "zscore"}
RULES: dict[str, Callable[..., Results]] = {
    "ema": ema, "sma": sma, "rsi": rsi, "macd": macd, "bollinger": bollinger, "atr": atr, "vwap": vwap,
    "rolling_std": rolling_std, "rolling_min": rolling_min, "rolling_max": rolling_max, "zscore": zscore,
}  # fmt: skip


def expected(name: str, columns: Sequence[Sequence[float]], dtype: type, missing: str, **settings: object) -> Results:
    """Give each row's exact results, None where all are NaN.

    Args:
        name: The function.
        columns: Its inputs, as floats that `dtype` holds exactly.
        dtype: The type it computes in.
        missing: What a row does that is not finite.
        settings: The function's own.
    """
    p = Precision.of(dtype)
    table = list(zip(*columns, strict=True))
    there = [all(map(math.isfinite, row)) for row in table]
    found: Results = [None] * len(table)

    def compute(places: list[int]) -> None:
        rows = [tuple(map(as_units, table[i])) for i in places]
        for i, result in zip(places, RULES[name](rows, p, **settings), strict=True):
            found[i] = result

    if missing == "skip":
        compute([i for i, finite in enumerate(there) if finite])
        return found
    windowed = name in WINDOWED or (settings.get("period") is not None and name == "vwap")
    run: list[int] = []
    for i, finite in enumerate([*there, False]):
        if finite:
            run.append(i)
            continue
        compute(run)
        run = []
        if not windowed:
            break
    return found

"""Fit how an operation's time grows with a parameter: as a power of it, or not."""

import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from latencykit.model import Growth, Result
from latencykit.suite import Component

LEAST_POINTS = 3
# Local exponents that differ by more are not held to be one: it is the difference between n and n log n from 1,000 to
# 10,000 (0.12), with room for what caches do.
WIDE = 0.2
# What a p50 may be off by, beside its neighbour's, before a local exponent is believed to differ. It weighs little
# between sizes a factor of ten apart (0.04) and much between sizes a factor of two apart (0.14).
DOUBT = 0.05
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """A fitted ``time = constant * value ** exponent``.

    Attributes:
        exponent: The fitted exponent.
        interval: Its 95 % interval.
        holds: Whether the exponents from one value to the next are alike.
        last_exponent: The exponent between the two greatest values alone.
    """

    exponent: float
    interval: tuple[float, float]
    holds: bool
    last_exponent: float


def fit_power_law(points: Iterable[tuple[float, float]]) -> PowerLaw | None:
    """Fit ``log(time) = constant + exponent * log(value)`` by ordinary least squares.

    Least squares, and not the median of slopes of Theil and Sen: each time is a median already, so that there are no
    outliers to vote down; a size that lies off the line (a cache that is full) is a finding; and the interval of a
    median of slopes cannot reach 95 % with fewer than 5 points (Sen, J. Am. Stat. Assoc. 63 (1968), section 4),
    where a suite often has 3 or 4.

    The interval is the textbook one of a slope, ``exponent +- t * standard error`` with Student's t for two degrees of
    freedom fewer than there are points (Draper and Smith, Applied Regression Analysis, 3rd ed., 1.4). It comes from the
    scatter of the points around the line and takes that for independent, normal and equally wide in the logarithm; what
    all points share, such as a slow machine, is not in it. Where the law does not hold, it says how badly one exponent
    describes the points, and no more.

    The law holds unless two steps between neighbouring values have exponents that differ by more than `WIDE`, each
    taken as far towards the other as times off by `DOUBT` allow.

    Args:
        points: Values of the parameter with times, in any unit, all above 0. Times of equal values are averaged in the
            logarithm.

    Returns:
        None for fewer than 3 distinct values.
    """
    times: dict[float, list[float]] = {}
    for value, time in points:
        times.setdefault(math.log(value), []).append(math.log(time))
    if len(times) < LEAST_POINTS:
        return None
    xs = sorted(times)
    ys = [statistics.fmean(times[x]) for x in xs]
    exponent, error = _line(xs, ys)
    reach = student_t(len(xs) - 2) * error
    steps = [(x1 - x0, (y1 - y0) / (x1 - x0)) for (x0, y0), (x1, y1) in itertools.pairwise(zip(xs, ys, strict=True))]
    return PowerLaw(exponent, (exponent - reach, exponent + reach), _alike(steps), steps[-1][1])


def growth_of(components: Iterable[Component], results: Sequence[Result]) -> list[Growth]:
    """Return the growth of each variant of the components that declare any, for each setting of other parameters.

    Args:
        components: What was measured.
        results: All rows of the run; only the batched ones count, and of those only what is above the floor.

    Returns:
        One entry for each variant and setting that was measured at all, in the order of the results.
    """
    return [
        growth
        for component in components
        if component.growth is not None
        for growth in _growths(component.name, component.growth, results)
    ]


@lru_cache(maxsize=64)
def student_t(freedom: int) -> float:
    """Return what Student's t stays under in size with a probability of 95 %.

    Found by bisection of the closed form of its distribution (Abramowitz and Stegun, 26.7.3 and 26.7.4).

    Args:
        freedom: Degrees of freedom, at least 1.
    """
    low, high = 0.0, math.pi / 2  # of the angle whose tangent is t / sqrt(freedom)
    for _ in range(60):
        middle = (low + high) / 2
        if _within(middle, freedom) < _CONFIDENCE:
            low = middle
        else:
            high = middle
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def _within(angle: float, freedom: int) -> float:
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= math.cos(angle) ** 2 * k / (k + 1)
    total *= math.sin(angle)
    return (angle + total) * 2 / math.pi if odd else total


def _line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Return the slope of the line of least squares and its standard error."""
    x_mean, y_mean = statistics.fmean(xs), statistics.fmean(ys)
    spread = math.fsum((x - x_mean) ** 2 for x in xs)
    slope = math.fsum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread
    off = math.fsum((y - y_mean - slope * (x - x_mean)) ** 2 for x, y in zip(xs, ys, strict=True))
    return slope, math.sqrt(off / (len(xs) - 2) / spread)


def _alike(steps: Sequence[tuple[float, float]]) -> bool:
    doubts = [2 * math.log1p(DOUBT) / width for width, _ in steps]
    highest = max(slope - doubt for (_, slope), doubt in zip(steps, doubts, strict=True))
    lowest = min(slope + doubt for (_, slope), doubt in zip(steps, doubts, strict=True))
    return highest - lowest <= WIDE


def _growths(component: str, parameter: str, results: Sequence[Result]) -> Iterator[Growth]:
    families: dict[str, list[Result]] = {}
    for row in results:
        if row.mode == "batched" and row.component == component and parameter in row.parameters:
            families.setdefault(repr((row.variant, _others(row, parameter))), []).append(row)
    for rows in families.values():
        points = [(row.parameters[parameter], row.p50_ns) for row in rows if row.p50_ns is not None and _is_told(row)]
        law = fit_power_law(points)
        values = sorted({value for value, _ in points})
        yield Growth(
            component=component,
            variant=rows[0].variant,
            parameter=parameter,
            parameters=_others(rows[0], parameter),
            points=len(values),
            low=values[0] if values else None,
            high=values[-1] if values else None,
            exponent=None if law is None else law.exponent,
            interval=None if law is None else law.interval,
            power_law=None if law is None else law.holds,
            last_exponent=None if law is None else law.last_exponent,
        )


def _others(row: Result, parameter: str) -> dict[str, Any]:
    return {key: value for key, value in row.parameters.items() if key != parameter}


def _is_told(row: Result) -> bool:
    """Tell whether a row's p50 can be told from an empty call."""
    low = row.p50_interval_ns[0] if row.p50_interval_ns else row.p50_ns
    return row.p50_ns is not None and row.p50_ns > row.resolution_ns and low is not None and low > 0

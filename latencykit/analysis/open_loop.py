"""From rates that were tried to the rate at which an engine no longer keeps up."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# An engine that did less than this part of what was offered did not keep up.
KEPT_UP: Final = 0.95
# Beyond, ticks are due every nanosecond, which no clock tells apart.
MOST_RATE: Final = 1e9
_LEAST_RATE: Final = 1.0


@dataclass(frozen=True, slots=True)
class RatePoint:
    """What one rate led to.

    Attributes:
        rate: Ticks offered a second.
        achieved: Ticks done a second while they were offered.
        ticks: How many were taken.
        p50_ns: Of the response times, from when a tick was due to the end of its cycle; None if too few support it.
        p90_ns: As p50_ns.
        p99_ns: As p50_ns.
        p999_ns: As p50_ns.
        max_ns: The longest; None if there was no tick.
    """

    rate: float
    achieved: float
    ticks: int
    p50_ns: float | None
    p90_ns: float | None
    p99_ns: float | None
    p999_ns: float | None
    max_ns: float | None

    @property
    def kept_up(self) -> bool:
        """Whether at least 95 % of what was offered was done in time."""
        return self.achieved >= KEPT_UP * self.rate


@dataclass(frozen=True, slots=True)
class Saturation:
    """Where an engine no longer keeps up.

    Attributes:
        kept_up: The highest rate below every rate that it did not keep up with; None if there was none.
        failed: The lowest rate that it did not keep up with; None if it kept up with all.
    """

    kept_up: float | None
    failed: float | None


def saturation(points: Sequence[RatePoint]) -> Saturation:
    """Return between which rates an engine's limit lies."""
    failed = min((point.rate for point in points if not point.kept_up), default=None)
    kept = [point.rate for point in points if point.kept_up and (failed is None or point.rate < failed)]
    return Saturation(max(kept, default=None), failed)


def next_rate(points: Sequence[RatePoint], *, first: float) -> float | None:
    """Return the rate to try next, or None when the sweep is over.

    Rates double until one is not kept up with; then one is tried between the last two, at their geometric mean. If
    already the first is too much, they halve until one is kept up with.

    Args:
        points: What was tried.
        first: The rate to begin with, above 0.
    """
    if not points:
        return first
    found = saturation(points)
    if found.failed is None:
        following = 2 * max(point.rate for point in points)
        return following if following <= MOST_RATE else None
    if found.kept_up is None:
        following = found.failed / 2
        return following if following >= _LEAST_RATE else None
    refined = found.failed / found.kept_up < 1.9
    return None if refined else math.sqrt(found.kept_up * found.failed)

"""Limits on statistics: which statistic a keyword names, and how what was recorded stands against a limit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import SupportsFloat

from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError
from latencykit.histogram import Histogram
from latencykit.quantiles import highest_percentile, supported, values_needed
from latencykit.units import parse_duration_ns

# Two digits before the point and up to six after it; no zero at the end, which would be another name of the same.
_PERCENTILE = re.compile(r"p(\d\d)(\d{0,5}[1-9])?|p([1-9])")


@dataclass(frozen=True, slots=True)
class Statistic:
    """A statistic that a limit can be set on.

    Attributes:
        name: Its keyword: min, mean, max or p50, p99, p999, ...
        percentile: In 0..100, exclusive; None for min, mean and max.
    """

    name: str
    percentile: float | None

    @property
    def label(self) -> str:
        """What a table calls it: p99.9 for p999."""
        return self.name if self.percentile is None else f"p{_shown(self.percentile)}"

    def known(self, histogram: Histogram) -> bool:
        """Tell whether a histogram holds enough to say what this is."""
        if self.percentile is None:
            return histogram.count > 0
        return supported(self.percentile / 100, histogram.count)

    def value_ns(self, histogram: Histogram) -> float | None:
        """Return its value in nanoseconds, or None if the histogram holds too little."""
        if not self.known(histogram):
            return None
        if self.percentile is None:
            return float(getattr(histogram, self.name))
        # The histogram's own: that of statistics would ask again whether there are enough.
        return Histogram.percentile(histogram, self.percentile)

    def refusal(self, count: int) -> str:
        """Say why so few durations do not give this, and what they give."""
        if self.percentile is None:
            return f"{self.name} needs a duration, and none was recorded; record one first"
        return percentile_refusal(self.percentile, count)


def percentile_refusal(percentile: float, count: int) -> str:
    """Say why a sample does not support a percentile, and what it does support."""
    highest = highest_percentile(count)
    if highest is None:
        instead = "ask for percentile 0 or 100, the least and the greatest seen"
    elif percentile > 50:
        instead = f"ask for {_shown(highest)} or less, or for 100, the greatest seen"
    else:
        instead = f"ask for {_shown(round(100 - highest, 12))} or more, or for 0, the least seen"
    needed = values_needed(percentile / 100)
    return f"percentile {_shown(percentile)} needs {needed:,} durations and there are {count:,}; {instead}"


def _shown(percentile: float) -> str:
    return str(percentile).removesuffix(".0")


def parse_percentile(q: SupportsFloat) -> float:
    """Return a percentile as a float.

    Raises:
        InvalidValueError: It is outside 0..100.
        InvalidTypeError: It is not a number.
    """
    if not isinstance(q, SupportsFloat):
        raise InvalidTypeError(f"percentile is {q!r}, not a number")
    percentile = float(q)
    if not 0 <= percentile <= 100:
        raise InvalidValueError(f"percentile is {percentile:g}, which is not in 0..100")
    return percentile


def parse_statistic(name: str) -> Statistic:
    """Return the statistic of a keyword.

    Raises:
        InvalidValueError: There is none of that name.
    """
    if name in ("min", "mean", "max"):
        return Statistic(name, None)
    match = _PERCENTILE.fullmatch(name)
    percentile = float(f"{match[1] or match[3]}.{match[2] or 0}") if match else 0.0
    if percentile == 0:
        raise InvalidValueError(
            f"statistic {name!r} is unknown; use min, mean, max or a percentile such as p50, p99 or p999, which is 99.9"
        )
    return Statistic(name, percentile)


def parse_limits(limits: Mapping[str, str | float]) -> dict[Statistic, float]:
    """Return each statistic and its limit in nanoseconds.

    Raises:
        InvalidValueError: A statistic is unknown, or a limit is no duration.
    """
    return {parse_statistic(name): parse_duration_ns(limit) for name, limit in limits.items()}


def all_met(histogram: Histogram, limits: Mapping[Statistic, float]) -> bool:
    """Tell whether every statistic is below its limit.

    Raises:
        InvalidStateError: No statistic is known to be at or above its limit, and one cannot be known.
    """
    values = {statistic: statistic.value_ns(histogram) for statistic in limits}
    if any(value is not None and value >= limits[statistic] for statistic, value in values.items()):
        return False
    for statistic, value in values.items():
        if value is None:
            raise InvalidStateError(statistic.refusal(histogram.count))
    return True

"""The percentile distribution of a histogram as text, HdrHistogram's .hgrm format."""

import math
from collections.abc import Iterator

from latencykit.errors import InvalidTypeError, InvalidValueError
from latencykit.histogram import Histogram
from latencykit.units import parse_duration_ns

_MOST_TICKS = 1000
_UNITS = ("ns", "us", "ms", "s")


def percentile_distribution(histogram: Histogram, *, unit: str = "us", ticks_per_half_distance: int = 5) -> str:
    """Write out the percentile distribution of a histogram, to be saved as a .hgrm file.

    The text is that of ``outputPercentileDistribution`` of HdrHistogram's Java edition, which its plotters read. It
    shows what was recorded, also where the sample is too small to say anything of the population's percentile.

    Args:
        histogram: Any histogram, the empty one included.
        unit: In what the values are shown: ns, us, ms or s.
        ticks_per_half_distance: How many rows for each halving of the distance to 100 %, 1 to 1000.

    Raises:
        InvalidValueError: The unit is unknown, or the number of ticks out of range.
        InvalidTypeError: The number of ticks is not an int.
    """
    unit_ns, ticks = _unit_ns(unit), _check_ticks(ticks_per_half_distance)
    digits = histogram.digits
    lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
    for value_ns, percentile, total in _rows(histogram, ticks):
        line = f"{value_ns / unit_ns:12.{digits}f} {percentile / 100:.12f} {total:10d}"
        lines.append(line if percentile == 100 else f"{line} {1 / (1 - percentile / 100):14.2f}")
    return "\n".join([*lines, *_footer(histogram, unit_ns)]) + "\n"


def _rows(histogram: Histogram, ticks: int) -> Iterator[tuple[int, float, int]]:
    """Yield (value in ns, percentile level, count up to there): HdrHistogram's percentile iterator."""
    level, total, value_ns = 0.0, 0, 0
    for value_ns, count in histogram.iter_recorded():
        total += count
        while level < 100 and 100.0 * total / histogram.count >= level:
            yield value_ns, level, total
            level = _next_level(level, ticks)
            if total == histogram.count:
                break
    if histogram.count:
        yield value_ns, 100.0, total


def _next_level(level: float, ticks: int) -> float:
    halvings = int(math.log(100.0 / (100.0 - level)) / math.log(2))
    following = level + 100.0 / (ticks * 2 ** (halvings + 1))
    # Close to 100 a step is lost in rounding: the last row is next.
    return following if following > level else 100.0


def _footer(histogram: Histogram, unit_ns: float) -> list[str]:
    digits, empty = histogram.digits, histogram.count == 0
    mean, deviation, greatest = (0.0, 0.0, 0) if empty else (histogram.mean, histogram.stddev, histogram.max)
    half_row = 1 << ((2 * 10**digits - 1).bit_length() - 1)
    return [
        f"#[Mean    = {mean / unit_ns:12.{digits}f}, StdDeviation   = {deviation / unit_ns:12.{digits}f}]",
        f"#[Max     = {greatest / unit_ns:12.{digits}f}, Total count    = {histogram.count:12d}]",
        f"#[Buckets = {histogram.buckets // half_row - 1:12d}, SubBuckets     = {2 * half_row:12d}]",
    ]


def _unit_ns(unit: str) -> float:
    if unit not in _UNITS:
        raise InvalidValueError(f"unit {unit!r} is none of {', '.join(_UNITS)}")
    return parse_duration_ns(f"1{unit}")


def _check_ticks(ticks: int) -> int:
    if not isinstance(ticks, int) or isinstance(ticks, bool):
        raise InvalidTypeError(f"ticks_per_half_distance {ticks!r} is not an int; give 5, for example")
    if not 1 <= ticks <= _MOST_TICKS:
        raise InvalidValueError(f"ticks_per_half_distance {ticks} is outside 1 to {_MOST_TICKS}")
    return ticks

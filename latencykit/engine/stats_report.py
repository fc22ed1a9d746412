"""The table that statistics show of themselves, as plain text."""

from collections.abc import Mapping

from latencykit.engine.limits import Statistic, parse_statistic
from latencykit.histogram import Histogram
from latencykit.quantiles import values_needed
from latencykit.units import format_ns

_SHOWN = ("min", "p50", "p90", "p99", "p999", "max", "mean")
_LONGEST_NAME = 40


def stats_report(name: str, histogram: Histogram, limits: Mapping[Statistic, float]) -> str:
    """Lay out a table that fits 80 columns, of the usual statistics and of those that have a limit.

    Args:
        name: What the durations are of; may be empty.
        histogram: The durations.
        limits: Limits in nanoseconds.

    Returns:
        Lines without a newline at the end.
    """
    rows = sorted({*map(parse_statistic, _SHOWN), *limits}, key=_place)
    lines = [_row(statistic, histogram, limits.get(statistic)) for statistic in rows]
    return "\n".join([_heading(name, histogram), *_saturation(histogram), *lines])


def _place(statistic: Statistic) -> tuple[int, float]:
    """Sort by size; the mean, which has no place among the percentiles, comes last."""
    order = {"min": (0, 0.0), "max": (2, 0.0), "mean": (3, 0.0)}
    return order.get(statistic.name, (1, statistic.percentile or 0.0))


def _heading(name: str, histogram: Histogram) -> str:
    shown = " ".join(name.split())
    if len(shown) > _LONGEST_NAME:
        shown = shown[: _LONGEST_NAME - 3] + "..."
    counted = f"{histogram.count:,} duration{'' if histogram.count == 1 else 's'}"
    return f"{shown}: {counted}" if shown else counted


def _saturation(histogram: Histogram) -> list[str]:
    if not histogram.saturated:
        return []
    were = "was" if histogram.saturated == 1 else "were"
    return [f"  {histogram.saturated:,} of them {were} above {format_ns(histogram.highest)} and counted as that"]


def _row(statistic: Statistic, histogram: Histogram, limit_ns: float | None) -> str:
    value_ns = statistic.value_ns(histogram)
    cells = f"  {statistic.label:<10}{format_ns(value_ns):>10}"
    if limit_ns is not None:
        met = "n/a" if value_ns is None else "met" if value_ns < limit_ns else "missed"
        cells += f"   target < {format_ns(limit_ns):<8} {met:<6}"
    if value_ns is None and histogram.count and statistic.percentile is not None:
        cells += f"   needs {values_needed(statistic.percentile / 100):,} durations"
    return cells.rstrip()

"""Rates that an engine was given as the lines that a person reads."""

from collections.abc import Sequence
from typing import Final

from latencykit.analysis.open_loop import RatePoint, saturation
from latencykit.reporters.blocks import TextBlock, TextColumn, text_table
from latencykit.reporters.rows import NONE, plain_ns
from latencykit.units import format_ns

_COLUMNS: Final = (
    TextColumn[RatePoint]("ticks/s", lambda point: _count(point.rate)),
    TextColumn[RatePoint]("achieved", lambda point: _count(point.achieved)),
    TextColumn[RatePoint]("p50", lambda point: format_ns(point.p50_ns)),
    TextColumn[RatePoint]("p90", lambda point: format_ns(point.p90_ns)),
    TextColumn[RatePoint]("p99", lambda point: format_ns(point.p99_ns)),
    TextColumn[RatePoint]("p99.9", lambda point: format_ns(point.p999_ns)),
    TextColumn[RatePoint]("max", lambda point: format_ns(point.max_ns)),
    TextColumn[RatePoint]("", lambda point: "" if point.kept_up else "behind", left=True),
)


def open_loop_block(points: Sequence[RatePoint], resolution_ns: float, *, sweep: bool) -> TextBlock:
    """Lay out response times by rate.

    Args:
        points: What each rate led to, at least one.
        resolution_ns: The clock's step.
        sweep: Whether the limit was looked for.
    """
    ordered = sorted(points, key=lambda point: point.rate)
    return TextBlock(
        title="open loop: response times by the rate of ticks",
        tables=(text_table(ordered, _COLUMNS),),
        facts=tuple([_limit(points)] if sweep else []),
        legend=tuple(_legend(ordered, resolution_ns)),
    )


def _limit(points: Sequence[RatePoint]) -> str:
    found = saturation(points)
    if found.failed is None:
        return "saturation: not reached; it kept up with every rate that was tried"
    if found.kept_up is None:
        return f"saturation: below {_count(found.failed)} ticks/s, the lowest rate that was tried"
    return f"saturation: between {_count(found.kept_up)} and {_count(found.failed)} ticks/s"


def _legend(points: Sequence[RatePoint], resolution_ns: float) -> list[str]:
    lines = [
        "Response: from when a tick was due to the end of its cycle, so that a stall is charged to every tick that it "
        "delayed. Ticks are offered in slices of up to a second, each begun without backlog."
    ]
    if any(not point.kept_up for point in points):
        lines.append(
            "behind: under 95 % of the rate was done in time; its response times grow with the length of a slice."
        )
    if any(1e9 / point.rate < resolution_ns for point in points):
        lines.append(
            f"Ticks come closer together than the clock's step of {plain_ns(resolution_ns)} at the highest rates."
        )
    if any(point.p999_ns is None for point in points):
        lines.append("n/a: too few ticks for it.")
    return lines


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value else NONE

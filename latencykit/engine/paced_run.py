"""Ticks when they are due: an open loop, which charges a stall to every tick that it delayed.

Tick number n is due n intervals after the beginning, whatever became of the ticks before it, and its response time is
from then to the end of its cycle. So a stall of the machine or of the engine is in the response time of every tick
that had to wait for it, which the time of a tick's own work does not show (coordinated omission; Tene, "How NOT to
Measure Latency", 2013).

Ticks are paced natively in slices of about a second, made ready before they are due. What happens between two slices
(recording, signals, reading the feed) is charged to no tick: a slice begins without the backlog of the one before.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from latencykit._core import Histogram, clock_info, ns_per_tick, ticks
from latencykit.engine.feed import Records
from latencykit.engine.stats import PerformanceStats
from latencykit.engine.ticks import TICK_DTYPE
from latencykit.errors import InvalidTypeError, InvalidValueError

_SLICE_SECONDS: Final = 1.0
_MOST_ROWS: Final = 1_000_000  # in a slice: 48 MB of ticks
_MOST_RATE: Final = 1e9
_LEAD_NS: Final = 200_000  # from the call to the first tick's due time, so that the call itself is no delay
_SLEEP_UNTIL_NS: Final = 2_000_000  # a sleep may overrun by a scheduler's step

_Pace: TypeAlias = Callable[[Records, int, float, Histogram], int]


@dataclass(frozen=True, eq=False, slots=True)
class PacedReport:
    """What became of ticks that came at a rate.

    Attributes:
        rate: Ticks offered a second.
        ticks: How many were taken.
        achieved: Ticks done a second while they were offered, at most `rate`. The lag at the end of a slice is taken
            as twice its median response, which it is where the engine falls behind evenly, and at most its longest.
        responses: From each tick's due time to the end of its cycle.
        resolution_ns: Of the clock: ticks that come closer together are not told apart.
        ended: ``feed`` if that was over, ``duration``, or ``stopped`` if the engine was.
    """

    rate: float
    ticks: int
    achieved: float
    responses: PerformanceStats
    resolution_ns: float
    ended: str


def run_paced(
    pace: _Pace,
    chunks: Iterator[Records],
    rate: float,
    *,
    duration: float | None,
    on_slice: Callable[[PacedReport], object] | None,
) -> PacedReport:
    """Pace ticks through an engine; see Engine.run_paced.

    Args:
        pace: The native call: ticks, when the first is due, clock ticks between two, and where responses go.
        chunks: The feed.
        rate: Ticks a second.
        duration: Seconds, or None.
        on_slice: Told after each slice what became of all ticks so far.
    """
    _check(rate, duration)
    rows = max(1, min(_MOST_ROWS, round(rate * _SLICE_SECONDS)))
    most = None if duration is None else max(1, round(rate * duration))
    interval = 1e9 / rate / ns_per_tick()
    responses = PerformanceStats("response")
    report = PacedReport(rate, 0, 0.0, responses, clock_info()["resolution_ns"], "feed")
    taken, busy_s, due = 0, 0.0, 0
    for ready in _slices(chunks, rows):
        part = ready if most is None else ready[: most - taken]
        due = _begin(due)
        here = PerformanceStats("slice")
        done = pace(part, due, interval, here)
        due += round(done * interval)
        taken += done
        busy_s += done / rate + _lag_s(here)
        responses.merge(here)
        ended = "stopped" if done < len(part) else "duration" if taken == most else "feed"
        report = replace(report, ticks=taken, achieved=min(rate, taken / busy_s) if busy_s else 0.0, ended=ended)
        if on_slice is not None:
            on_slice(report)
        if ended != "feed":
            break
    return report


def _check(rate: float, duration: float | None) -> None:
    for name, value, most in (("rate", rate, _MOST_RATE), ("duration", duration, math.inf)):
        if value is None and name == "duration":
            continue
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise InvalidTypeError(f"{name} {value!r} is not a number; pass one above 0")
        if not (0 < value <= most and math.isfinite(value)):
            raise InvalidValueError(f"{name} {value!r} is out of range; pass a number above 0, at most {most:g}")


def _slices(chunks: Iterator[Records], rows: int) -> Iterator[Records]:
    """Give the ticks in arrays of so many rows, the last one shorter."""
    waiting: list[Records] = []
    count = 0
    for chunk in chunks:
        waiting.append(chunk)
        count += len(chunk)
        if count < rows:
            continue
        together = np.concatenate(waiting) if len(waiting) > 1 else chunk
        whole = count - count % rows
        for start in range(0, whole, rows):
            yield together[start : start + rows]
        waiting = [together[whole:]] if whole < count else []
        count -= whole
    if count:
        yield np.concatenate(waiting) if waiting else np.empty(0, TICK_DTYPE)


def _begin(due: int) -> int:
    """Sleep until shortly before the next tick is due, and return when it is, or as soon as can be if that is over."""
    per_tick = ns_per_tick()
    ahead_ns = (due - ticks()) * per_tick
    if ahead_ns > 2 * _SLEEP_UNTIL_NS:
        time.sleep((ahead_ns - _SLEEP_UNTIL_NS) / 1e9)
    return max(due, ticks() + round(_LEAD_NS / per_tick))


def _lag_s(slice_responses: PerformanceStats) -> float:
    """Return how far behind a slice ended."""
    if not slice_responses.count:
        return 0.0
    return min(slice_responses.max, 2 * Histogram.percentile(slice_responses, 50.0)) / 1e9

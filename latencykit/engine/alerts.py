"""Alerts: a callback for durations, or a mean of durations, above a limit; it never runs where they are recorded.

The recording thread only counts, natively and only while an alarm is armed. Each alarm has a thread that waits
without the GIL, looks at the counts every so often, and takes the GIL only when there is something to report.
"""

import atexit
import os
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self

from latencykit._core import DurationWatch, Histogram
from latencykit.errors import InvalidTypeError, InvalidValueError
from latencykit.units import format_ns, parse_duration_ns

Statistic = Literal["max", "mean"]

_LONGEST_INTERVAL_NS: Final = 86_400 * 10**9
_EXIT_PATIENCE_S: Final = 1.0  # For a callback that is under way when the interpreter exits.


@dataclass(frozen=True, slots=True)
class Alert:
    """What was above its limit.

    Attributes:
        name: The name of the statistics.
        statistic: "max" for single durations, "mean" for the mean of an interval.
        limit_ns: The limit.
        value_ns: The longest duration, or the mean over the last interval.
        count: How many durations that is of.
        over: How many durations were above the limit since the alarm's last alert.
        worst_ns: The longest of those.
        at_ns: When this alert was made, by the clock of the statistics.
    """

    name: str
    statistic: Statistic
    limit_ns: float
    value_ns: float
    count: int
    over: int
    worst_ns: int
    at_ns: int

    def __str__(self) -> str:
        subject = f"{self.name}: " if self.name else ""
        return (
            f"{subject}{self.statistic} {format_ns(self.value_ns)} is above {format_ns(self.limit_ns)} "
            f"({self.over:,} above it, the longest {format_ns(self.worst_ns)})"
        )


class Alarm:
    """An armed alert; made by `PerformanceStats.alert`, which says what it does.

    The statistics keep it, so that it need not be kept elsewhere; it ends with them, and does not keep them.
    Usable in ``with``.
    """

    def __init__(
        self,
        histogram: Histogram,
        callback: Callable[[Alert], object],
        limit: "Limit",
        now_ns: Callable[[], int],
        siblings: "set[Alarm]",
    ) -> None:
        self.limit = limit
        self._callback = callback
        self._now_ns = now_ns
        self._histogram = weakref.ref(histogram)
        self._siblings = siblings
        self._reports_rest = False
        self._watch = DurationWatch(limit.statistic, limit.limit_ns)
        # The thread holds neither the alarm nor its callback, so that an alarm in a cycle can be collected.
        self._thread = threading.Thread(
            target=_wait_for_crossings,
            args=(weakref.ref(self), self._watch, limit.every_ns),
            name=f"latencykit alert {limit.name}".rstrip(),
            daemon=True,
        )
        self._thread.start()
        histogram.add_watch(self._watch)
        siblings.add(self)
        _armed.add(self)

    @property
    def closed(self) -> bool:
        """Whether it is over: closed, or its statistics are gone, or this is a forked child."""
        return self._watch.closed

    def close(self) -> None:
        """Disarm; return when no callback is running any more.

        Single durations above the limit since the last look are reported first. From within the callback it returns
        at once, and nothing more is reported.
        """
        self._disarm(patience_s=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def _disarm(self, patience_s: float | None) -> None:
        if threading.current_thread() is not self._thread and not self._watch.closed:
            self._reports_rest = True
        self._watch.close()
        histogram = self._histogram()
        if histogram is not None:
            histogram.remove_watch(self._watch)
        self._siblings.discard(self)
        if threading.current_thread() is not self._thread:
            self._thread.join(patience_s)

    def _raise_last_alert(self) -> None:
        """Report what was recorded since the last look, unless the callback itself has asked for no more."""
        if self._reports_rest and self.limit.statistic == "max" and self._watch.crossed():
            self._raise_alert()

    def _raise_alert(self) -> None:
        value_ns, count, over, worst_ns = self._watch.collect()
        limit = self.limit
        try:
            self._callback(
                Alert(limit.name, limit.statistic, limit.limit_ns, value_ns, count, over, worst_ns, self._now_ns())
            )
        except Exception:  # noqa: BLE001 - reported as any thread's error is, and the next alert is still due
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))


@dataclass(frozen=True, slots=True)
class Limit:
    """What an alarm watches for; see `PerformanceStats.alert`."""

    name: str
    statistic: Statistic
    limit_ns: float
    every_ns: int


def parse_limit(name: str, statistic: str, above: str | float, every: str | float) -> Limit:
    """Check what an alarm is asked to watch for.

    Raises:
        InvalidValueError: The statistic is unknown, or a duration is none or out of its range.
    """
    if statistic not in ("max", "mean"):
        raise InvalidValueError(
            f"an alert on {statistic!r} is not possible; use 'max' for single durations or 'mean' for the mean of an "
            "interval, and look at percentiles with take_interval()"
        )
    every_ns = round(parse_duration_ns(every))
    if not 1 <= every_ns <= _LONGEST_INTERVAL_NS:
        raise InvalidValueError(f"every={every!r} is outside 1 ns to one day; give for example '10ms'")
    return Limit(name, "max" if statistic == "max" else "mean", parse_duration_ns(above), every_ns)


def check_callback(callback: object) -> None:
    """Refuse what cannot be called.

    Raises:
        InvalidTypeError: It cannot.
    """
    if not callable(callback):
        raise InvalidTypeError(f"the callback {callback!r} cannot be called; pass a function of one Alert")


def _wait_for_crossings(reference: "weakref.ref[Alarm]", watch: DurationWatch, every_ns: int) -> None:
    try:
        while watch.wait(every_ns):
            alarm = reference()
            if alarm is None:
                return
            alarm._raise_alert()  # noqa: SLF001 - the thread is the alarm's own
            del alarm
        if (alarm := reference()) is not None:
            alarm._raise_last_alert()  # noqa: SLF001
    finally:
        watch.close()


_armed: "weakref.WeakSet[Alarm]" = weakref.WeakSet()


def _disarm_all() -> None:
    # Threads that wait in native code must not be there any more when the interpreter is taken down.
    for alarm in list(_armed):
        alarm._disarm(_EXIT_PATIENCE_S)  # noqa: SLF001


def _disarm_in_child() -> None:
    # The threads are not in the child; its own alarms can be armed anew.
    for alarm in list(_armed):
        alarm._disarm(0)  # noqa: SLF001


atexit.register(_disarm_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disarm_in_child)

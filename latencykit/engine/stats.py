"""Statistics of durations on a hot path: a histogram that records natively and answers with care."""

import time
from collections.abc import Callable
from typing import Protocol, Self, SupportsFloat, SupportsIndex, runtime_checkable

from latencykit.engine.alerts import Alarm, Alert, Statistic, check_callback, parse_limit
from latencykit.engine.limits import all_met, parse_limits, parse_percentile, percentile_refusal
from latencykit.engine.stats_report import stats_report
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError
from latencykit.histogram import Histogram, decode, encode
from latencykit.histogram_log import HistogramLogWriter, read_histogram_log
from latencykit.percentile_distribution import percentile_distribution
from latencykit.quantiles import supported

__all__ = ["Alarm", "Alert", "Clock", "HistogramLogWriter", "PerformanceStats", "read_histogram_log"]

_HOUR_NS = 3_600_000_000_000


@runtime_checkable
class Clock(Protocol):
    """Anything that tells nanoseconds: a `PrecisionTimer`, or a clock of a test or a replay."""

    def now_ns(self) -> int:
        """Return the time in nanoseconds."""


class PerformanceStats(Histogram):
    """Record durations in nanoseconds, and tell what they were.

    It is a `latencykit.histogram.Histogram`, with everything that has: `record`, `record_n`,
    `record_corrected(ns, expected_interval_ns)`, `record_many` for arrays, `merge`, `count`, `min`, `max`,
    `mean`, `stddev`, `saturated`. Memory is taken once, when it is made; to record allocates nothing. Values are
    known to `digits` significant digits. Two are equal when layout and counts are.

    Any thread may record, one after the other under the GIL. A subclass records as fast as this class.

    Args:
        name: What the durations are of; shown in reports and alerts, and the tag in a histogram log.
        lowest: The least duration that is told from 0, in ns.
        highest: The longest that is told from longer ones; those count as it, and in `saturated`.
        digits: Significant digits, 1 to 5.
        clock: Where the times of intervals and alerts come from: an object with ``now_ns()``, or a function
            without arguments; nanoseconds since the epoch if it is left out.

    Raises:
        InvalidTypeError: An argument has a type that cannot be used.
        InvalidValueError: The layout is impossible.
    """

    __slots__ = ("__weakref__", "_alarms", "_interval_start_ns", "_now_ns", "end_ns", "name", "start_ns")

    name: str
    start_ns: int
    """When it was made; of an interval, when that began."""
    end_ns: int | None
    """When the interval ended that this is; None for statistics that go on."""
    _interval_start_ns: int
    _now_ns: Callable[[], int]
    _alarms: set[Alarm]

    def __new__(
        cls,
        name: str = "",
        *,
        lowest: SupportsIndex = 1,
        highest: SupportsIndex = _HOUR_NS,
        digits: SupportsIndex = 3,
        clock: Clock | Callable[[], int] | None = None,
    ) -> Self:
        """Create the native histogram and what goes with it."""
        self = super().__new__(cls, lowest, highest, digits)
        now_ns = _reader(clock)
        self._set_up(_check_name(name), now_ns, _first_reading(now_ns))
        return self

    def _set_up(self, name: str, now_ns: Callable[[], int], start_ns: int) -> None:
        self.name = name
        self._now_ns = now_ns
        self.start_ns = self._interval_start_ns = start_ns
        self.end_ns = None
        self._alarms = set()

    def supports(self, q: SupportsFloat) -> bool:
        """Tell whether enough was recorded for a percentile, in 0..100.

        The rule: the tail beyond it must have been hit with a probability of 97.5 %, which takes 368 durations
        for 99 (and for 1), 3,688 for 99.9. What is the least or the greatest seen, 0 and 100, takes one.

        Raises:
            InvalidValueError: `q` is outside 0..100.
            InvalidTypeError: `q` is not a number.
        """
        percentile = parse_percentile(q)
        return self.count > 0 if percentile in (0, 100) else supported(percentile / 100, self.count)

    def percentile(self, q: SupportsFloat, /) -> int:
        """Return the duration, in ns, that q percent of those recorded do not exceed.

        Args:
            q: In 0..100; 0 and 100 are the least and the greatest seen.

        Raises:
            InvalidStateError: Too few were recorded to know (see `supports`); the message says how many it takes.
            InvalidValueError: `q` is outside 0..100.
            InvalidTypeError: `q` is not a number.
        """
        value_ns = super().percentile(q)
        if not self.supports(q):
            raise InvalidStateError(percentile_refusal(float(q), self.count))
        return value_ns

    def meets_targets(self, **limits: str | float) -> bool:
        """Tell whether every statistic is below its limit: ``stats.meets_targets(p50="1us", p99="10us")``.

        Args:
            limits: ``min``, ``mean``, ``max`` or percentiles (``p50``, ``p99``, ``p999`` for 99.9), each with a
                duration as text with a unit, or in nanoseconds.

        Returns:
            False if any is known to be at its limit or above.

        Raises:
            InvalidStateError: None is, but too few durations were recorded to know all.
            InvalidValueError: A statistic is unknown, a limit is no duration, or there is none.
            InvalidTypeError: A limit is neither text nor a number.
        """
        if not limits:
            raise InvalidValueError("meets_targets() was given no limit; give one, such as p99='10us'")
        return all_met(self, parse_limits(limits))

    def report(self, **limits: str | float) -> str:
        """Return a short table as text, for 80 columns; limits as in `meets_targets` are shown with their verdict.

        Raises:
            InvalidValueError: A statistic is unknown, or a limit is no duration.
        """
        return stats_report(self.name, self, parse_limits(limits))

    def take_interval(self) -> "PerformanceStats":
        """Return what was recorded since the last call, or since the beginning.

        Nothing is lost and nothing counted twice: a duration that is recorded meanwhile is in this interval or in
        the next, and all intervals add up to the whole, merged counts included. The counts are read without the
        GIL, so that a thread that records is not held up; the statistics themselves keep everything. `reset`
        and what it forgets are in no interval. Let one thread take the intervals.

        Returns:
            Statistics of the same name and layout, with `start_ns` and `end_ns`.

        Raises:
            InvalidStateError: Another thread is just taking one.
        """
        interval: PerformanceStats = PerformanceStats._from_interval(self)
        interval._set_up(self.name, self._now_ns, self._interval_start_ns)
        interval.end_ns = self._interval_start_ns = self._now_ns()
        return interval

    def alert(
        self,
        callback: Callable[[Alert], object],
        above: str | float = "10us",
        *,
        statistic: Statistic = "max",
        every: str | float = "10ms",
    ) -> Alarm:
        """Call a function when durations are above a limit; never on the thread that records.

        Recording only counts, which costs a few nanoseconds while an alarm is armed. A thread of the alarm looks
        at the counts every so often, without the GIL, and calls the function with one `Alert` when there is
        something to report: at most one call in each `every`, for all that happened in it. An exception of the
        function is reported by `threading.excepthook`, and alerts go on.

        What is merged or decoded raises no alert, nor does what `record_corrected` adds to what it was given.
        The alarm ends with `close`, with the statistics, at exit, and in a forked child; by `close` and at exit,
        single durations that no look has met yet are reported. It does not keep the statistics alive, nor does the
        function, even if it refers to them.

        Args:
            callback: What to call.
            above: The limit; exceeded by what is longer.
            statistic: ``"max"``: any single duration is above it. ``"mean"``: the mean of those recorded within
                one `every` is.
            every: How often to look.

        Returns:
            The armed alarm.

        Raises:
            InvalidTypeError: The callback cannot be called.
            InvalidValueError: The statistic is unknown, or a duration is none or out of its range.
        """
        check_callback(callback)
        return Alarm(self, callback, parse_limit(self.name, statistic, above, every), self._now_ns, self._alarms)

    def copy(self) -> "PerformanceStats":
        """Return statistics of their own with the same counts, name, clock and start, and without alarms."""
        twin = PerformanceStats(self.name, lowest=self.lowest, highest=self.highest, digits=self.digits)
        twin._set_up(self.name, self._now_ns, self.start_ns)
        twin.merge(self)
        return twin

    def encode(self) -> str:
        """Return the counts as HdrHistogram's compressed V2 text, which every HdrHistogram tool reads.

        Neither the name nor `saturated` is part of it.
        """
        return encode(self)

    @classmethod
    def decode(cls, text: str | bytes, name: str = "") -> "PerformanceStats":
        """Return statistics of what HdrHistogram's compressed V2 text holds, from any edition that writes it.

        Args:
            text: Base64 text.
            name: What the durations are of, which the text does not say.

        Raises:
            InvalidValueError: The text is damaged, of another version, or of fractions.
            InvalidTypeError: It is no text.
        """
        decoded = decode(text)
        stats = cls(name, lowest=decoded.lowest, highest=decoded.highest, digits=decoded.digits)
        stats.merge(decoded)
        return stats

    def percentile_distribution(self, *, unit: str = "us", ticks_per_half_distance: int = 5) -> str:
        """Return the percentile distribution as the text of a .hgrm file; see the function of that name."""
        return percentile_distribution(self, unit=unit, ticks_per_half_distance=ticks_per_half_distance)

    def log_to(self, log: HistogramLogWriter) -> None:
        """Write this interval into a histogram log, under its name; statistics that go on, up to now.

        Raises:
            InvalidValueError: The name holds a comma or white space, or a time is negative.
        """
        log.write(self, self.start_ns, self._now_ns() if self.end_ns is None else self.end_ns, self.name)

    def __repr__(self) -> str:
        return f"PerformanceStats({self.name!r}, count={self.count})"


def _reader(clock: Clock | Callable[[], int] | None) -> Callable[[], int]:
    if clock is None:
        return time.time_ns
    if isinstance(clock, Clock) and callable(clock.now_ns):
        return clock.now_ns
    if callable(clock):
        return clock
    raise InvalidTypeError(f"clock {clock!r} has no now_ns() and cannot be called; pass a PrecisionTimer, for example")


def _first_reading(now_ns: Callable[[], int]) -> int:
    reading = now_ns()
    if not isinstance(reading, int) or isinstance(reading, bool):
        raise InvalidTypeError(
            f"the clock returned {reading!r}, not a whole number of nanoseconds; pass time.time_ns, for example"
        )
    return reading


def _check_name(name: object) -> str:
    if not isinstance(name, str):
        raise InvalidTypeError(f"name {name!r} is not text; give a str")
    return name

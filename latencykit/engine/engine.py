"""The engine: ticks through feed gate, indicators, signal, risk gate and order to the journal, natively."""

import fcntl
import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from latencykit._core import EngineCore
from latencykit.engine.config import EngineConfig
from latencykit.engine.feed import FeedSource, Records, feed_of
from latencykit.engine.monitoring import Facts, Monitor
from latencykit.engine.orders import OrderArena
from latencykit.engine.paced_run import PacedReport, run_paced
from latencykit.engine.pinning import CpuPinning
from latencykit.engine.run_report import DECISION_DTYPE, FeedFault, RunReport
from latencykit.engine.signals import Signal
from latencykit.engine.stats import Alert, PerformanceStats
from latencykit.engine.ticks import TICK_DTYPE
from latencykit.errors import DataError, InvalidTypeError

STAGES: Final = ("feed", "indicators", "signal", "risk", "order", "log", "tick")
JOURNAL_SCHEMA: Final = "latencykit.journal/1"

_E = TypeVar("_E", bound="Engine")

Strategy = Callable[[int, int, float, float], Signal | None]
"""Decides on a tick: symbol, timestamp_ns, price and volume to a Signal or None."""


class Quote(NamedTuple):
    """What is known of a symbol's market: its newest tick and quote."""

    timestamp_ns: int
    price: float
    volume: float
    bid: float | None
    ask: float | None


class IndicatorValues(NamedTuple):
    """The averages of a symbol."""

    fast: float
    slow: float
    vwap: float
    rsi: float


class Engine(EngineCore):
    """Turn ticks into orders; one thread at a time may use it.

    Every update of a symbol moves its averages and its panic detector. A signal proposes to buy, a position that
    has reached its take-profit or stop proposes to sell; what the risk gate lets pass becomes an order. Orders are
    taken for filled at once at their price: this is an engine to measure, to replay and to build on, not a
    connection to an exchange. Close the engine, or use it in a ``with`` statement, so that the journal is complete
    and the thread has its CPUs back.

    Args:
        config: The set-up; EngineConfig() if None.
        strategy: What decides in place of the panic detector, called with symbol, timestamp_ns, price and volume of
            every update; it returns a Signal or None. It costs a call of Python a tick, and the GIL.
        on_alert: Called, by a thread of its own, with an Alert when the mean time of a tick over a tenth of a second
            is above the configuration's `latency_limit`.

    Raises:
        InvalidTypeError: The strategy cannot be called.
        InvalidValueError: A CPU to pin to is not ours to use.
        DataError: There is a journal already that may not be replaced.
        UnsupportedError: Pinning is asked for on a system without it.
        CapacityError: There is no memory for it.
        OSError: The journal cannot be written.
    """

    __slots__ = ("_monitor", "_pinning", "config")

    config: EngineConfig
    _monitor: Monitor
    _pinning: CpuPinning | None

    def __new__(
        cls,
        config: EngineConfig | None = None,
        *,
        strategy: Strategy | None = None,
        on_alert: Callable[[Alert], object] | None = None,
    ) -> Self:
        """Pin the thread, open the journal between, and make the native engine."""
        config = EngineConfig() if config is None else config
        if not isinstance(config, EngineConfig):
            raise InvalidTypeError(
                f"config {config!r} is no EngineConfig; pass EngineConfig(...), or None for its defaults"
            )
        if strategy is not None and not callable(strategy):
            raise InvalidTypeError(f"strategy {strategy!r} cannot be called; pass a function of four arguments")
        stats = tuple(PerformanceStats(name) for name in STAGES)
        pinning = CpuPinning(config.cpu_cores) if config.cpu_pinning else None
        try:
            monitor = Monitor(stats, config, on_alert)
            self = _make_core(cls, config, stats, strategy, pinning)
        except BaseException:
            if pinning is not None:
                pinning.restore()
            raise
        self.config, self._pinning, self._monitor = config, pinning, monitor
        return self

    def run(self, feed: FeedSource, *, on_chunk: Callable[[int], object] | None = None) -> RunReport:
        """Take every tick of a feed, as fast as it goes; natively and without the GIL unless a strategy decides.

        Args:
            feed: A feed, Ticks, an array of TICK_DTYPE, columns, the path of a CSV file, a SharedRing, or an
                iterable of arrays.
            on_chunk: Called after each chunk with the number of ticks taken so far.

        Raises:
            InvalidTypeError: It is no feed, or its chunks are not of TICK_DTYPE.
            InvalidStateError: The engine is closed, taken by another thread, or halted.
            Exception: What the strategy raised, if the configuration halts on it; the ticks before are done.
        """
        before = self._counts()
        start_ns = time.perf_counter_ns()
        taken = 0
        for chunk in feed_of(feed).chunks():
            rows = _checked(chunk)
            here = self._run(rows)
            taken += here
            if on_chunk is not None:
                on_chunk(taken)
            if here < len(rows) or self._halted:
                break
        return self._report(before, time.perf_counter_ns() - start_ns)

    def run_paced(
        self,
        feed: FeedSource,
        rate: float,
        *,
        duration: float | None = None,
        on_slice: Callable[[PacedReport], object] | None = None,
    ) -> PacedReport:
        """Take ticks when they are due, so many a second, and tell how long after its due time each was done.

        See `latencykit.engine.paced_run` for how it is timed. A strategy is not asked: the panic detector decides.

        Args:
            feed: As `run` takes it; the times in it do not matter to the pace.
            rate: Ticks a second, above 0 and at most 1e9.
            duration: Seconds after which no more ticks are offered, above 0; None goes on to the end of the feed.
            on_slice: Called after each slice of about a second with what became of all ticks so far.

        Raises:
            InvalidValueError: The rate or the duration is out of range.
            InvalidTypeError: It is no feed, or its chunks are not of TICK_DTYPE.
            InvalidStateError: The engine is closed, taken by another thread, or halted.
        """
        chunks = map(_checked, feed_of(feed).chunks())
        return run_paced(self._run_paced, chunks, rate, duration=duration, on_slice=on_slice)

    def summary(self, elapsed_ns: int = 0) -> RunReport:
        """Return what became of all ticks since the engine was made, also where a run was interrupted.

        Args:
            elapsed_ns: What the report is to say of the time that it took.
        """
        return self._report((0, 0, 0, 0, 0, 0, 0, 0, 0.0), elapsed_ns)

    def facts(self) -> Facts:
        """Return counts, faults, health and the journal's state at this moment; not of a closed engine."""
        return self._facts()

    def decisions(self) -> NDArray[np.void]:
        """Return the newest orders and refusals, oldest first, as an array of DECISION_DTYPE.

        While another thread runs, rows that it is writing may be mixtures.
        """
        return np.frombuffer(self._events(), dtype=DECISION_DTYPE)

    def quote(self, symbol: int = 0) -> Quote | None:
        """Return the newest tick and quote of a symbol, consistent while another thread runs; None before any."""
        found = self._quote(symbol)
        return None if found is None else Quote(*found)

    def indicators(self, symbol: int = 0) -> IndicatorValues:
        """Return the averages of a symbol; not while another thread runs."""
        return IndicatorValues(*self._indicators(symbol))

    def faults(self) -> tuple[FeedFault, ...]:
        """Return what of the feeds was not as it should be, by kind."""
        return tuple(FeedFault(*each) for each in self._feed_counts() if each[1])

    def performance_stats(self) -> dict[str, PerformanceStats]:
        """Return the times of the timed ticks by stage; ``tick`` is the sum of a tick's stages.

        They are live. What two readings of the clock take by themselves is taken off each stage.
        """
        return self._monitor.by_stage()

    def meets_targets(self, **limits: str | float) -> bool:
        """Tell whether the time of a tick is below limits, such as ``p50="100ns"``; see PerformanceStats.

        Raises:
            InvalidStateError: Too few ticks were timed to know.
            InvalidValueError: A statistic is unknown, or a limit is no duration.
        """
        return self._monitor.stats[-1].meets_targets(**limits)

    def report(self) -> str:
        """Return the stages, the counts and the health of the engine as text for 80 columns."""
        return self._monitor.report(self._facts())

    def prometheus(self) -> str:
        """Return the same in Prometheus's text format 0.0.4, to be served or written by whoever wants it."""
        return self._monitor.prometheus(self._facts())

    def close(self) -> None:
        """Complete the journal and give the thread its CPUs back; a second call does nothing.

        Raises:
            OSError: The journal could not be written.
            InvalidStateError: It is running in another thread, and goes on as it was.
        """
        try:
            self._close()
        finally:
            if self.closed:
                self._monitor.close()
                if self._pinning is not None:
                    self._pinning.restore()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def _report(self, before: tuple[int | float, ...], elapsed_ns: int) -> RunReport:
        counts = self._counts()
        ticks, skipped, held, updates, signals, entries, exits, refused = (
            int(now - then) for now, then in zip(counts[:8], before[:8], strict=True)
        )
        decisions = self.decisions()
        return RunReport(
            ticks=ticks,
            skipped=skipped,
            held=held,
            updates=updates,
            signals=signals,
            orders=entries + exits,
            refused=refused,
            profit=counts[8] - before[8],
            elapsed_ns=elapsed_ns,
            decisions=decisions[decisions["row"] >= before[0]],
            faults=self.faults(),
            stopped=self.stopped,
            strategy_errors=self._failures[0],
        )

    def _facts(self) -> Facts:
        return Facts(self._counts(), self.faults(), self._health(), self._journal_state(), self.stopped,
                     self._sample_floor_ns, self._failures)  # fmt: skip


def _make_core(
    cls: type[_E],
    config: EngineConfig,
    stats: tuple[PerformanceStats, ...],
    strategy: Strategy | None,
    pinning: CpuPinning | None,
) -> _E:
    """Make the native engine; the journal's thread inherits the CPU of the thread that starts it."""
    arena = OrderArena(config.arena_capacity, on_exhausted="recycle", prefault=config.preallocated_memory > 0)
    if pinning is not None:
        pinning.pin_current_thread(config.cpu_cores[1])
    path = None if config.journal_path is None else Path(config.journal_path).absolute()
    settings, detector, head = config.native(), config.make_detector(), _journal_head(config)
    journal = -1 if path is None else _open_journal(path, replace=config.journal_replace)
    self = EngineCore.__new__(
        cls, settings, detector, arena, stats, strategy,
        journal=journal, journal_path=os.fsencode(path or ""), journal_head=head,
    )  # fmt: skip
    if pinning is not None:
        pinning.pin_current_thread(config.cpu_cores[0])
    return self


def _open_journal(path: Path, *, replace: bool) -> int:
    """Open and lock the file before anything of it is lost: two engines must not write into one."""
    if path.is_dir():
        raise DataError(f"{path} is a folder; name a file in it for the journal")
    journal = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        _claim(journal, path)
        _empty(journal, path, replace=replace)
    except BaseException:
        os.close(journal)
        raise
    return journal


def _claim(journal: int, path: Path) -> None:
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataError(f"{path} is the journal of an engine that is open; close that one, or name another") from None
    except OSError:  # A file system without locks: there the claim is the user's to keep.
        pass


def _empty(journal: int, path: Path, *, replace: bool) -> None:
    facts = os.fstat(journal)
    if facts.st_size and not replace:
        raise DataError(f"{path} is there already; name another journal, or set journal_replace to lose that one")
    if stat.S_ISREG(facts.st_mode):
        os.ftruncate(journal, 0)


def _journal_head(config: EngineConfig) -> bytes:
    """Return the first line: what the file is, and all that its decisions depend on but the ticks."""
    return f"# {JOURNAL_SCHEMA} {json.dumps(config.deciding(), sort_keys=True)}\n".encode()


def _checked(chunk: Records) -> Records:
    if not isinstance(chunk, np.ndarray) or chunk.dtype != TICK_DTYPE:
        raise InvalidTypeError(f"a chunk of the feed is no array of TICK_DTYPE but {type(chunk).__name__}; see Feed")
    return np.ascontiguousarray(chunk)

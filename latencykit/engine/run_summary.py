"""What an engine did with a feed, as plain figures that can be shown and stored."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from latencykit._core import clock_info
from latencykit.engine.config_checks import duration_ns
from latencykit.engine.feed import Damage, Feed, damage_of, place_of
from latencykit.engine.monitoring import Facts
from latencykit.engine.run_report import FeedFault
from latencykit.engine.stats import PerformanceStats

if TYPE_CHECKING:
    from latencykit.engine.engine import Engine


@dataclass(frozen=True, slots=True)
class StageTime:
    """The time of one stage over the timed ticks, net of the clock; None is what too few of them support."""

    stage: str
    count: int
    mean_ns: float | None
    p50_ns: float | None
    p99_ns: float | None
    p999_ns: float | None
    max_ns: float | None


@dataclass(frozen=True, slots=True)
class FaultPlace:
    """What of a feed was not as it should be, of one kind, and what became of it.

    Attributes:
        kind: The rule's name.
        policy: ``accept``, ``skip`` or ``halt``.
        count: How many ticks.
        first_row: The row of the first, counted from 0.
        first_place: Where that is: ``FILE:LINE``, or the source and the row.
    """

    kind: str
    policy: str
    count: int
    first_row: int
    first_place: str


@dataclass(frozen=True, slots=True)
class JournalFile:
    """A journal that is complete.

    Attributes:
        path: Where it is.
        lines: How many lines follow the first, which says what the file is.
        lost: How many could not be written.
        stalls: How often the engine waited for it.
        stalled_ns: How long, in all.
        sha256: Of the whole file, in hexadecimal digits; None of a pipe or a device.
    """

    path: str
    lines: int
    lost: int
    stalls: int
    stalled_ns: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class StrategyFailure:
    """What a strategy raised: how often, where first, and the first error in a sentence."""

    count: int
    first_row: int
    first_place: str
    error: str


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What an engine did with a feed.

    Attributes:
        source: Where the ticks came from.
        ticks: How many came in.
        skipped: How many of them the feed rules skipped.
        held: How many the update interval held.
        updates: How many led to an update.
        signals: How many signals were given.
        entries: Orders that bought.
        exits: Orders that sold.
        refused: Signals or exits that led to no order.
        profit: What the exits realised on paper: filled at once and whole, no fees.
        elapsed_ns: Wall time, the feed's own work included.
        stages: The times by stage; the last is of whole ticks.
        sample_every: One tick in so many was timed; 0 none.
        sample_floor_ns: What of the clock was taken off each stage.
        resolution_ns: The clock's step.
        latency_limit_ns: Above this mean of a tick an engine is degraded.
        degraded_times: How often it became so.
        faults: What of the feed was not as it should be.
        damage: What the feed could make no tick of.
        journal: The journal, or None.
        stopped: The place at which orders stopped and why, or None.
        failure: What the strategy raised, or None.
        interrupted: Whether it ended before its feed, by the user.
    """

    source: str
    ticks: int
    skipped: int
    held: int
    updates: int
    signals: int
    entries: int
    exits: int
    refused: int
    profit: float
    elapsed_ns: int
    stages: tuple[StageTime, ...]
    sample_every: int
    sample_floor_ns: float
    resolution_ns: float
    latency_limit_ns: float
    degraded_times: int
    faults: tuple[FaultPlace, ...]
    damage: tuple[Damage, ...]
    journal: JournalFile | None
    stopped: tuple[str, str] | None
    failure: StrategyFailure | None
    interrupted: bool


def summarise(engine: "Engine", feed: Feed, *, elapsed_ns: int, interrupted: bool = False) -> RunSummary:
    """Return what an engine did with a feed since it was made; its journal is read for its hash.

    Args:
        engine: The engine, open, and flushed so that its journal is complete.
        feed: The feed that it took.
        elapsed_ns: Wall time of the run.
        interrupted: Whether the user ended it.

    Raises:
        OSError: The journal cannot be read.
    """
    facts, config = engine.facts(), engine.config
    ticks, skipped, held, updates, signals, entries, exits, refused, profit = facts.counts
    return RunSummary(
        source=feed.source,
        ticks=ticks, skipped=skipped, held=held, updates=updates, signals=signals,
        entries=entries, exits=exits, refused=refused, profit=profit,
        elapsed_ns=elapsed_ns,
        stages=tuple(stage_time(stats) for stats in engine.performance_stats().values()),
        sample_every=config.sample_every,
        sample_floor_ns=facts.sample_floor_ns,
        resolution_ns=clock_info()["resolution_ns"],
        latency_limit_ns=duration_ns("latency_limit", config.latency_limit),
        degraded_times=facts.health[1],
        faults=tuple(_fault(fault, feed, getattr(config.feed_rules, fault.kind)) for fault in facts.faults),
        damage=damage_of(feed),
        journal=_journal(config.journal_path, facts.journal),
        stopped=_stopped(facts, feed),
        failure=_failure(facts.failures, feed),
        interrupted=interrupted,
    )  # fmt: skip


def stage_time(stats: PerformanceStats) -> StageTime:
    """Return what the statistics of a stage support."""
    p50, p99, p999 = (float(stats.percentile(q)) if stats.supports(q) else None for q in (50, 99, 99.9))
    some = stats.count > 0
    return StageTime(
        stats.name, stats.count, stats.mean if some else None, p50, p99, p999, float(stats.max) if some else None
    )


def _fault(fault: FeedFault, feed: Feed, policy: str) -> FaultPlace:
    return FaultPlace(fault.kind, policy, fault.count, fault.first_row, _place(feed, fault.first_row))


def _stopped(facts: Facts, feed: Feed) -> tuple[str, str] | None:
    error = facts.failures[2]
    if facts.stopped is None or (error is not None and not isinstance(error, Exception)):
        return None
    return _place(feed, facts.stopped[0]), facts.stopped[1]


def _failure(failures: tuple[int, int, BaseException | None], feed: Feed) -> StrategyFailure | None:
    count, row, error = failures
    if not count or not isinstance(error, Exception):  # an interrupt is no failure
        return None
    said = " ".join(str(error).split())
    return StrategyFailure(
        count, row, _place(feed, row), f"{type(error).__name__}: {said}" if said else type(error).__name__
    )


def _place(feed: Feed, row: int) -> str:
    try:
        return place_of(feed, row)
    except IndexError:  # after the last row, where a kill was seen
        return f"{feed.source}: row {row:,}"


def _journal(path: str | os.PathLike[str] | None, state: tuple[int, int, int, int] | None) -> JournalFile | None:
    if path is None or state is None:
        return None
    sha256 = None
    if Path(path).is_file():  # a pipe or a device does not give back what was written
        with Path(path).open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return JournalFile(os.fsdecode(path), *state, sha256)

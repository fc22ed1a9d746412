"""What an engine says of itself while it runs: a report, Prometheus's text, alerts."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from latencykit.engine.config import EngineConfig
from latencykit.engine.config_checks import duration_ns
from latencykit.engine.run_report import FeedFault
from latencykit.engine.stats import Alarm, Alert, PerformanceStats
from latencykit.units import format_ns

_ALERT_EVERY = "100ms"
_QUANTILES = (50.0, 90.0, 99.0, 99.9)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the native engine tells at a moment.

    Attributes:
        counts: Ticks, skipped, held, updates, signals, entries, exits, refused, and the realised profit.
        faults: What of the feeds was not as it should be.
        health: Whether it is degraded, how often it became so, and the mean time of a tick in ns.
        journal: Lines, lines lost, stalls and ns stalled; None without a journal.
        stopped: The row at which orders stopped and why; None while they go on.
        sample_floor_ns: What was taken off the time of each stage.
        failures: How often the strategy failed, the first row, and the first exception.
    """

    counts: tuple[int, int, int, int, int, int, int, int, float]
    faults: tuple[FeedFault, ...]
    health: tuple[bool, int, float]
    journal: tuple[int, int, int, int] | None
    stopped: tuple[int, str] | None
    sample_floor_ns: float
    failures: tuple[int, int, BaseException | None]


class Monitor:
    """Hold the statistics of an engine's stages and the alarm on its ticks.

    Args:
        stats: One for each stage, and the last of whole ticks.
        config: The engine's.
        on_alert: Called with an Alert when the mean of a tick is above the limit; None arms nothing.
    """

    def __init__(
        self,
        stats: tuple[PerformanceStats, ...],
        config: EngineConfig,
        on_alert: Callable[[Alert], object] | None,
    ) -> None:
        self.stats = stats
        self._every = config.sample_every
        self._limit_ns = duration_ns("latency_limit", config.latency_limit)
        self._alarm: Alarm | None = None
        if on_alert is not None:
            self._alarm = stats[-1].alert(on_alert, self._limit_ns, statistic="mean", every=_ALERT_EVERY)

    def by_stage(self) -> dict[str, PerformanceStats]:
        """Return the statistics by the stage's name."""
        return {each.name: each for each in self.stats}

    def close(self) -> None:
        """Disarm the alarm."""
        if self._alarm is not None:
            self._alarm.close()

    def report(self, facts: Facts) -> str:
        """Lay out stages, counts and health for 80 columns."""
        lines = [f"  {'stage':<12}{'mean':>10}{'p50':>10}{'p99':>10}{'p99.9':>10}{'max':>10}"]
        lines += [_stage_row(each) for each in self.stats]
        return "\n".join([*lines, self._how_timed(facts), *_sentences(facts, self._limit_ns)])

    def _how_timed(self, facts: Facts) -> str:
        count = self.stats[-1].count
        if self._every == 0:
            return "  no tick was timed: sample_every is 0"
        which = "every tick" if self._every == 1 else f"one tick in {self._every:,}, at random distances"
        return f"  {count:,} ticks timed, {which}; {format_ns(facts.sample_floor_ns)} of the clock taken off each stage"

    def prometheus(self, facts: Facts) -> str:
        """Return counters and summaries in Prometheus's text format 0.0.4."""
        lines = _counters(facts)
        lines += [
            "# HELP latencykit_stage_seconds Time of the timed ticks by stage.",
            "# TYPE latencykit_stage_seconds summary",
        ]
        for each in self.stats:
            lines += _summary(each)
        return "\n".join(lines) + "\n"


def _stage_row(stats: PerformanceStats) -> str:
    if not stats.count:
        return f"  {stats.name:<12}{'n/a':>10}"
    cells = [stats.mean, *(_percentile(stats, q) for q in (50, 99, 99.9)), stats.max]
    return f"  {stats.name:<12}" + "".join(f"{format_ns(value):>10}" for value in cells)


def _percentile(stats: PerformanceStats, q: float) -> int | None:
    return stats.percentile(q) if stats.supports(q) else None


def _sentences(facts: Facts, limit_ns: float) -> list[str]:
    ticks, skipped, held, updates, signals, entries, exits, refused, profit = facts.counts
    lines = [
        f"  {ticks:,} ticks, {skipped:,} skipped, {held:,} held, {updates:,} updates",
        f"  {signals:,} signals, {entries:,} entries, {exits:,} exits, {refused:,} refused; "
        f"realised {profit:,.2f} (filled at once, no fees)",
    ]
    lines += [
        f"  {fault.kind.replace('_', ' ')}: {fault.count:,}, rows {fault.first_row:,} to {fault.last_row:,}"
        for fault in facts.faults
    ]
    degraded, times, _ = facts.health
    if times:
        now = "is" if degraded else "was"
        lines.append(f"  it {now} degraded, {times:,} times above a mean of {format_ns(limit_ns)} a tick")
    if facts.journal is not None:
        lines += _journal_sentences(facts.journal)
    failures, row, first = facts.failures
    if failures:
        lines.append(f"  the strategy failed {failures:,} times, first at row {row:,}: {first!r}")
    if facts.stopped is not None:
        lines.append(f"  no orders since row {facts.stopped[0]:,}: {facts.stopped[1]}")
    return lines


def _journal_sentences(journal: tuple[int, int, int, int]) -> list[str]:
    written, lost, stalls, stalled_ns = journal
    lines = [f"  {written:,} lines journaled"]
    if stalls:
        lines[0] += f"; the engine waited for the journal {stalls:,} times, {format_ns(stalled_ns)} in all"
    if lost:
        lines.append(f"  {lost:,} lines of the journal were lost")
    return lines


def _counters(facts: Facts) -> list[str]:
    names = ("ticks", "skipped", "held", "updates", "signals", "entries", "exits", "refused")
    lines = []
    for name, value in zip(names, facts.counts, strict=False):
        lines += [f"# TYPE latencykit_{name}_total counter", f"latencykit_{name}_total {value}"]
    lines += ["# TYPE latencykit_feed_faults_total counter"]
    lines += [f'latencykit_feed_faults_total{{kind="{fault.kind}"}} {fault.count}' for fault in facts.faults]
    if facts.journal is not None:
        for name, value in zip(("lines", "lost_lines", "stalls"), facts.journal, strict=False):
            lines += [f"# TYPE latencykit_journal_{name}_total counter", f"latencykit_journal_{name}_total {value}"]
        stalled = facts.journal[3] / 1e9
        lines += ["# TYPE latencykit_journal_stalled_seconds_total counter"]
        lines += [f"latencykit_journal_stalled_seconds_total {stalled!r}"]
    lines += [
        "# TYPE latencykit_strategy_failures_total counter",
        f"latencykit_strategy_failures_total {facts.failures[0]}",
    ]
    gauges: tuple[tuple[str, float], ...] = (
        ("degraded", int(facts.health[0])),
        ("stopped", int(facts.stopped is not None)),
        ("profit", facts.counts[8]),
    )
    for name, level in gauges:
        # Python's inf and nan are Prometheus's +Inf and NaN.
        number = repr(level) if math.isfinite(level) else f"{level:+}".replace("inf", "Inf").replace("+nan", "NaN")
        lines += [f"# TYPE latencykit_{name} gauge", f"latencykit_{name} {number}"]
    return lines


def _summary(stats: PerformanceStats) -> list[str]:
    label = f'stage="{stats.name}"'
    known = [(q, _percentile(stats, q)) for q in _QUANTILES]
    lines = [
        f'latencykit_stage_seconds{{{label},quantile="{q / 100:g}"}} {value_ns / 1e9!r}'
        for q, value_ns in known
        if value_ns is not None
    ]
    total_s = stats.mean * stats.count / 1e9 if stats.count else 0.0
    return [
        *lines,
        f"latencykit_stage_seconds_sum{{{label}}} {total_s!r}",
        f"latencykit_stage_seconds_count{{{label}}} {stats.count}",
    ]

"""A run of the engine for the command line: made, watched, and kept also where it ends early."""

import sys
import time
from collections.abc import Iterator, Mapping, Sized
from contextlib import closing
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from latencykit.analysis.feed_prices import CostFound, FeedPrices
from latencykit.analysis.open_loop import RatePoint, next_rate
from latencykit.commands.engine_delivery import Done, deliver
from latencykit.commands.engine_request import SWEEP, Request, read_request
from latencykit.commands.engine_strategy import load_strategy
from latencykit.commands.output import columns_of, obeys_escapes
from latencykit.engine.alerts import Alert
from latencykit.engine.engine import Engine
from latencykit.engine.feed import Feed, Records
from latencykit.engine.feeds import JournalFeed
from latencykit.engine.paced_run import PacedReport
from latencykit.engine.run_summary import summarise
from latencykit.errors import UsageError
from latencykit.reporters.run_progress import RunProgress

_FIRST_RATE = 10_000.0
_SWEEP_ROWS = 1_000_000


def run_engine(given: Mapping[str, Any]) -> int:
    """Do what the options ask for, show it, and return the exit status."""
    request = read_request(given)
    total = len(request.feed) if isinstance(request.feed, Sized) and request.rate is None else None
    live = obeys_escapes(sys.stderr)
    with closing(RunProgress(sys.stderr, live=live, width=lambda: columns_of(sys.stderr), total=total)) as progress:
        watched = _Watched(request, None if request.quiet else progress)
        done = watched.sweep() if request.rate == SWEEP else watched.run()
    return deliver(done, request)


class _Watched:
    """One run, and what is told while it goes on."""

    def __init__(self, request: Request, progress: RunProgress | None) -> None:
        self._request, self._progress = request, progress
        self._tell_of_other_settings()

    def run(self) -> Done:
        """Run once, as fast as it goes or at a rate; whatever ends it, what was done until then is returned."""
        request = self._request
        strategy = None if request.strategy is None else load_strategy(request.strategy)
        feed = _KeptFeed(request)
        paced: list[PacedReport] = []
        problem: BaseException | None = None
        with _engine(request, strategy=strategy, on_alert=self._alert) as engine:
            start_ns = time.perf_counter_ns()
            try:
                if request.rate is None:
                    engine.run(feed, on_chunk=lambda ticks: self._ticks(engine, ticks))
                else:
                    self._run_paced(engine, feed, paced)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - told after what was done is shown
                problem = error
            elapsed_ns = feed.opened_ns + time.perf_counter_ns() - start_ns
            return self._finish(engine, feed, paced, problem, elapsed_ns)

    def _run_paced(self, engine: Engine, feed: Feed, paced: list[PacedReport]) -> None:
        def on_slice(report: PacedReport) -> None:
            paced[:] = [report]
            self._ticks(engine, report.ticks)

        engine.run_paced(feed, _number(self._request.rate), duration=self._request.duration, on_slice=on_slice)

    def _finish(
        self,
        engine: Engine,
        feed: "_KeptFeed",
        paced: list[PacedReport],
        problem: BaseException | None,
        elapsed_ns: int,
    ) -> Done:
        try:
            engine.flush()
        except OSError as error:
            problem = problem or UsageError(f"{error}; make room, or name another file with --journal")
        summary = summarise(
            engine, feed.inner, elapsed_ns=elapsed_ns, interrupted=isinstance(problem, KeyboardInterrupt)
        )
        if not summary.ticks and problem is not None:
            raise problem
        stats = engine.performance_stats()
        if paced:
            stats["response"] = paced[0].responses
        return Done(
            run=summary,
            cost=self._cost(engine, feed, summary.ticks),
            points=tuple(map(_point, paced)),
            stats=stats,
            resolution_ns=summary.resolution_ns,
            prometheus=engine.prometheus(),
            problem=problem,
        )

    def _cost(self, engine: Engine, feed: "_KeptFeed", taken: int) -> CostFound | None:
        if feed.prices is None:
            return None
        entries = engine.summary().entries
        levels = [(int(each["row"]), float(each["take_profit"]), float(each["stop"])) for each in entries]
        found = feed.prices.cost(taken, levels, self._request.delays_ns)
        made = engine.facts().counts[5]
        if made > len(levels):
            newest = f"of the newest {len(levels):,} of {made:,} entries"
            return replace(found, remark="; ".join(filter(None, [newest, found.remark])))
        return found

    def sweep(self) -> Done:
        """Try rates, each with an engine of its own, until one is too much."""
        rows = _first_rows(self._request.feed)
        reports: list[PacedReport] = []
        problem: BaseException | None = None
        try:
            while (rate := next_rate(list(map(_point, reports)), first=_FIRST_RATE)) is not None:
                reports.append(self._at_rate(rows, rate, replaces=bool(reports)))
        except KeyboardInterrupt as error:
            problem = error
            if not reports:
                raise
        return Done(
            run=None,
            cost=None,
            points=tuple(map(_point, reports)),
            stats={f"response at {report.rate:.0f}/s": report.responses for report in reports},
            resolution_ns=reports[0].resolution_ns,
            prometheus="",
            problem=problem,
        )

    def _at_rate(self, rows: Records, rate: float, *, replaces: bool) -> PacedReport:
        if self._progress is not None:
            self._progress.doing(f"offering {rate:,.0f} ticks/s")
        with _engine(self._request, replaces=replaces) as engine:
            return engine.run_paced(rows, rate, duration=self._request.duration)

    def _ticks(self, engine: Engine, done: int) -> None:
        if self._progress is not None:
            self._progress.ticks(done, degraded=engine.facts().health[0])

    def _alert(self, alert: Alert) -> None:
        if self._progress is not None:
            self._progress.alert(alert.value_ns, alert.limit_ns)

    def _tell_of_other_settings(self) -> None:
        feed = self._request.feed
        if self._progress is None or not isinstance(feed, JournalFeed):
            return
        then, now = feed.settings(), self._request.config.deciding()
        other = sorted(name for name in now if then.get(name) != now[name])
        if other:
            named = ", ".join(f"{name} was {then.get(name)!r} and is {now[name]!r}" for name in other[:3])
            more = f", and {len(other) - 3} more" if len(other) > 3 else ""
            self._progress.notice(f"warning: the journal was made with other settings: {named}{more}")


class _KeptFeed:
    """The feed of a request, whose prices are kept where the cost of latency is to be told.

    Its first chunk is read before an engine is made, so that a file that is none leaves an old journal as it was.
    """

    def __init__(self, request: Request) -> None:
        self.inner = request.feed
        self.source = self.inner.source
        config = request.config
        skipped = {
            kind for kind in config.feed_rules.__dataclass_fields__ if getattr(config.feed_rules, kind) == "skip"
        }
        self.prices = FeedPrices(config.symbols, skipped) if request.delays_ns else None
        self._chunks = self.inner.chunks()
        start_ns = time.perf_counter_ns()
        if hasattr(self.inner, "place"):
            first = next(self._chunks, None)
            self._chunks = chain([] if first is None else [first], self._chunks)
        self.opened_ns = time.perf_counter_ns() - start_ns

    def chunks(self) -> Iterator[Records]:
        for chunk in self._chunks:
            if self.prices is not None:
                self.prices.add(chunk)
            yield chunk


def _engine(request: Request, *, replaces: bool = False, **arguments: Any) -> Engine:
    config = replace(request.config, journal_replace=True) if replaces else request.config
    try:
        return Engine(config, **arguments)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"--journal {config.journal_path} cannot be written: {reason}; name another file") from error


def _first_rows(feed: Feed) -> Records:
    """Return as many ticks as a sweep needs, in memory."""
    chunks: list[Records] = []
    count = 0
    for chunk in feed.chunks():
        chunks.append(chunk)
        count += len(chunk)
        if count >= _SWEEP_ROWS:
            break
    if not count:
        raise UsageError(f"{feed.source} has no ticks to offer; give another feed")
    return np.concatenate(chunks)[:_SWEEP_ROWS]


def _point(report: PacedReport) -> RatePoint:
    stats = report.responses
    p50, p90, p99, p999 = (float(stats.percentile(q)) if stats.supports(q) else None for q in (50, 90, 99, 99.9))
    longest = float(stats.max) if stats.count else None
    return RatePoint(report.rate, report.achieved, report.ticks, p50, p90, p99, p999, longest)


def _number(rate: float | str | None) -> float:
    assert isinstance(rate, float)  # noqa: S101 - the caller has looked
    return rate

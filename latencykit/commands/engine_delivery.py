"""What is shown and written of a run of the engine, and the exit status that follows from it."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

from latencykit.analysis.feed_prices import CostFound
from latencykit.analysis.open_loop import RatePoint
from latencykit.commands.engine_request import SWEEP, Request
from latencykit.commands.failures import CHECK_FAILED, GOOD, INCONCLUSIVE, INTERRUPTED, WRONG, explain
from latencykit.commands.output import Destination, show, view_of
from latencykit.engine.run_summary import RunSummary
from latencykit.engine.stats import PerformanceStats
from latencykit.reporters import console, engine_json
from latencykit.reporters.blocks import TextBlock
from latencykit.reporters.engine_run import run_blocks
from latencykit.reporters.latency_cost import cost_block
from latencykit.reporters.open_loop import open_loop_block
from latencykit.reporters.rows import plain_ns
from latencykit.units import format_ns


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: of one engine, or of a sweep, which has no `run`.

    Attributes:
        run: What the engine did with its feed.
        cost: What latency costs, if it was to be told.
        points: Response times by rate.
        stats: Histograms by stage, and of response times.
        resolution_ns: The clock's step.
        prometheus: The engine's figures as Prometheus's text.
        problem: What ended it early, or None.
    """

    run: RunSummary | None
    cost: CostFound | None
    points: tuple[RatePoint, ...]
    stats: Mapping[str, PerformanceStats]
    resolution_ns: float
    prometheus: str
    problem: BaseException | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A target and how the figures stand against it."""

    of: str
    statistic: str
    limit_ns: float
    value_ns: float | None
    verdict: Literal["met", "missed", "inconclusive"]

    def __str__(self) -> str:
        measured = format_ns(self.value_ns) if self.value_ns is not None else "too few were timed"
        return f"target {self.of} {self.statistic} < {plain_ns(self.limit_ns)}: {self.verdict} ({measured})"


def deliver(done: Done, request: Request) -> int:
    """Write the files, show the tables, say what went wrong, and return the exit status."""
    judged = _judge(done, request)
    problems = _save(done, request, judged)
    stream = sys.stderr if request.to_stdout else sys.stdout
    if not (request.quiet and stream is sys.stderr):
        view = view_of(stream)
        blocks = _blocks(done, request, judged, view.width)
        show(console.render_blocks(blocks, width=view.width, colour=view.colour), stream)
    for sentence in problems:
        show(f"latencykit: error: {sentence}", sys.stderr)
    if isinstance(done.problem, KeyboardInterrupt):
        show("latencykit: interrupted; what was done until then is kept", sys.stderr)
        return INTERRUPTED
    ended = _ended(done)
    if ended:
        show(ended, sys.stderr)
    if ended or problems:
        return WRONG
    return _checked({each.verdict for each in judged}) if request.check else GOOD


def _ended(done: Done) -> str:
    """Return the sentence for what ended a run before its feed, or its orders before its ticks; or nothing."""
    run = done.run
    if isinstance(done.problem, Exception):
        failure = None if run is None else run.failure
        if failure is not None and failure.error.startswith(type(done.problem).__name__):
            return f"latencykit: error: the strategy raised {failure.error}, at {failure.first_place}"
        return explain(done.problem)
    if run is None or run.stopped is None:
        return ""
    place, reason = run.stopped
    return f"latencykit: error: stopped at {place}: {reason.replace('_', ' ')}"


def _checked(verdicts: set[str]) -> int:
    return CHECK_FAILED if "missed" in verdicts else INCONCLUSIVE if "inconclusive" in verdicts else GOOD


def _judge(done: Done, request: Request) -> list[Judged]:
    of = "response" if done.points else "tick"
    judged = []
    for statistic, limit_ns in request.targets.items():
        value = statistic.value_ns(done.stats[of])
        verdict: Literal["met", "missed", "inconclusive"] = (
            "inconclusive" if value is None else "met" if value < limit_ns else "missed"
        )
        judged.append(Judged(of, statistic.label, limit_ns, value, verdict))
    return judged


def _blocks(done: Done, request: Request, judged: list[Judged], width: int) -> list[TextBlock]:
    blocks = []
    if done.run is not None:
        blocks += run_blocks(done.run, [str(each) for each in judged])
    if done.points:
        blocks.append(open_loop_block(done.points, done.resolution_ns, sweep=request.rate == SWEEP))
    if done.cost is not None:
        blocks += _cost_blocks(done.cost, width)
    return blocks


def _cost_blocks(found: CostFound, width: int) -> list[TextBlock]:
    if found.cost is None:
        return [TextBlock("what latency costs", facts=(found.remark,))]
    block = cost_block(found.cost, width)
    return [replace(block, legend=(*block.legend, *([f"Here: {found.remark}."] if found.remark else [])))]


def _save(done: Done, request: Request, judged: list[Judged]) -> list[str]:
    """Write the files that were asked for; return a sentence for each that could not be."""
    written: list[tuple[Destination, bytes]] = []
    if request.json is not None:
        data = engine_json.render(
            done.run,
            cost=None if done.cost is None else done.cost.cost,
            rates=done.points,
            targets=[asdict(each) for each in judged],
            histograms={name: stats.encode() for name, stats in done.stats.items()},
        )
        written.append((request.json, data))
    if request.prometheus is not None:
        written.append((request.prometheus, done.prometheus.encode()))
    return [sentence for destination, data in written if (sentence := destination.save(data)) is not None]

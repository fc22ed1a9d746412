"""A run of the engine as the lines that a person reads: stages, counts, faults, the journal."""

from collections.abc import Sequence
from typing import Final

from latencykit.engine.run_summary import FaultPlace, JournalFile, RunSummary, StageTime
from latencykit.reporters.blocks import TextBlock, TextColumn, text_table
from latencykit.reporters.rows import plain_ns
from latencykit.units import format_ns

_DONE: Final = {"accept": "accepted", "skip": "skipped", "halt": "halted"}
_STAGES: Final = (
    TextColumn[StageTime]("stage", lambda stage: stage.stage, left=True),
    TextColumn[StageTime]("mean", lambda stage: format_ns(stage.mean_ns)),
    TextColumn[StageTime]("p50", lambda stage: format_ns(stage.p50_ns)),
    TextColumn[StageTime]("p99", lambda stage: format_ns(stage.p99_ns)),
    TextColumn[StageTime]("p99.9", lambda stage: format_ns(stage.p999_ns)),
    TextColumn[StageTime]("max", lambda stage: format_ns(stage.max_ns)),
)


def run_blocks(run: RunSummary, remarks: Sequence[str] = ()) -> list[TextBlock]:
    """Lay out a run of the engine.

    Args:
        run: What it did.
        remarks: Sentences to show below the facts, such as verdicts on targets.
    """
    timed = run.sample_every > 0
    return [
        TextBlock(
            title=f"engine run: {run.source}",
            tables=(text_table(run.stages, _STAGES),) if timed else (),
            facts=(*_facts(run), *remarks),
            legend=(_how_timed(run), *_explained(run)),
        )
    ]


def _facts(run: RunSummary) -> list[str]:
    lines = [
        f"{run.ticks:,} ticks in {format_ns(run.elapsed_ns)}{_rate(run)}: {run.updates:,} updates, {run.held:,} held, "
        f"{run.skipped:,} skipped",
        f"{run.signals:,} signals, {run.entries:,} entries, {run.exits:,} exits, {run.refused:,} refused; "
        f"realised {run.profit:,.2f} on paper",
    ]
    lines += [_fault(fault) for fault in run.faults]
    for damage in run.damage:
        lines.append(f"damaged lines, {damage.kind}: {damage.count:,}, the first {damage.first_error}")
    if run.degraded_times:
        lines.append(
            f"degraded {_times(run.degraded_times)}: the mean of a tick was above {plain_ns(run.latency_limit_ns)}"
        )
    if run.journal is not None:
        lines += _journal(run.journal)
    if run.failure is not None:
        failed = run.failure
        lines.append(f"strategy failed {_times(failed.count)}, the first at {failed.first_place}: {failed.error}")
    if run.stopped is not None:
        lines.append(f"no orders from {run.stopped[0]} on: {run.stopped[1].replace('_', ' ')}")
    if run.interrupted:
        lines.append("interrupted: this is what was done until then")
    return lines


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _rate(run: RunSummary) -> str:
    return f" ({run.ticks / run.elapsed_ns * 1e9:,.0f} a second, with the feed's own work)" if run.elapsed_ns else ""


def _fault(fault: FaultPlace) -> str:
    return f"{fault.kind.replace('_', ' ')}: {fault.count:,} {_DONE[fault.policy]}, the first at {fault.first_place}"


def _journal(journal: JournalFile) -> list[str]:
    lines = [f"journal {journal.path}: {journal.lines:,} lines"]
    if journal.sha256 is not None:
        lines = [f"{lines[0]}, SHA-256", f"  {journal.sha256}"]
    if journal.stalls:
        lines.append(
            f"the engine waited for the journal {journal.stalls:,} times, {format_ns(journal.stalled_ns)} in all"
        )
    if journal.lost:
        lines.append(f"{journal.lost:,} lines of the journal were lost: it could not be written")
    return lines


def _how_timed(run: RunSummary) -> str:
    if not run.sample_every:
        return "No tick was timed: --sample-every is 0."
    which = "every tick" if run.sample_every == 1 else f"one in {run.sample_every:,}, at random distances"
    timed = run.stages[-1].count if run.stages else 0
    return (
        f"{timed:,} ticks were timed, {which}; {format_ns(run.sample_floor_ns)} of the clock are taken off each stage, "
        f"whose steps are {plain_ns(run.resolution_ns)}. tick is the sum of a tick's stages; n/a: too few for it."
    )


def _explained(run: RunSummary) -> list[str]:
    if not run.entries:
        return []
    return ["On paper: orders are taken for filled at once and whole, without fees; no money was made."]

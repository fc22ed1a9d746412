"""Judge a measurement against what a test asks of it, and say so in a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from latencykit.analysis.verdicts import judge_operation
from latencykit.measurement import Measurement, describe_machine, describe_samples
from latencykit.model import AllocationVerdict, Result, Target, TargetVerdict, TargetVerdictWord
from latencykit.reporters.rows import figure, plain_ns
from latencykit.units import format_ns

_WORST: tuple[TargetVerdictWord, ...] = ("missed", "inconclusive", "met")
_SHOWN_NAMES = {"p999": "p99.9"}
_DOMAINS = {"raw", "mem", "object", "malloc"}


@dataclass(frozen=True, slots=True)
class Judgement:
    """One target and how the operation stands against it, as text for a table."""

    target: str
    actual: str
    interval: str
    verdict: TargetVerdictWord
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A measurement with its verdicts.

    Attributes:
        results: The rows of the run, with the verdicts in them.
        judgements: One for each target.
    """

    results: tuple[Result, ...]
    judgements: tuple[Judgement, ...]

    @property
    def verdict(self) -> TargetVerdictWord | None:
        """The worst verdict; None if nothing was asked."""
        words = {judgement.verdict for judgement in self.judgements}
        return next((word for word in _WORST if word in words), None)


def judge(found: Measurement, targets: Sequence[Target], allocations: float | None) -> Judged:
    """Judge a measurement.

    Args:
        found: What was measured.
        targets: The latencies to stay under.
        allocations: How many allocations a call may make; None is any number.
    """
    verdicts = [judge_operation(target, found.summaries, found.fitness) for target in targets]
    allocation = None if allocations is None else judge_allocations(found.batched, allocations)
    rows = [_with_verdicts(summary.result, _of_row(found, summary.result, verdicts)) for summary in found.summaries]
    rows[0] = msgspec.structs.replace(rows[0], allocation_target=allocation)
    judgements = [_judgement(found, verdict) for verdict in verdicts]
    if allocation is not None:
        judgements.append(_of_allocations(found.batched, allocation))
    return Judged(tuple(rows), tuple(judgements))


def judge_allocations(row: Result, limit: float) -> AllocationVerdict:
    """Judge how many allocations a call makes; a source that cannot be watched keeps a good count from being good."""
    counted = row.allocations_per_op
    if counted is None:
        return AllocationVerdict(limit, "inconclusive", "allocations were not counted")
    if counted > limit:
        return AllocationVerdict(limit, "missed")
    if not row.allocations.keys() >= _DOMAINS:
        return AllocationVerdict(limit, "inconclusive", "malloc cannot be watched here, only CPython's own allocators")
    return AllocationVerdict(limit, "met")


def table(title: str, found: Measurement, judged: Judged, places: Sequence[str] = ()) -> str:
    """Return targets against figures, and what they rest on, as lines of text.

    Args:
        title: What comes first.
        found: What was measured.
        judged: Its verdicts.
        places: Lines on where allocations came from.
    """
    head = Judgement("target", "actual", "95 % interval", "verdict")  # type: ignore[arg-type]
    rows = [head, *judged.judgements]
    widths = [max(len(getattr(row, field)) for row in rows) for field in ("target", "actual", "interval")]
    lines = [title, *(_line(row, widths) for row in rows)]
    lines.append(f"  net of a floor of {format_ns(found.floor_ns)}; {describe_samples(found)}")
    lines.append(f"  {describe_machine(found.validity)}")
    lines += [f"  {line}" for line in ("allocations came from:", *places)] if places else []
    return "\n".join([*lines, *(f"  {note}" for note in found.notes)])


def _line(row: Judgement, widths: Sequence[int]) -> str:
    reason = f": {row.reason}" if row.reason else ""
    cells = (f"{row.target:<{widths[0]}}", f"{row.actual:>{widths[1]}}", f"{row.interval:<{widths[2]}}")
    return f"  {'   '.join(cells)}   {row.verdict}{reason}"


def _of_row(found: Measurement, row: Result, verdicts: Sequence[TargetVerdict]) -> list[TargetVerdict]:
    return [verdict for verdict in verdicts if _row_of(found, verdict.statistic) is row]


def _row_of(found: Measurement, statistic: str) -> Result:
    return found.batched if statistic == "p50" else found.per_call


def _with_verdicts(row: Result, verdicts: Sequence[TargetVerdict]) -> Result:
    if not verdicts:
        return row
    worst = min(verdicts, key=lambda verdict: _WORST.index(verdict.verdict))
    return msgspec.structs.replace(row, target=worst, targets=list(verdicts))


def _judgement(found: Measurement, verdict: TargetVerdict) -> Judgement:
    row = _row_of(found, verdict.statistic)
    name = _SHOWN_NAMES.get(verdict.statistic, verdict.statistic)
    interval = next(_intervals(found, row, verdict.statistic), None)
    return Judgement(
        f"{name} < {plain_ns(verdict.limit_ns)}",
        figure(row, getattr(row, f"{verdict.statistic}_ns")),
        "n/a" if interval is None else f"{format_ns(interval[0])} to {format_ns(interval[1])}",
        verdict.verdict,
        verdict.reason,
    )


def _intervals(found: Measurement, row: Result, statistic: str) -> Iterator[tuple[float, float]]:
    for summary in found.summaries:
        if summary.result is row and statistic in summary.intervals:
            yield summary.intervals[statistic]


def _of_allocations(row: Result, verdict: AllocationVerdict) -> Judgement:
    counted = "n/a" if row.allocations_per_op is None else f"{row.allocations_per_op:.3g}"
    limit = f"allocations <= {verdict.limit:g}"
    return Judgement(limit, counted, "counted", verdict.verdict, verdict.reason)

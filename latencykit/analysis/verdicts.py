"""Judge figures: the machine's fitness from its hiccups, a row against its target."""

from collections.abc import Sequence

from latencykit.analysis.summaries import Interval, Summary
from latencykit.model import Fitness, Hiccups, MeterReading, Target, TargetVerdict, TargetVerdictWord, Validity

# Share of a spinning core's time that was taken away: up to FIT every verdict stands, up to NOISY those on the
# centre do. docs/decisions/0005 holds the measurements behind the two limits.
FIT_RATIO = 0.03
NOISY_RATIO = 0.25
_INCONCLUSIVE: TargetVerdictWord = "inconclusive"


def fitness(stolen_ratio: float) -> Fitness:
    """Call a machine fit, noisy or unfit by the share of time it loses, in 0..1."""
    if stolen_ratio <= FIT_RATIO:
        return "fit"
    return "noisy" if stolen_ratio <= NOISY_RATIO else "unfit"


def judge_machine(readings: Sequence[MeterReading]) -> Validity:
    """Judge the machine over all meter windows of a run; one that was never metered is unfit."""
    observed_ns = sum(reading.observed_ns for reading in readings)
    lost_ns = sum(reading.lost_ns for reading in readings)
    stolen = lost_ns / observed_ns if observed_ns else 1.0
    hiccups = Hiccups(
        windows=len(readings),
        observed_ns=observed_ns,
        lost_ns=lost_ns,
        count=sum(reading.count for reading in readings),
        longest_ns=max((reading.longest_ns for reading in readings), default=0),
        threshold_ns=max((reading.threshold_ns for reading in readings), default=0),
        per_cpu=_stolen_by_cpu(readings),
    )
    return Validity(verdict=fitness(stolen), stolen_ratio=stolen, hiccups=hiccups)


def judge_target(target: Target, summary: Summary, machine: Fitness) -> TargetVerdict | None:
    """Judge a row against a target.

    Args:
        target: The statistic and its limit.
        summary: The row with its intervals.
        machine: The machine's fitness while it was measured.

    Returns:
        None if this row is not the one that the target is judged on: p50 is judged on batched rows, all other
        statistics on per-call rows.
    """
    if (summary.result.mode == "batched") != (target.statistic == "p50"):
        return None
    word, reason = _verdict(target, summary, machine)
    return TargetVerdict(target.statistic, target.limit_ns, word, reason, target.claimed_ns)


def judge_operation(target: Target, summaries: Sequence[Summary], machine: Fitness) -> TargetVerdict:
    """Judge an operation against a target, on the row that says most about it.

    Args:
        target: The statistic and its limit.
        summaries: The operation's rows, at least one.
        machine: The machine's fitness while they were measured.

    Returns:
        As `judge_target` on its row; where there is no such row, a verdict on what there is.
    """
    for summary in summaries:
        verdict = judge_target(target, summary, machine)
        if verdict is not None:
            return verdict
    if summaries[0].result.mode == "batched":
        word, reason = _INCONCLUSIVE, "only batches of calls were timed, which say nothing about single calls"
    else:
        word, reason = _verdict(target, summaries[0], machine)
    return TargetVerdict(target.statistic, target.limit_ns, word, reason, target.claimed_ns)


def _verdict(target: Target, summary: Summary, machine: Fitness) -> tuple[TargetVerdictWord, str]:
    row = summary.result
    interval = summary.intervals.get(target.statistic)
    if machine == "unfit":
        return "inconclusive", "the machine lost too much time to others"
    if machine == "noisy" and target.statistic == "p999":
        return "inconclusive", "the machine is too noisy to judge p99.9"
    if interval is None:
        what = "batches" if row.mode == "batched" else "samples"
        return "inconclusive", f"{row.count // row.batch_size} {what} are too few to judge {target.statistic}"
    if target.limit_ns < row.resolution_ns:
        return "inconclusive", "the limit is below one step of the clock"
    return _compare(interval, target.limit_ns)


def _compare(interval: Interval, limit_ns: float) -> tuple[TargetVerdictWord, str]:
    low, high = interval
    if high < limit_ns:
        return "met", ""
    if low >= limit_ns:
        return "missed", ""
    return "inconclusive", "the 95 % interval includes the limit"


def _stolen_by_cpu(readings: Sequence[MeterReading]) -> dict[str, float]:
    cpus = sorted({reading.cpu for reading in readings})
    return {str(cpu): _stolen([reading for reading in readings if reading.cpu == cpu]) for cpu in cpus}


def _stolen(readings: Sequence[MeterReading]) -> float:
    observed_ns = sum(reading.observed_ns for reading in readings)
    return sum(reading.lost_ns for reading in readings) / observed_ns if observed_ns else 1.0

"""A run's results as the rows that a person reads: one an operation, every figure as text.

The batched and the per-call result of an operation become one row: the centre is claimed from batches, the
tail from single calls.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from latencykit.model import AllocationVerdict, ClaimCheck, Failure, Result, TargetVerdict, operation_name
from latencykit.units import format_ns

NOT_AVAILABLE = "n/a"
NONE = "-"


@dataclass(frozen=True, slots=True)
class Row:
    """One operation, as text; `verdict` is met, missed, inconclusive, baseline or a dash."""

    component: str
    variant: str
    p50: str
    p99: str
    p999: str
    floor: str
    allocations: str
    cache_hits: str
    speedup: str
    claimed: str
    target: str
    verdict: str
    reason: str

    @property
    def name(self) -> str:
        """The operation's one name."""
        return f"{self.component}/{self.variant}"


def rows_of(results: Iterable[Result]) -> list[Row]:
    """Return one row an operation, in the order of the results, each component's together."""
    operations: dict[str, dict[tuple[str, str], dict[str, Result]]] = {}
    for result in results:
        modes = operations.setdefault(result.component, {}).setdefault((result.name, _special_mode(result)), {})
        modes[result.mode] = result
    rows = []
    for of_component in operations.values():
        claimed = _claimed(result for modes in of_component.values() for result in modes.values())
        has_baseline = any(result.baseline for modes in of_component.values() for result in modes.values())
        rows += [_row(list(modes.values()), claimed, has_baseline=has_baseline) for modes in of_component.values()]
    return rows


def failure_name(failure: Failure) -> str:
    """Return the name of an operation that failed, or of its component where no variant was reached."""
    if not failure.variant:
        return failure.component
    return operation_name(failure.component, failure.variant, failure.parameters)


def _special_mode(result: Result) -> str:
    return "" if result.mode in ("batched", "per_call") else result.mode


def _claimed(results: Iterable[Result]) -> float | None:
    return next((result.target.claimed_ns for result in results if result.target and result.target.claimed_ns), None)


def _row(results: list[Result], claimed_ns: float | None, *, has_baseline: bool) -> Row:
    by_centre = sorted(results, key=lambda result: (result.p50_ns is None, result.mode != "batched"))
    centre = by_centre[0]
    tail = next((result for result in results if result.mode != "batched"), centre)
    verdicts = [verdict for result in by_centre for verdict in _verdicts_of(result)]
    judged = min(verdicts, key=lambda verdict: _WORST.index(verdict.verdict), default=None)
    # What is claimed to be usual belongs beside what the usual way was measured to take.
    claims = centre.baseline if has_baseline else judged is not None
    p50 = figure(centre, centre.p50_ns)
    speedup = _first(result.speedup_vs_baseline for result in by_centre)
    return Row(
        component=centre.component,
        variant=_variant(centre),
        p50=p50,
        p99=figure(tail, tail.p99_ns),
        p999=figure(tail, tail.p999_ns),
        floor=format_ns(centre.floor_ns),
        allocations=_allocations(_first(result.allocations_per_op for result in by_centre)),
        cache_hits=_share(_first(result.cache_hit_rate for result in by_centre)),
        speedup=_speedup(speedup, p50, baseline=centre.baseline),
        claimed=plain_ns(claimed_ns) if claims and claimed_ns else NONE,
        target=", ".join(map(_target_text, verdicts)) or NONE,
        verdict=judged.verdict if judged else "baseline" if centre.baseline else NONE,
        reason=judged.reason if judged else "",
    )


_STATISTICS = {"p999": "p99.9"}
_WORST = ("missed", "inconclusive", "met")


def _verdicts_of(result: Result) -> list[TargetVerdict | AllocationVerdict]:
    timed = result.targets or ([result.target] if result.target else [])
    return [*timed, *([result.allocation_target] if result.allocation_target else [])]


def _target_text(verdict: TargetVerdict | AllocationVerdict) -> str:
    if isinstance(verdict, AllocationVerdict):
        return f"allocs <= {verdict.limit:g}"
    return f"{_STATISTICS.get(verdict.statistic, verdict.statistic)} < {plain_ns(verdict.limit_ns)}"


def _variant(result: Result) -> str:
    label = result.name.removeprefix(f"{result.component}/")
    mode = _special_mode(result)
    return f"{label} ({mode.replace('_', ' ')})" if mode else label


def _first(values: Iterable[float | None]) -> float | None:
    return next((value for value in values if value is not None), None)


def figure(result: Result, value_ns: float | None) -> str:
    """Return one of a result's net figures, claiming nothing finer than its clock and its floor allow.

    A single call is timed in steps of the clock, so its figures are whole nanoseconds and none is below a
    step; a batch's figure that cannot be told from an empty call is said to be at the floor.
    """
    if value_ns is None:
        return NOT_AVAILABLE
    if result.mode != "batched":
        return call_figure(value_ns, result.resolution_ns)
    low = result.p50_interval_ns[0] if result.p50_interval_ns else value_ns
    return "at floor" if min(low, value_ns) <= 0 else format_ns(value_ns)


def call_figure(value_ns: float | None, step_ns: float) -> str:
    """Return a net figure of single calls: whole nanoseconds, and none below a step of the clock."""
    if value_ns is None:
        return NOT_AVAILABLE
    if value_ns < step_ns:
        return f"<{plain_ns(step_ns)}"
    return f"{value_ns:.0f} ns" if value_ns < 999.5 and step_ns >= 1 else format_ns(value_ns)


def plain_ns(value_ns: float) -> str:
    """Return a duration without zeros after the point, as limits are written: ``100 ns``, ``1 µs``."""
    number, unit = format_ns(value_ns).split(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def claim_sentence(check: ClaimCheck) -> str:
    """Return a claim with its figure, what was measured instead, and between which operations."""
    claimed = _range(check.low, check.high, check.unit)
    measured = "not measured" if check.measured is None else f"measured {_amount(check.measured, check.unit)}"
    return f"{check.text} {claimed}: {measured} ({check.worse} against {check.better})"


def _range(low: float, high: float | None, unit: str) -> str:
    if high is None:
        return f"{_amount(low, unit)} and more"
    return _amount(low, unit) if low == high else f"{_amount(low, unit)} to {_amount(high, unit)}"


def _amount(value: float, unit: str) -> str:
    return plain_ns(value) if unit == "ns" else f"{value:,.3g} ×"


def _allocations(per_operation: float | None) -> str:
    if per_operation is None:
        return NOT_AVAILABLE
    if 0 < per_operation < 0.001:
        return "<0.001"
    return f"{per_operation:,.0f}" if per_operation >= 1000 else f"{per_operation:.3g}"


def _share(ratio: float | None) -> str:
    return NOT_AVAILABLE if ratio is None else f"{ratio:.1%}".replace("%", " %")


def _speedup(ratio: float | None, p50: str, *, baseline: bool) -> str:
    if baseline:
        return "1 ×"
    if ratio is None:
        return NONE
    if not p50[0].isdigit():  # a ratio to a figure that is not claimed would claim it
        return NOT_AVAILABLE
    return times(ratio)


def times(factor: float) -> str:
    """Return a factor to three digits, with its sign of multiplication: ``10.0 ×``, ``1,234 ×``."""
    return f"{factor:,.0f} ×" if factor >= 99.95 else f"{factor:#.3g} ×"

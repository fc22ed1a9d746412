"""What was measured of one operation: frozen figures, and the same as text."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from latencykit.analysis.summaries import Summary
from latencykit.analysis.verdicts import judge_machine
from latencykit.model import Fitness, MeterReading, Result, Validity
from latencykit.reporters.rows import figure
from latencykit.units import format_ns

# A first call that took this much longer than the rest, and not by a mere hiccup, did other work than they.
_OTHER_WORK_RATIO = 20
_OTHER_WORK_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class FirstCall:
    """The first call of an operation, before anything is measured.

    Attributes:
        result: What it returned.
        duration_ns: What it took, gross.
        printed: Whether it wrote to sys.stdout or sys.stderr.
    """

    result: Any
    duration_ns: float
    printed: bool


@dataclass(frozen=True, slots=True, repr=False)
class Measurement:
    """What was measured of one operation; all figures are net of the floor, in nanoseconds.

    Attributes:
        summaries: One for batches of calls (the centre) and one for single calls (the tail), or one of the two.
        readings: The machine meter, before and after.
        first_call: What came before the measuring.
    """

    summaries: tuple[Summary, ...]
    readings: tuple[MeterReading, ...]
    first_call: FirstCall | None = field(default=None, compare=False)

    @property
    def batched(self) -> Result:
        """Means of batches of calls, of which the centre is claimed; of single calls where there were no batches."""
        return self.summaries[0].result

    @property
    def per_call(self) -> Result:
        """Single calls, of which the tail is claimed; of batches where there are no single calls."""
        return self.summaries[-1].result

    @property
    def validity(self) -> Validity:
        """The machine while it was measured."""
        return judge_machine(self.readings)

    @property
    def fitness(self) -> Fitness:
        """Whether the machine was fit, noisy or unfit."""
        return self.validity.verdict

    @property
    def p50_ns(self) -> float | None:
        """The median over batches."""
        return self.batched.p50_ns

    @property
    def p90_ns(self) -> float | None:
        """The 90th percentile of single calls; None for too few, as of the others."""
        return self.per_call.p90_ns

    @property
    def p99_ns(self) -> float | None:
        """The 99th percentile of single calls."""
        return self.per_call.p99_ns

    @property
    def p999_ns(self) -> float | None:
        """The 99.9th percentile of single calls."""
        return self.per_call.p999_ns

    @property
    def floor_ns(self) -> float:
        """What an empty call of the same shape takes, and has been taken off."""
        return self.batched.floor_ns

    @property
    def count(self) -> int:
        """How many calls were timed."""
        return sum(summary.result.count for summary in self.summaries)

    @property
    def allocations_per_op(self) -> float | None:
        """Allocations of a call; None if they were not counted."""
        return self.batched.allocations_per_op

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to know before the figures are believed."""
        return tuple(_notes(self))

    def __repr__(self) -> str:
        tail = f"p99 {format_ns(self.per_call.p99_ns)}, p99.9 {format_ns(self.per_call.p999_ns)}"
        floor = f"floor {format_ns(self.floor_ns)}"
        allocations = self.allocations_per_op
        counted = "allocations n/a" if allocations is None else f"{allocations:.3g} allocations"
        return f"<p50 {format_ns(self.p50_ns)}, {tail}, net of {floor}; {counted}; machine {self.fitness}>"

    def __str__(self) -> str:
        return "\n".join(_table(self))

    def _repr_pretty_(self, printer: Any, _cycle: object) -> None:
        """Show the table where a notebook or IPython shows a value."""
        printer.text(str(self))


def _table(found: Measurement) -> Iterator[str]:
    tail = found.per_call
    low, high = found.summaries[0].intervals.get("p50", (None, None))
    interval = f"   95 % interval {format_ns(low)} to {format_ns(high)}" if low is not None else ""
    yield f"{found.batched.variant}, net of a floor of {format_ns(found.floor_ns)}"
    yield f"  p50          {figure(found.batched, found.p50_ns):>10}{interval}"
    for name, value in (("p90", tail.p90_ns), ("p99", tail.p99_ns), ("p99.9", tail.p999_ns), ("max", tail.max_ns)):
        yield f"  {name:<12} {figure(tail, value):>10}"
    allocations = found.allocations_per_op
    yield f"  allocations  {'n/a' if allocations is None else f'{allocations:.3g}':>10}"
    yield f"{describe_samples(found)}; {describe_machine(found.validity)}"
    yield from found.notes


def describe_samples(found: Measurement) -> str:
    """Return how many calls were timed, and how."""
    rows = [summary.result for summary in found.summaries]
    parts = [
        f"{row.count // row.batch_size:,} batches of {row.batch_size:,} calls"
        if row.mode == "batched"
        else f"{row.count:,} single call{'' if row.count == 1 else 's'}"
        for row in rows
    ]
    return " and ".join(parts)


def describe_machine(validity: Validity) -> str:
    """Return the machine's fitness and the share of time that was taken from it."""
    return f"machine {validity.verdict}, {100 * validity.stolen_ratio:.1f} % of its time taken away"


def _notes(found: Measurement) -> Iterator[str]:
    drift = found.summaries[0].drift
    if drift is not None:
        yield (
            f"drift: from the first calls to the last the time changed by a factor of {drift:.3g}; "
            "an operation that changes its own input does that"
        )
    first = found.first_call
    usual = found.p50_ns if found.p50_ns is not None else found.per_call.mean_ns
    if first and first.duration_ns > max(usual * _OTHER_WORK_RATIO, usual + _OTHER_WORK_NS):
        yield (
            f"first call: it took {format_ns(first.duration_ns)}, later ones {format_ns(usual)}; they may find its "
            "work done (a list sorted, a cache filled)"
        )
    if first and first.printed:
        yield "output: it prints; what the measured calls wrote was thrown away"
    if first and inspect.isgenerator(first.result):
        yield "generator: it returned a generator, whose body did not run; measure what consumes it"

"""Put the rooms together: measure, summarise, judge, and return one Run. Prints nothing, writes nothing."""

import datetime as dt
import os
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from latencykit.analysis.claims import check_claims
from latencykit.analysis.growth import growth_of
from latencykit.analysis.summaries import Summary, summarise, with_speedups
from latencykit.analysis.verdicts import judge_machine, judge_target
from latencykit.engine.feeds import read_ticks
from latencykit.environment import Clock
from latencykit.errors import UnsupportedError, UsageError
from latencykit.hardware import detect
from latencykit.hardware.clock import measured_clock
from latencykit.measuring import events
from latencykit.measuring.conditions import choose_cpu, collector, pinned
from latencykit.measuring.effort import Level, effort_for
from latencykit.measuring.interrupts import Interrupts
from latencykit.measuring.loading import Source, select
from latencykit.measuring.meter import read_meter
from latencykit.measuring.runner import run_component
from latencykit.measuring.sampling import Subject, measure_operation
from latencykit.measuring.statements import statement_operation
from latencykit.model import Failure, MeterReading, Result, Run, Samples, Validity
from latencykit.suite import Component, GcPolicy, as_operation
from latencykit.units import format_ns

__all__ = ["Measurement", "Plan", "bench", "measure", "select"]

Observe = Callable[[events.Event], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to run.

    Attributes:
        level: How much time to spend.
        cpu: The CPU to measure on; None for the highest allowed one.
        ticks: Path of the market data for suites that use any; None for the synthetic market.
    """

    level: Level = "default"
    cpu: int | None = None
    ticks: str | None = None


@dataclass(slots=True)
class _Collected:
    samples: list[Samples] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    readings: list[MeterReading] = field(default_factory=list)

    def take(self, event: events.Event) -> None:
        if isinstance(event, events.OperationFinished):
            self.samples.extend(event.samples)
        elif isinstance(event, events.OperationFailed):
            self.failures.append(event.failure)
        elif isinstance(event, events.MeterRead):
            self.readings.append(event.reading)


def bench(sources: Sequence[Source], plan: Plan, observe: Observe, argv: Sequence[str]) -> Run:
    """Measure components one after the other, each in a process of its own.

    Args:
        sources: What to measure.
        plan: How.
        observe: Called with each event as it comes.
        argv: The command line, for the record.

    Returns:
        The run. After Ctrl-C it holds what was finished, and `complete` is False.

    Raises:
        UsageError: The CPU is not ours to pin.
        UnsupportedError: There is no usable clock.
        DataError: The market data cannot be read.
    """
    cpu = choose_cpu(plan.cpu)
    environment = detect(Path(tempfile.gettempdir()))
    _check_clock(environment.clock)
    if plan.ticks is not None:
        read_ticks(plan.ticks)  # before minutes are spent on what does not need it
    started = dt.datetime.now(dt.UTC)
    effort = effort_for(plan.level, sum(source.operations for source in sources))
    collected, complete = _Collected(), True
    try:
        with Interrupts() as interrupts:
            for source in sources:
                for event in run_component(source, effort, cpu, plan.ticks, interrupts=interrupts):
                    collected.take(event)
                    observe(event)
    except KeyboardInterrupt:
        complete = False
    validity = judge_machine(collected.readings)
    components = {source.component.name: source.component for source in sources}
    results = _results(collected.samples, components, validity)
    return Run(
        id=uuid.uuid4().hex,
        started_at=started.isoformat(timespec="seconds"),
        argv=list(argv),
        environment=environment,
        validity=validity,
        results=results,
        failures=collected.failures,
        claims=check_claims(components.values(), results),
        growth=growth_of(components.values(), results),
        components={name: component.doc for name, component in components.items() if component.doc},
        complete=complete,
    )


def _check_clock(clock: Clock) -> None:
    asked = os.environ.get("LATENCYKIT_CLOCK", "")
    if asked not in ("", "monotonic"):
        raise UsageError(f"LATENCYKIT_CLOCK is {asked!r}; unset it for the TSC, or set it to monotonic")
    if clock.source != "tsc" and not clock.forced:
        raise UnsupportedError(
            "this CPU has no invariant time-stamp counter to measure with; set LATENCYKIT_CLOCK=monotonic "
            "to measure with the system clock, which costs and resolves tens of nanoseconds"
        )


def _results(samples: Sequence[Samples], components: dict[str, Component], validity: Validity) -> list[Result]:
    rows = []
    for sample in samples:
        component = components[sample.component]
        summary = summarise(sample, baseline=sample.variant == component.baseline)
        rows.append(_judged(summary, component, validity))
    return with_speedups(rows)


def _judged(summary: Summary, component: Component, validity: Validity) -> Result:
    if component.target is None or not component.judges(summary.result.variant):
        return summary.result
    verdict = judge_target(component.target, summary, validity.verdict)
    return msgspec.structs.replace(summary.result, target=verdict)


@dataclass(frozen=True, slots=True, repr=False)
class Measurement:
    """What `measure` found; shown as one line of figures.

    Attributes:
        batched: The centre: means of batches of calls.
        per_call: The tail: single calls; where a call does many items, `batched` again, which has no tail.
        validity: The machine while it was measured.
    """

    batched: Result
    per_call: Result
    validity: Validity

    @property
    def p50_ns(self) -> float | None:
        """The median over batches, net of the floor, in nanoseconds."""
        return self.batched.p50_ns

    def __repr__(self) -> str:
        tail = f"p99 {format_ns(self.per_call.p99_ns)}, p99.9 {format_ns(self.per_call.p999_ns)}"
        floor = f"floor {format_ns(self.batched.floor_ns)}"
        allocations = self.batched.allocations_per_op
        counted = "allocations n/a" if allocations is None else f"{allocations:.3g} allocations"
        return f"<p50 {format_ns(self.p50_ns)}, {tail}, net of {floor}; {counted}; machine {self.validity.verdict}>"


def measure(
    operation: object,
    setup: str = "pass",
    *,
    level: Level = "quick",
    gc: GcPolicy = "off",
    cpu: int | None = None,
    name: str = "operation",
) -> Measurement:
    """Measure one callable or timeit-style statement in this process.

    Args:
        operation: A function without arguments, a prepared `latencykit.call(...)`, or a statement as text.
        setup: Statements that run once, before a statement given as text.
        level: How much time to spend: quick is about a second.
        gc: Whether the cyclic garbage collector runs meanwhile.
        cpu: The CPU to pin this thread to meanwhile; None for the highest allowed one.
        name: What to call it in the result.

    Raises:
        UsageError: The statement cannot be compiled, or the CPU is not ours to pin.
        InvalidTypeError: The operation is neither callable nor text.
        UnsupportedError: There is no usable clock.
    """
    _check_clock(measured_clock())
    prepared = statement_operation(operation, setup) if isinstance(operation, str) else as_operation(operation)
    effort, chosen = effort_for(level, 1), choose_cpu(cpu)
    before = read_meter(chosen, effort.meter_ns)
    with collector(gc), pinned(chosen):
        samples = measure_operation(Subject("measure", name, gc=gc), prepared, effort)
    validity = judge_machine([before, read_meter(chosen, effort.meter_ns)])
    results = [summarise(sample).result for sample in samples]
    return Measurement(results[0], results[-1], validity)

"""Put the rooms together: measure, summarise, judge, and return one Run. Prints nothing, writes nothing."""

import datetime as dt
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
from latencykit.hardware import detect
from latencykit.measuring import events
from latencykit.measuring.conditions import choose_cpu
from latencykit.measuring.effort import Level, effort_for
from latencykit.measuring.interrupts import Interrupts
from latencykit.measuring.loading import Source, select
from latencykit.measuring.runner import run_component
from latencykit.model import Failure, MeterReading, Result, Run, Samples, Validity
from latencykit.one_call import check_clock
from latencykit.suite import Component

__all__ = ["Plan", "bench", "select"]

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
    check_clock(environment.clock)
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

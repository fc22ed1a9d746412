"""Measure one callable in this process: for a notebook, and for a test."""

import inspect
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from latencykit.analysis.summaries import Summary, summarise
from latencykit.analysis.verdicts import judge_machine
from latencykit.environment import Clock
from latencykit.errors import InvalidTypeError, UnsupportedError, UsageError
from latencykit.hardware.clock import measured_clock
from latencykit.measuring.conditions import choose_cpu, collector, pinned
from latencykit.measuring.effort import Level, effort_for
from latencykit.measuring.meter import read_meter
from latencykit.measuring.rounds import Rounds, measure_rounds
from latencykit.measuring.sampling import Subject, measure_operation, time_first_call
from latencykit.measuring.statements import statement_operation
from latencykit.model import Fitness, MeterReading, Result, Validity
from latencykit.reporters.rows import figure
from latencykit.suite import GcPolicy, Operation
from latencykit.units import format_ns

# A first call that took this much longer than the rest, and not by a mere hiccup, did other work than they.
_OTHER_WORK_RATIO = 20
_OTHER_WORK_NS = 1_000_000


def check_clock(clock: Clock) -> None:
    """Check that there is a clock to measure with.

    Raises:
        UsageError: LATENCYKIT_CLOCK asks for one that does not exist.
        UnsupportedError: The CPU has no usable counter, and the system's clock was not asked for.
    """
    asked = os.environ.get("LATENCYKIT_CLOCK", "")
    if asked not in ("", "monotonic"):
        raise UsageError(f"LATENCYKIT_CLOCK is {asked!r}; unset it for the TSC, or set it to monotonic")
    if clock.source != "tsc" and not clock.forced:
        raise UnsupportedError(
            "this CPU has no invariant time-stamp counter to measure with; set LATENCYKIT_CLOCK=monotonic "
            "to measure with the system clock, which costs and resolves tens of nanoseconds"
        )


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


def prepare(function: object, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Operation:
    """Return the call of a function as an operation; one that is prepared already, or a statement, stays what it is.

    Raises:
        InvalidTypeError: It cannot be called, or not with these arguments.
        UsageError: A statement cannot be compiled.
    """
    if isinstance(function, str):
        return statement_operation(function, *args, **kwargs)
    if isinstance(function, Operation):
        if args or kwargs:
            raise InvalidTypeError("a prepared operation has its arguments; pass none with it")
        return function
    if not callable(function):
        raise InvalidTypeError(f"{function!r} cannot be called; pass a function and its arguments separately")
    _check_arguments(function, args, kwargs)
    return Operation(function, [(*args, *kwargs.values())], keywords=tuple(kwargs))


def _check_arguments(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # not every native function has one
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        name = getattr(function, "__qualname__", repr(function))
        raise InvalidTypeError(
            f"{name}{signature} cannot be called with what was given: {error}; pass its arguments after it"
        ) from None


def call_first(operation: Operation) -> FirstCall:
    """Call an operation once and look at what it does.

    Raises:
        InvalidTypeError: It returns a coroutine, which nobody awaits.
        UsageError: It exits.
        Exception: Whatever else it raises.
    """
    with _watched_output() as watch, _refused_exit(operation):
        duration_ns, result = time_first_call(operation)
    if inspect.iscoroutine(result):
        result.close()
        name = getattr(operation.function, "__qualname__", repr(operation.function))
        raise InvalidTypeError(
            f"{name} returned a coroutine, which nothing would await; measure a function that runs it, "
            "for example lambda: loop.run_until_complete(it())"
        )
    return FirstCall(result, duration_ns, watch())


@contextmanager
def _refused_exit(operation: Operation) -> Iterator[None]:
    try:
        yield
    except SystemExit as error:
        name = getattr(operation.function, "__qualname__", repr(operation.function))
        raise UsageError(f"{name} called exit({error.code!r}); measure what returns") from error


class _Watched(io.TextIOBase):
    """Passes on what is written, and remembers that something was."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.used = False

    def write(self, text: str) -> int:
        self.used = True
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _watched_output() -> Iterator[Callable[[], bool]]:
    out, err = _Watched(sys.stdout), _Watched(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        yield lambda: out.used or err.used


@contextmanager
def _silenced(*, wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure one operation.

    Attributes:
        level: How much time to spend: quick is about a second.
        gc: Whether the cyclic garbage collector runs meanwhile.
        cpu: The CPU to pin this thread to meanwhile; None for the highest allowed one.
    """

    level: Level = "quick"
    gc: GcPolicy = "off"
    cpu: int | None = None


def measure_call(subject: Subject, operation: Operation, first: FirstCall, settings: Settings) -> Measurement:
    """Measure an operation whose first call has been made.

    Raises:
        UsageError: The CPU is not ours to pin, or the operation exits.
        UnsupportedError: There is no usable clock.
        Exception: Whatever the operation raises.
    """
    effort = effort_for(settings.level, 1)
    with _metered(settings) as readings, _silenced(wanted=first.printed), _refused_exit(operation):
        samples = measure_operation(subject, operation, effort)
    return Measurement(tuple(map(summarise, samples)), tuple(readings), first)


def measure_in_rounds(
    subject: Subject, function: Callable[..., Any], plan: Rounds, settings: Settings
) -> tuple[Measurement, Any]:
    """Measure a function in a given number of rounds; return also what its last call returned.

    Raises:
        UsageError: The CPU is not ours to pin.
        UnsupportedError: There is no usable clock.
        Exception: Whatever the function, its setup or teardown raises.
    """
    with _metered(settings) as readings:
        samples, result = measure_rounds(subject, function, plan)
    return Measurement((summarise(samples),), tuple(readings)), result


@contextmanager
def _metered(settings: Settings) -> Iterator[list[MeterReading]]:
    """Meter the machine before and after, and keep the conditions in between."""
    check_clock(measured_clock())
    cpu, spin_ns = choose_cpu(settings.cpu), effort_for(settings.level, 1).meter_ns
    readings = [read_meter(cpu, spin_ns)]
    with collector(settings.gc), pinned(cpu):
        yield readings
    readings.append(read_meter(cpu, spin_ns))


def measure(
    operation: object,
    *args: Any,
    level: Level = "quick",
    gc: GcPolicy = "off",
    cpu: int | None = None,
    name: str | None = None,
    **kwargs: Any,
) -> Measurement:
    """Measure one callable or timeit-style statement in this process.

    Args:
        operation: A function, a prepared `latencykit.call(...)`, or a statement as text. A function's own frame is
            part of what is measured; a statement is measured as if it stood in a function that is there already.
        args: The function's arguments; after a statement, the one that sets up for it.
        level: How much time to spend: quick is about a second.
        gc: Whether the cyclic garbage collector runs meanwhile.
        cpu: The CPU to pin this thread to meanwhile; None for the highest allowed one.
        name: What to call it in the result; None for the function's name.
        kwargs: The function's arguments by name; after a statement, `setup`.

    Returns:
        Frozen figures; ``print`` shows a table of them.

    Raises:
        UsageError: A statement cannot be compiled, the CPU is not ours to pin, or the function exits.
        InvalidTypeError: The operation is neither callable nor text, its arguments do not fit, or it returns a
            coroutine.
        UnsupportedError: There is no usable clock.
    """
    settings = Settings(level, gc, cpu)
    check_clock(measured_clock())
    prepared = prepare(operation, args, kwargs)
    subject = Subject("measure", name or _name_of(operation), gc=gc)
    return measure_call(subject, prepared, call_first(prepared), settings)


def _name_of(operation: object) -> str:
    return str(getattr(operation, "__name__", "operation"))

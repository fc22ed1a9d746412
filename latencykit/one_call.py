"""Measure one callable in this process: for a notebook, and for a test."""

import inspect
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from latencykit.analysis.summaries import summarise
from latencykit.environment import Clock
from latencykit.errors import InvalidTypeError, UnsupportedError, UsageError
from latencykit.hardware.clock import measured_clock
from latencykit.measurement import FirstCall, Measurement
from latencykit.measuring.conditions import choose_cpu, collector, pinned
from latencykit.measuring.effort import Level, effort_for
from latencykit.measuring.meter import read_meter
from latencykit.measuring.rounds import Rounds, measure_rounds
from latencykit.measuring.sampling import Subject, measure_operation, time_first_call
from latencykit.measuring.statements import statement_operation
from latencykit.model import MeterReading
from latencykit.suite import GcPolicy, Operation


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

"""The ``latency`` fixture: measure a call in a test, and hold it against its targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import pytest

from latencykit.errors import InvalidTypeError, InvalidValueError, LatencykitError
from latencykit.measurement import FirstCall, Measurement
from latencykit.measuring.allocations import PLACES, describe_sites, merged_sites
from latencykit.measuring.conditions import allowed_cpus
from latencykit.measuring.sampling import Subject, allocation_sites
from latencykit.model import Target
from latencykit.one_call import Settings, call_first, measure_call, prepare
from latencykit.suite import Operation
from latencykit.targets import parse_targets
from latencykit.testing.judging import Judged, judge, table
from latencykit.testing.outcome import Record, name_of

Inconclusive = Literal["warn", "fail", "pass"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says.

    Attributes:
        rigorous: Measure for 20 s and not for one.
        disabled: Call each function once and judge nothing.
        inconclusive: What becomes of a test that cannot be judged.
        targets: Patterns of test names, each with the targets of the tests that it matches.
        worker: The number of this xdist worker; None outside xdist.
    """

    rigorous: bool = False
    disabled: bool = False
    inconclusive: Inconclusive = "warn"
    targets: tuple[tuple[str, tuple[Target, ...]], ...] = ()
    worker: int | None = None

    @property
    def settings(self) -> Settings:
        """How to measure. Each worker has a CPU of its own, as long as there are enough."""
        cpus = sorted(allowed_cpus(), reverse=True)
        cpu = None if self.worker is None or not cpus else cpus[self.worker % len(cpus)]
        return Settings("rigorous" if self.rigorous else "quick", "off", cpu)

    def targets_of(self, nodeid: str) -> tuple[Target, ...]:
        """Return the targets of the first pattern that matches a test's whole name or what comes after ``::``."""
        names = (nodeid, nodeid.partition("::")[2], nodeid.rpartition("::")[2])
        for pattern, targets in self.targets:
            if any(fnmatchcase(name, pattern) or name == pattern for name in names):
                return targets
        return ()


def parse_pattern(text: str) -> tuple[str, tuple[Target, ...]]:
    """Return the pattern and the targets of ``PATTERN: TARGETS``.

    Raises:
        InvalidValueError: There is no colon, or the targets cannot be read.
    """
    pattern, colon, targets = text.rpartition(":")
    if not colon or not pattern.strip():
        raise InvalidValueError(
            f"{text!r} names no test; write 'PATTERN: TARGETS', for example 'test_parse*: p99 < 2us'"
        )
    return pattern.strip(), parse_targets(targets)


class Refusals:
    """Shows what we refuse at the line of the test, without the way through our own code."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        __tracebackhide__ = True
        if isinstance(error, LatencykitError):
            raise error.with_traceback(None) from error.__cause__


class Meter:
    """Measures in one test, judges, and keeps what it found for the report.

    Args:
        item: The test.
        options: What the command line says.
        records: Where what was measured is added.
        warn: Told of what could not be judged.
    """

    def __init__(self, item: pytest.Item, options: Options, records: list[Record], warn: Callable[[str], None]) -> None:
        self._item, self.options, self._records, self._warn = item, options, records, warn
        self._calls = 0

    def subject(self) -> Subject:
        """Return the name of the next call in this test."""
        self._calls += 1
        callspec = getattr(self._item, "callspec", None)
        component, variant, parameters = name_of(self._item.nodeid, self._item.name, callspec and callspec.params)
        if self._calls > 1:
            parameters["call"] = self._calls
        return Subject(component, variant, parameters)

    def measure(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        targets: Sequence[Target] = (),
        allocations: float | None = None,
    ) -> tuple[FirstCall, Measurement | None]:
        """Call a function; if measuring is on, measure its calls and hold them against their targets."""
        __tracebackhide__ = True
        with Refusals():
            operation = prepare(function, args, kwargs)
            first = call_first(operation)
            if self.options.disabled:
                return first, None
            found = self._measured(operation, first)
        self.judge(found, targets, allocations, operation)
        return first, found

    def _measured(self, operation: Operation, first: FirstCall) -> Measurement:
        __tracebackhide__ = True
        try:
            return measure_call(self.subject(), operation, first, self.options.settings)
        except Exception as error:
            error.add_note("raised while latencykit was measuring, after a first call that was good")
            raise

    def judge(
        self,
        found: Measurement,
        targets: Sequence[Target],
        allocations: float | None = None,
        operation: Operation | None = None,
    ) -> None:
        """Hold a measurement against its targets; fail the test if it misses one.

        Raises:
            pytest.fail.Exception: A target is missed, or cannot be judged where that is to fail.
        """
        __tracebackhide__ = True
        wanted = targets or self.options.targets_of(self._item.nodeid)
        judged = judge(found, wanted, allocations)
        self._records.append(Record(self._item.nodeid, list(judged.results), list(found.readings)))
        if judged.verdict == "missed":
            pytest.fail(self._table("latency target missed", found, judged, operation), pytrace=False)
        elif judged.verdict == "inconclusive" and self.options.inconclusive != "pass":
            text = self._table("latency target inconclusive", found, judged, operation)
            if self.options.inconclusive == "fail":
                pytest.fail(text, pytrace=False)
            self._warn(text)
        elif found.notes:
            self._warn("\n".join([f"{found.batched.name}:", *(f"  {note}" for note in found.notes)]))

    def _table(self, what: str, found: Measurement, judged: Judged, operation: Operation | None) -> str:
        allocation = judged.results[0].allocation_target
        places: list[str] = []
        if operation is not None and allocation is not None and allocation.verdict == "missed":
            places = describe_sites(merged_sites(allocation_sites(operation, PLACES)))
        return table(f"{what}: {found.batched.name}", found, judged, places)


class Latency:
    """Measure a call and hold it against targets; the value of the ``latency`` fixture."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def __call__(
        self,
        function: Callable[..., Any],
        *args: Any,
        target: object = None,
        allocations: float | None = None,
        **kwargs: Any,
    ) -> Measurement | None:
        """Measure ``function(*args, **kwargs)``.

        It is called thousands of times with the same arguments, in this process, on one CPU.

        Args:
            function: What to call.
            args: Its arguments.
            target: Latencies to stay under, ``"p99 < 2us"`` or several, ``"p50 < 100ns, p99 < 2us"``.
            allocations: How many allocations a call may make, 0 or more; None is any number.
            kwargs: Its arguments by name.

        Returns:
            The figures; None where ``--latencykit-disable`` keeps from measuring.

        Raises:
            pytest.fail.Exception: A target is missed.
            InvalidValueError: A target cannot be read.
            InvalidTypeError: The function cannot be called so, or returns a coroutine.
            Exception: Whatever the function raises.
        """
        __tracebackhide__ = True
        with Refusals():
            targets = parse_targets(target)
            _check_allocations(allocations)
        _, found = self._meter.measure(function, args, kwargs, targets, allocations)
        return found


def _check_allocations(allocations: object) -> None:
    if allocations is None:
        return
    if not isinstance(allocations, int | float) or isinstance(allocations, bool):
        raise InvalidTypeError(f"allocations is {allocations!r}; give the number that a call may make, such as 0")
    if not allocations >= 0:
        raise InvalidValueError(f"allocations is {allocations!r}; give 0 or more")

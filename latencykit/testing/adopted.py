"""Run tests written for pytest-benchmark's ``benchmark`` fixture: the same calls, our figures and verdicts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from latencykit.errors import InvalidTypeError, InvalidValueError, UnsupportedError
from latencykit.measurement import Measurement
from latencykit.measuring.rounds import Rounds
from latencykit.one_call import measure_in_rounds
from latencykit.testing.fixture import Meter

Arguments = tuple[Sequence[Any], Mapping[str, Any]]
_SECOND_NS = 1e9


class Benchmark:
    """The value of the ``benchmark`` fixture where a suite is adopted.

    Attributes:
        name: The test's name.
        fullname: Its node id.
        group: The group of its marker, or None; may be set.
        param: The id of its parameters, or None.
        params: Its parameters, or None.
        extra_info: A dict for the test to fill; it is not stored.
        stats: Figures in seconds after a call, under the names that pytest-benchmark gives them; None before, and
            where nothing is measured.
    """

    def __init__(self, item: pytest.Item, meter: Meter) -> None:
        callspec = getattr(item, "callspec", None)
        marker = item.get_closest_marker("benchmark")
        self.name, self.fullname = item.name, item.nodeid
        self.group = marker.kwargs.get("group") if marker else None
        self.param = callspec.id if callspec else None
        self.params = dict(callspec.params) if callspec else None
        self.extra_info: dict[str, Any] = {}
        self.stats: Stats | None = None
        self._meter = meter

    @property
    def disabled(self) -> bool:
        """Whether each function is called once and nothing is measured."""
        return self._meter.options.disabled

    @property
    def enabled(self) -> bool:
        """Whether anything is measured."""
        return not self.disabled

    def __call__(self, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Measure a call, and return what its first call returned."""
        __tracebackhide__ = True
        first, found = self._meter.measure(function_to_benchmark, args, kwargs)
        self.stats = None if found is None else Stats(found)
        return first.result

    def pedantic(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[..., object] | None = None,
        rounds: int = 1,
        warmup_rounds: int = 0,
        iterations: int = 1,
    ) -> Any:
        """Measure exactly so many rounds of so many calls, and return what the last call returned.

        Args:
            target: What to call.
            args: Its arguments.
            kwargs: Its arguments by name.
            setup: Called before each round, untimed; it may return the arguments, as (args, kwargs).
            teardown: Called after each round with the arguments, untimed.
            rounds: How many to measure.
            warmup_rounds: How many to run before.
            iterations: Calls in a round; 1 where there is a setup.

        Raises:
            InvalidValueError: A number is out of range, or setup and iterations exclude each other.
        """
        __tracebackhide__ = True
        for name, number, least in (
            ("iterations", iterations, 1),
            ("rounds", rounds, 1),
            ("warmup_rounds", warmup_rounds, 0),
        ):
            if not isinstance(number, int) or number < least:
                raise InvalidValueError(f"{name} is {number!r}; give a whole number from {least} on")
        if setup is not None and iterations > 1:
            raise InvalidValueError(
                f"iterations is {iterations} with a setup, which makes one call's arguments; give 1"
            )
        arguments = _arguments(args, kwargs, setup)
        if self.disabled:
            return _once(target, arguments, teardown)
        plan = Rounds(rounds, iterations, warmup_rounds, arguments, teardown)
        found, result = measure_in_rounds(self._meter.subject(), target, plan, self._meter.options.settings)
        self.stats = Stats(found)
        self._meter.judge(found, ())
        return result

    def weave(self, target: Any, **kwargs: Any) -> None:
        """Refuse: what is woven into other code is not called by us, and cannot be measured like a call.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError(
            f"benchmark.weave({target!r}) is not adopted: call the function through benchmark(...), or run this test "
            "without --latencykit-adopt"
        )

    patch = weave


def _arguments(
    args: Sequence[Any], kwargs: Mapping[str, Any] | None, setup: Callable[[], Any] | None
) -> Callable[[], Arguments]:
    def arguments() -> Arguments:
        made = setup() if setup is not None else None
        if not made:
            return tuple(args), dict(kwargs or {})
        if args or kwargs:
            raise InvalidTypeError("setup returned arguments, and args or kwargs were given as well; leave one out")
        positional, named = made
        return tuple(positional), dict(named)

    return arguments


def _once(
    target: Callable[..., Any], arguments: Callable[[], Arguments], teardown: Callable[..., object] | None
) -> Any:
    args, kwargs = arguments()
    result = target(*args, **kwargs)
    if teardown is not None:
        teardown(*args, **kwargs)
    return result


class Stats:
    """A measurement under the names that tests for pytest-benchmark look for; seconds, net of the floor."""

    def __init__(self, found: Measurement) -> None:
        row, tail = found.batched, found.per_call
        self._figures = {
            "min": row.min_ns / _SECOND_NS,
            "max": None if tail.max_ns is None else tail.max_ns / _SECOND_NS,
            "mean": row.mean_ns / _SECOND_NS,
            "median": None if row.p50_ns is None else row.p50_ns / _SECOND_NS,
            "ops": _SECOND_NS / row.mean_ns if row.mean_ns else None,
            "rounds": row.count // row.batch_size,
            "iterations": row.batch_size,
        }

    @property
    def stats(self) -> "Stats":
        """The figures themselves: they are found under ``stats`` and under ``stats.stats``."""
        return self

    def __getitem__(self, name: str) -> Any:
        try:
            return self._figures[name]
        except KeyError:
            raise KeyError(f"{name!r} is not adopted; there are {', '.join(self._figures)}") from None

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_figures"][name]
        except KeyError:
            raise AttributeError(f"stats has no {name!r}; there are {', '.join(self._figures)}") from None

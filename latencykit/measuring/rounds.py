"""Measure an operation in a given number of rounds, with untimed work before and after each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from latencykit import _core
from latencykit.histogram import Histogram, encode
from latencykit.measuring.sampling import Subject
from latencykit.model import Samples

# The floor is timed so many times in all.
_FLOORS = 256


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often to call, and what to do in between.

    Attributes:
        rounds: How many times to measure.
        iterations: Calls in a round; above 1 only the mean of each round is known.
        warm_up: Rounds before those that count.
        setup: Called before each round, untimed: returns the round's arguments, positional and by name.
        teardown: Called after each round with its arguments, untimed; or None.
    """

    rounds: int
    iterations: int
    warm_up: int
    setup: Callable[[], tuple[Sequence[Any], Mapping[str, Any]]]
    teardown: Callable[..., object] | None = None


@dataclass(slots=True)
class _Taken:
    ticks: list[int] = field(default_factory=list)
    floors: list[int] = field(default_factory=list)
    result: Any = None


def measure_rounds(subject: Subject, function: Callable[..., Any], plan: Rounds) -> tuple[Samples, Any]:
    """Measure a function in rounds; return the samples and what its last call returned.

    Raises:
        Exception: Whatever the function, the setup or the teardown raises.
    """
    taken = _Taken()
    for _ in range(plan.warm_up):
        _round(function, plan, _Taken(), floors=0)
    for _ in range(plan.rounds):
        _round(function, plan, taken, floors=-(-_FLOORS // plan.rounds))
    clock = _core.Operation(_core.noop, ((),))
    durations = np.array(taken.ticks, np.uint64).astype(np.float64) * clock.ns_per_tick
    floor_ns = float(np.median(taken.floors)) * clock.ns_per_tick / plan.iterations
    histogram = Histogram()
    histogram.record_many(durations)
    samples = Samples(
        component=subject.component,
        variant=subject.variant,
        parameters=subject.parameters,
        mode="per_call" if plan.iterations == 1 else "batched",
        count=plan.rounds * plan.iterations,
        batch_size=plan.iterations,
        floor_ns=floor_ns,
        resolution_ns=clock.resolution_ns / plan.iterations,
        histogram=encode(histogram),
        batch_ns=[] if plan.iterations == 1 else durations.tolist(),
        gc=subject.gc,
    )
    return samples, taken.result


def _round(function: Callable[..., Any], plan: Rounds, taken: _Taken, *, floors: int) -> None:
    args, kwargs = plan.setup()
    row = (*args, *kwargs.values())
    operation = _core.Operation(function, (row,), None, tuple(kwargs))
    ticks, taken.result = operation.time_calls(plan.iterations)
    taken.ticks.append(ticks)
    empty = _core.Operation(_core.noop, (row,))
    taken.floors += [empty.time_calls(plan.iterations)[0] for _ in range(floors)]
    if plan.teardown is not None:
        plan.teardown(*args, **kwargs)

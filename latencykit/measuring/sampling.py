"""Measure one prepared operation: warm it up, find its batch size, then its centre, tail, floor and allocations.

Batches, single calls and the empty operation that makes the floor are sampled in turns over the whole time, so that
a slow spell of the machine meets all of them alike.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from latencykit import _core
from latencykit.histogram import Histogram, encode
from latencykit.measuring.effort import Effort
from latencykit.model import Samples
from latencykit.suite import Operation

# A batch this long holds 2,000 steps of the coarsest counter seen (10 ns) and is short against the time between
# two interruptions, so that most batches are undisturbed.
BATCH_NS = 20_000
# Calls between two runs of the untimed `between` function: bursts that fit every bounded buffer of the engine.
BURST_CALLS = 4_096
# The longest burst, so that a slow operation leaves its turns often enough.
BURST_NS = 5_000_000
# Bounds on what is kept, not on what is enough: batches are stored one by one, calls in a histogram.
MAX_BATCHES = 20_000
MIN_ROUNDS = 3
FLOOR_BATCHES = 4
FLOOR_CALLS = 256
# Allocations are counted over so many calls, or over all rows of arguments if those are more.
COUNTED_CALLS = 1_000
_DOMAINS: tuple[Literal["raw", "mem", "object", "malloc"], ...] = ("raw", "mem", "object", "malloc")
# Three windows that differ by less than this are called stable.
STABLE_RATIO = 1.02


@dataclass(frozen=True, slots=True)
class Subject:
    """What an operation is called in the samples."""

    component: str
    variant: str
    parameters: dict[str, Any] = field(default_factory=dict)
    gc: str = "off"


def measure_operation(
    subject: Subject, operation: Operation, effort: Effort, clock: "_core.SimulatedClock | None" = None
) -> list[Samples]:
    """Measure an operation in batches and call by call.

    Args:
        subject: Its name in the samples.
        operation: What to call.
        effort: How long to measure.
        clock: A simulated clock in place of the machine's, for tests.

    Returns:
        One batched and one per-call record, both gross, with their floors; of an operation of many items the batched
        one alone, since a call says nothing of the tail of its items.

    Raises:
        Exception: Whatever the operation raises.
    """
    native = _native(operation, clock)
    caller = Caller(native, operation)
    call_ns = caller.warm_up(effort.warm_up_ns)
    sampler = _Sampler(caller, floor_of(operation, clock), call_ns)
    sampler.sample(effort.sampling_ns)
    per_op = caller.allocations_per_op(call_ns, effort.allocation_ns)
    record = partial(
        Samples,
        component=subject.component,
        variant=subject.variant,
        parameters=subject.parameters,
        gc=subject.gc,
        input_rows=caller.rows,
        allocations_per_op=sum(per_op.values()),
        allocations=per_op,
    )
    batched = _batched(record, sampler, operation.items)
    return [batched, _per_call(record, sampler)] if operation.items == 1 else [batched]


def time_first_call(operation: Operation) -> tuple[float, Any]:
    """Call an operation once; return the nanoseconds that took and what it returned."""
    native = _native(operation, None)
    ticks, result = native.time_calls(1)
    return ticks * native.ns_per_tick, result


def allocation_sites(operation: Operation, places: int) -> list[tuple[Any, ...]]:
    """Call an operation with every row once; return where it allocates, as `AllocationCounter.sites` tells."""
    run, calls = _native(operation, None).run, len(operation.rows)
    counter = _core.AllocationCounter(sites=places, levels=-1)
    with counter:
        run(calls)
    return counter.sites


def _native(operation: Operation, clock: "_core.SimulatedClock | None") -> "_core.Operation":
    return _core.Operation(operation.function, tuple(operation.rows), clock, operation.keywords)


def _empty() -> None:
    """Stand in for a Python function of ours that does nothing."""


def floor_of(operation: Operation, clock: "_core.SimulatedClock | None") -> "_core.Operation":
    """Return the empty operation of the same shape: a Python function for a closure, a native one for a call."""
    return _core.Operation(_empty if operation.closure else _core.noop, tuple(operation.rows), clock)


def _batched(record: Callable[..., Samples], sampler: "_Sampler", items: int) -> Samples:
    batch_ns = np.concatenate(sampler.batches)
    whole = Histogram()
    whole.record_many(batch_ns)
    return record(
        mode="batched",
        count=len(batch_ns) * sampler.batch * items,
        batch_size=sampler.batch * items,
        floor_ns=float(np.median(np.concatenate(sampler.floor_batches))) / items,
        resolution_ns=sampler.resolution_ns / (sampler.batch * items),
        histogram=encode(whole),
        batch_ns=batch_ns.tolist(),
    )


def _per_call(record: Callable[..., Samples], sampler: "_Sampler") -> Samples:
    return record(
        mode="per_call",
        count=sampler.calls.count,
        batch_size=1,
        floor_ns=float(sampler.floor_calls.percentile(50)),
        resolution_ns=sampler.resolution_ns,
        histogram=encode(sampler.calls),
    )


class Caller:
    """Calls the operation outside the samples: to warm it up, to pause, to count its allocations."""

    def __init__(self, native: "_core.Operation", operation: Operation) -> None:
        self.native = native
        self.rows = len(operation.rows)
        self._between = operation.between
        self._items = operation.items

    def pause(self) -> None:
        """Run the untimed function that the suite wants between bursts."""
        if self._between is not None:
            self._between()

    def warm_up(self, limit_ns: int) -> float:
        """Call until three windows in a row agree on the time per call; return that time in nanoseconds."""
        calls, windows = 1, list[float]()
        deadline = time.monotonic_ns() + limit_ns
        while True:
            call_ns = self._time_calls(calls)
            if call_ns * calls < BATCH_NS and calls < BURST_CALLS:
                calls *= 2
            else:
                windows = [*windows[-2:], call_ns]
                if len(windows) == 3 and max(windows) <= min(windows) * STABLE_RATIO:
                    break
            if time.monotonic_ns() >= deadline:
                break
        return float(np.median(windows or [call_ns]))

    def _time_calls(self, calls: int) -> float:
        out = np.empty(1, np.uint64)
        self.native.sample_batched(out, calls)
        self.pause()
        return float(out[0]) * self.native.ns_per_tick / calls

    def allocations_per_op(self, call_ns: float, limit_ns: int) -> dict[str, float]:
        """Count the allocations of every row's call, if there is time; return the number per call by domain.

        A domain that cannot be counted on this system is left out.
        """
        calls = max(1, min(max(COUNTED_CALLS, self.rows), int(limit_ns / max(call_ns, 1.0))))
        totals = dict.fromkeys(_DOMAINS, 0)
        for burst in _bursts(calls):
            counts = self.native.count_allocations(burst)
            self.pause()
            totals = {domain: total + (counts[domain] or 0) for domain, total in totals.items()}
        return {domain: total / (calls * self._items) for domain, total in totals.items() if counts[domain] is not None}


def _bursts(calls: int) -> Iterator[int]:
    """Split so many calls into bursts."""
    for start in range(0, calls, BURST_CALLS):
        yield min(BURST_CALLS, calls - start)


class _Sampler:
    """Takes bursts of batches, of single calls and of their floors in turns."""

    def __init__(self, caller: Caller, floor: "_core.Operation", call_ns: float) -> None:
        self._caller = caller
        self._floor = floor
        self._ns_per_tick = caller.native.ns_per_tick
        call_ns = max(call_ns, 1.0)
        self.batch = max(1, min(BURST_CALLS, round(BATCH_NS / call_ns)))
        self._batch_buffer = np.empty(max(1, min(BURST_CALLS, int(BURST_NS / call_ns)) // self.batch), np.uint64)
        self._call_buffer = np.empty(max(1, min(BURST_CALLS, int(BURST_NS / call_ns))), np.uint64)
        self.resolution_ns = caller.native.resolution_ns
        self.batches: list[npt.NDArray[np.float64]] = []
        self.floor_batches: list[npt.NDArray[np.float64]] = []
        self.calls = Histogram()
        self.floor_calls = Histogram()

    def sample(self, budget_ns: int) -> None:
        """Go round until the time is spent, at least `MIN_ROUNDS` times."""
        self._floor.run(1_000)
        begin = time.monotonic_ns()
        rounds = 0
        while (spent_ns := time.monotonic_ns() - begin) < budget_ns or rounds < MIN_ROUNDS:
            if rounds < MIN_ROUNDS or self._wants_batches(spent_ns / budget_ns):
                self.batches.append(self._take_batches(self._caller.native, self._batch_buffer))
                self.floor_batches.append(
                    self._take_batches(self._floor, np.empty(FLOOR_BATCHES, np.uint64)) / self.batch
                )
            self._take_calls(self._caller.native, self._call_buffer, self.calls)
            self._take_calls(self._floor, np.empty(FLOOR_CALLS, np.uint64), self.floor_calls)
            rounds += 1

    def _wants_batches(self, spent: float) -> bool:
        """Tell whether fewer batches are kept than this share of the time allows: they are spread over all of it."""
        return len(self.batches) * len(self._batch_buffer) < MAX_BATCHES * spent

    def _take_batches(self, operation: "_core.Operation", buffer: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
        operation.sample_batched(buffer, self.batch)
        self._caller.pause()
        return buffer.astype(np.float64) * self._ns_per_tick

    def _take_calls(self, operation: "_core.Operation", buffer: npt.NDArray[np.uint64], into: Histogram) -> None:
        operation.sample_per_call(buffer)
        self._caller.pause()
        into.record_ticks(buffer, self._ns_per_tick)

"""Sample two prepared operations in turns, so that whatever the machine does meets both alike.

Samples come in blocks of four, ABBA or BAAB by the toss of a coin: a steady drift of the machine then favours neither,
and nothing that comes and goes regularly can keep step with one of them. A sample is the fastest of a few timings of a
batch: what the machine adds is never negative, and the first timing after a change of operation finds cold caches.
"""

import time
from typing import Protocol

import numpy as np

from latencykit import _core
from latencykit.comparison import Block, Pair, PairSamples, Shape
from latencykit.histogram import Histogram, encode
from latencykit.measuring.effort import PairEffort
from latencykit.measuring.sampling import BATCH_NS, BURST_CALLS, BURST_NS, FLOOR_CALLS, Caller, floor_of
from latencykit.suite import Operation

# Timings of a sample: the fewer for slow operations, whose timings are disturbed each by about as much as all.
TIMINGS, SLOW_TIMINGS = 5, 3
SLOW_NS = 1_000_000
# Operations whose calls take about the same time get batches of the same size.
ALIKE = 1.5


class Contender:
    """One of the two operations, with the empty one of its shape.

    Args:
        name: What to call it.
        operation: What to call.
        clock: A simulated clock in place of the machine's, for tests.
    """

    def __init__(self, name: str, operation: Operation, clock: "_core.SimulatedClock | None" = None) -> None:
        self.name = name
        self._native = _core.Operation(operation.function, tuple(operation.rows), clock, operation.keywords)
        self._caller = Caller(self._native, operation)
        self._floor = floor_of(operation, clock)
        self._floor_calls = Histogram()
        self._items = operation.items
        self.batch = 1
        self.call_ns = 1.0

    def warm_up(self, limit_ns: int) -> None:
        """Call until the time per call is stable, and choose the size of a batch by the fastest timings then."""
        self.call_ns = max(1.0, self._caller.warm_up(limit_ns))
        # A disturbed warm-up makes batches too small, whose timings would be mostly the clock's; twice mends the worst.
        for _ in range(2):
            self.batch = max(1, min(BURST_CALLS, round(BATCH_NS / self.call_ns)))
            self.timings_ns(SLOW_TIMINGS)
        self._floor.run(1_000)

    def timings_ns(self, count: int) -> list[float]:
        """Time so many batches; return gross nanoseconds per call, or per item where a call does many."""
        found: list[float] = []
        burst = max(1, BURST_CALLS // self.batch)
        while len(found) < count:
            out = np.empty(min(burst, count - len(found)), np.uint64)
            self._native.sample_batched(out, self.batch)
            self._caller.pause()
            found += (out * (self._native.ns_per_tick / self.batch)).tolist()
        self.call_ns = max(1.0, min(self.call_ns, *found))
        return [call_ns / self._items for call_ns in found]

    def floor_ns(self, count: int) -> float:
        """Return the fastest of so many batches of empty calls, in nanoseconds per call or item."""
        out = np.empty(count, np.uint64)
        self._floor.sample_batched(out, self.batch)
        return float(out.min()) * self._native.ns_per_tick / (self.batch * self._items)

    def record_calls(self, into: Histogram) -> None:
        """Time a burst of single calls."""
        out = np.empty(max(1, min(BURST_CALLS, int(BURST_NS / self.call_ns))), np.uint64)
        self._native.sample_per_call(out)
        self._caller.pause()
        into.record_ticks(out, self._native.ns_per_tick / self._items)

    def record_floor_calls(self) -> None:
        """Time a few single empty calls."""
        out = np.empty(FLOOR_CALLS, np.uint64)
        self._floor.sample_per_call(out)
        self._floor_calls.record_ticks(out, self._native.ns_per_tick / self._items)

    @property
    def shape(self) -> Shape:
        """How it was sampled up to now."""
        return Shape(
            name=self.name,
            batch_size=self.batch,
            resolution_ns=self._native.resolution_ns / self._items,
            call_floor_ns=float(self._floor_calls.percentile(50)),
        )


class Coin(Protocol):
    """What tosses: random.Random, or a test's."""

    def random(self) -> float:
        """Return a number from 0 to below 1."""


class PairSampler:
    """Takes blocks of samples of two operations that are warm; `working` is the name of the one that is at work."""

    def __init__(self, a: Contender, b: Contender, effort: PairEffort, coin: Coin) -> None:
        self._a, self._b = a, b
        self._effort = effort
        self._coin = coin
        self._blocks: list[Block] = []
        self.working = ""
        if max(a.batch, b.batch) <= ALIKE * min(a.batch, b.batch):
            a.batch = b.batch = max(a.batch, b.batch)
        slow = max(a.call_ns * a.batch, b.call_ns * b.batch) > SLOW_NS
        self._timings = SLOW_TIMINGS if slow else TIMINGS

    @property
    def pairs(self) -> int:
        """How many pairs are taken."""
        return 2 * len(self._blocks)

    @property
    def samples(self) -> PairSamples:
        """What was taken up to now."""
        return PairSamples(a=self._a.shape, b=self._b.shape, blocks=list(self._blocks))

    def take_block(self) -> None:
        """Take two pairs, one in each order, and then single calls in turns."""
        a_first = self._coin.random() < 0.5
        pairs = self._take_pair(a_first=a_first), self._take_pair(a_first=not a_first)
        a_calls, b_calls = self._take_calls(a_first=a_first)
        self._blocks.append(Block(pairs=pairs, a_calls=encode(a_calls), b_calls=encode(b_calls)))

    def _take_pair(self, *, a_first: bool) -> Pair:
        floors = [self._at(contender).floor_ns(self._timings) for contender in (self._a, self._b)]
        if a_first:
            a_ns = self._at(self._a).timings_ns(self._timings)
            b_ns = self._at(self._b).timings_ns(self._timings)
        else:
            b_ns = self._at(self._b).timings_ns(self._timings)
            a_ns = self._at(self._a).timings_ns(self._timings)
        return Pair(a_ns=a_ns, b_ns=b_ns, a_floor_ns=floors[0], b_floor_ns=floors[1])

    def _take_calls(self, *, a_first: bool) -> tuple[Histogram, Histogram]:
        a_calls, b_calls = Histogram(), Histogram()
        turns = [(self._a, a_calls), (self._b, b_calls)]
        if not a_first:
            turns.reverse()
        begin = time.monotonic_ns()
        while True:
            for contender, calls in turns:
                self._at(contender).record_calls(calls)
                contender.record_floor_calls()
            if time.monotonic_ns() - begin >= self._effort.block_ns:
                return a_calls, b_calls

    def _at(self, contender: Contender) -> Contender:
        self.working = contender.name
        return contender

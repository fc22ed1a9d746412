"""The clock: what it costs to read it, and to time a block of code into something that keeps percentiles."""

import time
from collections import deque
from itertools import cycle
from typing import TYPE_CHECKING

import latencykit as lk

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

KEPT = 10_000  # durations, so that a long run does not fill the memory

# The first thing that one reaches for is time.time(): a float of the wall clock, which is set and stepped.
timer = lk.Component("timer", baseline="naive", doc="read the clock once")


@timer.variant
def naive() -> "Operation":
    return lk.call(time.time)


@timer.variant(contrast=True)
def perf_counter() -> "Operation":
    return lk.call(time.perf_counter)


@timer.variant(contrast=True)
def perf_counter_ns() -> "Operation":
    return lk.call(time.perf_counter_ns)


@timer.variant(contrast=True)
def monotonic_ns() -> "Operation":
    return lk.call(time.monotonic_ns)


@timer.variant
def now_ns() -> "Operation":
    from latencykit.engine import PrecisionTimer

    return lk.call(PrecisionTimer().now_ns)


@timer.variant
def ticks() -> "Operation":
    from latencykit.engine import PrecisionTimer

    return lk.call(PrecisionTimer().ticks)


scope = lk.Component("timer_scope", baseline="naive", doc="time an empty block and keep its duration")


@scope.variant(name="naive")
def appended() -> "Callable[[], object]":
    durations: deque[float] = deque(maxlen=KEPT)  # costs what a list does, and forgets

    def block() -> None:
        start = time.perf_counter()
        durations.append(time.perf_counter() - start)

    return block


@scope.variant(contrast=True)
def preallocated() -> "Callable[[], object]":
    """Do the best that the standard library allows: whole nanoseconds into a list that is never resized."""
    durations, positions, clock = [0] * KEPT, cycle(range(KEPT)), time.perf_counter_ns

    def block() -> None:
        start = clock()
        durations[next(positions)] = clock() - start

    return block


@scope.variant(name="scope")
def prebuilt() -> "Callable[[], object]":
    from latencykit.engine import PrecisionTimer
    from latencykit.histogram import Histogram

    reused = PrecisionTimer().measure(Histogram())

    def block() -> None:
        with reused:
            pass

    return block


@scope.variant(contrast=True)
def fenced() -> "Callable[[], object]":
    """Wait at the beginning of the block as well as at its end."""
    from latencykit.engine import PrecisionTimer
    from latencykit.histogram import Histogram

    reused = PrecisionTimer(fenced=True).measure(Histogram())

    def block() -> None:
        with reused:
            pass

    return block


@scope.variant
def measure() -> "Callable[[], object]":
    """Take a new scope for every block, as one writes it where a scope cannot be kept."""
    from latencykit.engine import PrecisionTimer
    from latencykit.histogram import Histogram

    clock, durations = PrecisionTimer(), Histogram()

    def block() -> None:
        with clock.measure(durations):
            pass

    return block

"""Scopes: what it costs to time a block of code into something that keeps percentiles."""

import time
from collections import deque
from typing import TYPE_CHECKING

import latencykit as lk

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT = 10_000  # durations, so that a long run does not fill the memory

scope = lk.Component("timer_scope", baseline="naive", doc="time an empty block and keep its duration")


@scope.variant(name="naive")
def appended() -> "Callable[[], object]":
    durations: deque[float] = deque(maxlen=KEPT)  # costs what a list does, and forgets

    def block() -> None:
        start = time.perf_counter()
        durations.append(time.perf_counter() - start)

    return block


@scope.variant(contrast=True)
def bound() -> "Callable[[], object]":
    """Look the names up beforehand, which is all that the standard library leaves to gain."""
    durations: deque[float] = deque(maxlen=KEPT)
    keep, clock = durations.append, time.perf_counter

    def block() -> None:
        start = clock()
        keep(clock() - start)

    return block


@scope.variant(name="scope")
def prebuilt() -> "Callable[[], object]":
    from latencykit.engine import PerformanceStats, PrecisionTimer

    reused = PrecisionTimer().measure(PerformanceStats())

    def block() -> None:
        with reused:
            pass

    return block


@scope.variant(contrast=True)
def fenced() -> "Callable[[], object]":
    """Wait at the beginning of the block as well as at its end."""
    from latencykit.engine import PerformanceStats, PrecisionTimer

    reused = PrecisionTimer(fenced=True).measure(PerformanceStats())

    def block() -> None:
        with reused:
            pass

    return block


@scope.variant
def measure() -> "Callable[[], object]":
    """Take a new scope for every block, as one writes it where a scope cannot be kept."""
    from latencykit.engine import PerformanceStats, PrecisionTimer

    clock, durations = PrecisionTimer(), PerformanceStats()

    def block() -> None:
        with clock.measure(durations):
            pass

    return block

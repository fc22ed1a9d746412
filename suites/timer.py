"""The clock: what it costs to read it."""

import time
from typing import TYPE_CHECKING

import latencykit as lk

if TYPE_CHECKING:
    from latencykit.suite import Operation

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

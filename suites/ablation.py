"""What each of the engine's switches is worth: all on, one off at a time, all off.

One operation is a tick of a native run over 20,000, from the feed to the last decision; the journal's thread goes on
writing beside it and catches up untimed. Ratios are against `everything`. Nothing but the switch differs:

- `everything`: engine and journal pinned to a CPU each, a lock-free queue, memory ahead, SIMD, one tick in 64 timed;
- `no_pinning`: both threads may run on any CPU that is ours, which is told the system anew for each run;
- `no_lockfree`: the journal's queue is under a mutex;
- `no_memory_ahead`: each record of the journal is asked of the allocator, orders' memory is touched on first use;
- `no_simd`: averages one by one;
- `every_tick_timed`: what the stage table costs without sampling; `no_tick_timed`, what sampling does;
- `no_journal`: nothing is written;
- `nothing`: the preset `PerformanceConfig.naive`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import latencykit as lk

from ._engine_runs import apart, engine_of, free_to_move, market, rounds
from ._logs import bounded, log_file
from .pinning import two_cpus

if TYPE_CHECKING:
    from latencykit.suite import Operation

ablation = lk.Component(
    "ablation",
    baseline="everything",
    doc="one tick of a native run of the engine, until its decision",
    on_request=True,
)


@contextmanager
def switched(*, pinned: bool = True, preset: Any = None, **changes: Any) -> "Iterator[Operation]":
    """Yield a run of an engine with everything on but what is changed."""
    ticks = market()
    with log_file() as journal, engine_of(journal, preset, **(apart() if pinned else {}), **changes) as engine:
        run = rounds(engine, ticks, drained=False)
        yield lk.call(run if pinned else free_to_move(run), between=bounded(journal, engine.drain), items=len(ticks))


@ablation.variant
def everything() -> "Iterator[Operation]":
    with switched() as operation:
        yield operation


@ablation.variant
def no_pinning() -> "Iterator[Operation]":
    two_cpus()  # without two, nothing is pinned in the other variants either
    with switched(pinned=False) as operation:
        yield operation


@ablation.variant
def no_lockfree() -> "Iterator[Operation]":
    with switched(lockfree=False) as operation:
        yield operation


@ablation.variant
def no_memory_ahead() -> "Iterator[Operation]":
    with switched(preallocated_memory=0) as operation:
        yield operation


@ablation.variant
def no_simd() -> "Iterator[Operation]":
    with switched(simd=False) as operation:
        yield operation


@ablation.variant
def every_tick_timed() -> "Iterator[Operation]":
    with switched(sample_every=1) as operation:
        yield operation


@ablation.variant
def no_tick_timed() -> "Iterator[Operation]":
    with switched(sample_every=0) as operation:
        yield operation


@ablation.variant
def no_journal() -> "Iterator[Operation]":
    ticks = market()
    with engine_of(None, **apart()) as engine:
        yield lk.call(rounds(engine, ticks, drained=False), items=len(ticks))


@ablation.variant
def nothing() -> "Iterator[Operation]":
    from latencykit.engine import PerformanceConfig

    two_cpus()
    with switched(pinned=False, preset=PerformanceConfig.naive) as operation:
        yield operation

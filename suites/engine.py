"""The engine: one tick through indicators, signal, risk gate and order to the journal, in plain Python and natively.

All variants take the same market by the same rules and write the same journal: every tick moves the fast and the slow
average, the volume-weighted price, the relative strength index and the panic detector, and is a line in a file; a
signal or an exit is judged by the risk gate, becomes an order and is another line. Of the synthetic market nearly two
ticks in a thousand lead to an order; a file given with ``--ticks`` has its own.

`naive` computes each indicator anew over lists of the last ticks; `incremental` carries them along in plain Python, so
that the table shows which part of the gain is the algorithm's and which the native code's. `engine` is called from
Python for each tick, its lines being written by another thread. `run` takes 20,000 ticks in one call and waits until
every line is in the file; its figure is per tick. `run_decided` does not wait: what the engine's own thread takes.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import latencykit as lk

from ._engine_runs import apart, engine_of, fed, market, rounds
from ._logs import bounded, log_file
from ._pipelines import IncrementalPipeline, NaivePipeline
from .targets import TARGETS

if TYPE_CHECKING:
    from latencykit.suite import Operation

engine = lk.Component(
    "engine",
    baseline="naive",
    target=TARGETS["engine"],
    doc="one tick: feed, four averages and the panic detector, exit, risk gate, order, a line in the journal",
)


@engine.variant
def naive() -> "Iterator[Operation]":
    with log_file() as journal, closing(NaivePipeline(journal)) as pipeline:
        yield fed(pipeline.on_tick, market(), bounded(journal))


@engine.variant(contrast=True)
def incremental() -> "Iterator[Operation]":
    with log_file() as journal, closing(IncrementalPipeline(journal)) as pipeline:
        yield fed(pipeline.on_tick, market(), bounded(journal))


@engine.variant(name="engine")
def composed() -> "Iterator[Operation]":
    with log_file() as journal, engine_of(journal, **apart()) as running:
        yield fed(running.on_tick, market(), bounded(journal, running.drain))


@engine.variant
def run() -> "Iterator[Operation]":
    ticks = market()
    with log_file() as journal, engine_of(journal, **apart()) as running:
        yield lk.call(rounds(running, ticks, drained=True), between=bounded(journal), items=len(ticks))


@engine.variant(contrast=True)
def run_decided() -> "Iterator[Operation]":
    ticks = market()
    with log_file() as journal, engine_of(journal, **apart()) as running:
        decided = rounds(running, ticks, drained=False)
        yield lk.call(decided, between=bounded(journal, running.drain), items=len(ticks))

"""What not to do on a hot path, each beside what to do instead, as a comparison of its own.

- `antipatterns_allocation`: a new object for each order, or a slot of an arena that is there already;
- `antipatterns_lock`: a queue with a lock, or a lock-free one; in one thread, so that what is seen is the price of the
  lock itself. What two threads contend for is in `queues_threads` and `queues_native`;
- `antipatterns_print`: a line printed and written at once, as a terminal's are, or its raw arguments handed to a thread
  that formats and writes;
- `antipatterns_branch`: the sum of all rises among 10,000 changes, half of them falls in random order. `branch` picks
  the rises by a mask, where NumPy branches at each end of a run of rises or falls, and copies them; `branch_free` takes
  the greater of each change and 0. `predictable` does as `branch` on the same changes sorted, so that a processor
  guesses every branch right: what `branch` takes beyond it is the price of guessing wrong.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import latencykit as lk

from ._logs import bounded, log_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from latencykit.suite import Operation

    Floats = NDArray[np.float64]

SYMBOL_ID, SIDE, QUANTITY, PRICE = 1, 0, 100, 101.5
LINE = ("order", "AAPL", "qty", QUANTITY, "price", PRICE)
ORDERS, QUEUED, CHANGES = 10_000, 1_024, 10_000
SEED = 20_260_102

allocation = lk.Component(
    "antipatterns_allocation", baseline="allocate", doc="one order: symbol, side, quantity, price", on_request=True
)
lock = lk.Component(
    "antipatterns_lock", baseline="lock", doc="push one object and pop it, in one thread", on_request=True
)
printing = lk.Component(
    "antipatterns_print",
    baseline="print",
    doc="one line with a text, an integer and a price to a file",
    on_request=True,
)
branch = lk.Component(
    "antipatterns_branch",
    baseline="branch",
    doc="one of 10,000 changes into the sum of all rises",
    on_request=True,
)


@allocation.variant
def allocate() -> "Operation":
    from dataclasses import dataclass

    @dataclass
    class Order:
        symbol_id: int
        side: int
        quantity: int
        price: float

    return lk.call(Order, SYMBOL_ID, SIDE, QUANTITY, PRICE)


@allocation.variant
def arena() -> "Operation":
    from latencykit.engine import OrderArena

    return lk.call(OrderArena(ORDERS, on_exhausted="recycle").create, SYMBOL_ID, SIDE, QUANTITY, PRICE)


def pushed_and_popped(push: Callable[[object], object], pop: Callable[[], object]) -> Callable[[], object]:
    def push_and_pop() -> None:
        push(None)
        pop()

    return push_and_pop


@lock.variant(name="lock")
def locked() -> Callable[[], object]:
    import queue

    shared: queue.Queue[object] = queue.Queue(QUEUED)
    return pushed_and_popped(shared.put_nowait, shared.get_nowait)


@lock.variant
def lock_free() -> Callable[[], object]:
    from latencykit.engine import SpscQueue

    shared: SpscQueue[object] = SpscQueue(QUEUED)
    return pushed_and_popped(shared.try_push, shared.try_pop)


@contextmanager
def printed_to(buffering: int) -> "Iterator[Operation]":
    with log_file() as path, path.open("a", buffering=buffering) as file:
        yield lk.call(partial(print, file=file), *LINE, between=bounded(path))


@printing.variant(name="print")
def print_line_by_line() -> "Iterator[Operation]":
    with printed_to(buffering=1) as operation:
        yield operation


@printing.variant(contrast=True)
def print_buffered() -> "Iterator[Operation]":
    """Print to a file that collects 8 KiB before it writes: what is lost with the process, and still formatted here."""
    with printed_to(buffering=8192) as operation:
        yield operation


@printing.variant
def async_log() -> "Iterator[Operation]":
    from latencykit.engine import AsyncLogger

    with log_file() as path, AsyncLogger(path) as logger:
        site = logger.site("order {} qty {} price {}")
        yield lk.call(site, *LINE[1::2], between=bounded(path, logger.drain))


def changes() -> "Floats":
    """Return changes of which half are rises, in random order."""
    import numpy as np

    return np.random.default_rng(SEED).normal(size=CHANGES)


def picked(values: "Floats") -> "Operation":
    def sum_of_rises() -> float:
        return float(values[values > 0].sum())

    return lk.call(sum_of_rises, items=len(values))


@branch.variant(name="branch")
def branching() -> "Operation":
    return picked(changes())


@branch.variant(contrast=True)
def predictable() -> "Operation":
    import numpy as np

    return picked(np.sort(changes()))


@branch.variant
def branch_free() -> "Operation":
    import numpy as np

    values = changes()
    rises = np.empty_like(values)

    def sum_of_rises() -> float:
        return float(np.maximum(values, 0.0, out=rises).sum())

    return lk.call(sum_of_rises, items=len(values))

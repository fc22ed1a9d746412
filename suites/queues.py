"""Queues in one thread: what pushing an object and popping it cost by themselves.

`mutex` is the queue with a lock that one would write first, and `lockfree` is ours, as in every setting of the queues.
"""

import queue
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import latencykit as lk

if TYPE_CHECKING:
    Push = Callable[[object], object]
    Pop = Callable[[], object]
    OneThread = Callable[[], object]

CAPACITY = 1024

queues = lk.Component(
    "queues",
    baseline="mutex",
    doc="push one object and pop it, in one thread",
    claims=[lk.Claim(text="a lock costs", worse="mutex", better="lockfree", saves=("1 us", "5 us"))],
)


def push_and_pop(push: "Push", pop: "Pop") -> "OneThread":
    """Return what pushes one object and pops it."""

    def operation() -> None:
        push(None)
        pop()

    return operation


@queues.variant(name="mutex")
def mutex_alone() -> "OneThread":
    shared: queue.Queue[object] = queue.Queue(CAPACITY)
    return push_and_pop(shared.put_nowait, shared.get_nowait)


@queues.variant(name="lockfree")
def lockfree_alone() -> "OneThread":
    from latencykit.engine import SpscQueue

    shared: SpscQueue[object] = SpscQueue(CAPACITY)
    return push_and_pop(shared.try_push, shared.try_pop)


@queues.variant(name="mpmc")
def mpmc_alone() -> "OneThread":
    from latencykit.engine import MpmcQueue

    shared: MpmcQueue[object] = MpmcQueue(CAPACITY)
    return push_and_pop(shared.try_push, shared.try_pop)


@queues.variant(name="unbounded")
def unbounded_alone() -> "OneThread":
    from latencykit.engine import UnboundedQueue

    shared: UnboundedQueue[object] = UnboundedQueue()
    return push_and_pop(shared.try_push, shared.try_pop)


@queues.variant(name="deque", contrast=True)
def plain_deque() -> "OneThread":
    shared: deque[object] = deque(maxlen=CAPACITY)
    return push_and_pop(shared.append, shared.popleft)


@queues.variant(name="simplequeue", contrast=True)
def simple_alone() -> "OneThread":
    shared: queue.SimpleQueue[object] = queue.SimpleQueue()
    return push_and_pop(shared.put_nowait, shared.get_nowait)


@queues.variant(name="culsans", peer="culsans")
def culsans_alone() -> "Iterator[OneThread]":
    import culsans

    shared: culsans.Queue[object] = culsans.Queue(CAPACITY)
    yield push_and_pop(shared.sync_q.put_nowait, shared.sync_q.get_nowait)
    shared.close()


@queues.variant(name="faster-fifo", peer="faster-fifo")
def faster_fifo_alone() -> "Iterator[OneThread]":
    import faster_fifo

    shared = faster_fifo.Queue(max_size_bytes=1 << 20)
    yield push_and_pop(shared.put_nowait, shared.get_nowait)
    shared.close()

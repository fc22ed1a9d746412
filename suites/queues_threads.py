"""Queues between two Python threads: an object to the other thread and back.

The two take turns with the GIL, which is most of what is seen. The other thread runs on the second CPU from the top;
with `--cpu` naming that one, both share it and the figures mean nothing.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import latencykit as lk

from .pinning import two_cpus

if TYPE_CHECKING:
    Push = Callable[[object], object]
    Pop = Callable[[], object]
    OneThread = Callable[[], object]

CAPACITY = 1024
LAST = object()

queues_threads = lk.Component(
    "queues_threads",
    baseline="mutex",
    doc="an object to another Python thread and back, through two queues",
    claims=[lk.Claim(text="lock-free cuts contention", worse="mutex", better="lockfree", times=(10, 100))],
)


@contextmanager
def echoed(there: tuple["Push", "Pop"], back: tuple["Push", "Pop"]) -> "Iterator[OneThread]":
    """Yield what sends an object to another thread, on another CPU, and waits until it is back."""
    _, cpu = two_cpus()

    def answer() -> None:
        os.sched_setaffinity(0, {cpu})
        while (received := there[1]()) is not LAST:
            back[0](received)

    thread = threading.Thread(target=answer, name="echo", daemon=True)
    thread.start()
    push, pop = there[0], back[1]

    def round_trip() -> None:
        push(None)
        pop()

    try:
        yield round_trip
    finally:
        push(LAST)
        thread.join()


@queues_threads.variant(name="mutex")
def mutex_between_threads() -> "Iterator[OneThread]":
    there: queue.Queue[object] = queue.Queue(CAPACITY)
    back: queue.Queue[object] = queue.Queue(CAPACITY)
    with echoed((there.put, there.get), (back.put, back.get)) as operation:
        yield operation


@queues_threads.variant(name="lockfree")
def lockfree_between_threads() -> "Iterator[OneThread]":
    from latencykit.engine import SpscQueue

    there: SpscQueue[object] = SpscQueue(CAPACITY)
    back: SpscQueue[object] = SpscQueue(CAPACITY)
    with echoed((there.push, there.pop), (back.push, back.pop)) as operation:
        yield operation


@queues_threads.variant(name="mpmc")
def mpmc_between_threads() -> "Iterator[OneThread]":
    from latencykit.engine import MpmcQueue

    there: MpmcQueue[object] = MpmcQueue(CAPACITY)
    back: MpmcQueue[object] = MpmcQueue(CAPACITY)
    with echoed((there.push, there.pop), (back.push, back.pop)) as operation:
        yield operation


@queues_threads.variant(name="unbounded")
def unbounded_between_threads() -> "Iterator[OneThread]":
    from latencykit.engine import UnboundedQueue

    there: UnboundedQueue[object] = UnboundedQueue()
    back: UnboundedQueue[object] = UnboundedQueue()
    with echoed((there.push, there.pop), (back.push, back.pop)) as operation:
        yield operation


@queues_threads.variant(name="simplequeue", contrast=True)
def simple_between_threads() -> "Iterator[OneThread]":
    there: queue.SimpleQueue[object] = queue.SimpleQueue()
    back: queue.SimpleQueue[object] = queue.SimpleQueue()
    with echoed((there.put, there.get), (back.put, back.get)) as operation:
        yield operation


@queues_threads.variant(name="culsans", peer="culsans")
def culsans_between_threads() -> "Iterator[OneThread]":
    import culsans

    there: culsans.Queue[object] = culsans.Queue(CAPACITY)
    back: culsans.Queue[object] = culsans.Queue(CAPACITY)
    with echoed((there.sync_q.put, there.sync_q.get), (back.sync_q.put, back.sync_q.get)) as operation:
        yield operation
    there.close()
    back.close()

"""Queues: one item through a queue, within a thread, between two Python threads, and between two native ones.

Component `queues`: push and pop in one thread, so what the calls themselves cost. `queues_threads`: an item to another
Python thread and back; the two take turns with the GIL, which is most of it. `queues_native`: a number to another
native thread and back, each on a CPU of its own, without Python in between; `cache_line` is the least that the caches
allow. `mutex` is the queue with a lock that one would write first, and `lockfree` is ours, in each of them. The other
thread runs on the second CPU from the top; with `--cpu` naming that one, both share it and the figures mean nothing.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import latencykit as lk

from .pinning import two_cpus

if TYPE_CHECKING:
    from latencykit.suite import Operation

    Push = Callable[[object], object]
    Pop = Callable[[], object]
    OneThread = Callable[[], object]

CAPACITY = 1024
LAST = object()

queues = lk.Component(
    "queues",
    baseline="mutex",
    doc="push one object and pop it, in one thread",
    claims=[lk.Claim(text="a lock costs", worse="mutex", better="lockfree", saves=("1 us", "5 us"))],
)
queues_threads = lk.Component(
    "queues_threads",
    baseline="mutex",
    doc="an object to another Python thread and back, through two queues",
    claims=[lk.Claim(text="lock-free cuts contention", worse="mutex", better="lockfree", times=(10, 100))],
)
queues_native = lk.Component(
    "queues_native",
    baseline="mutex",
    doc="a number to another native thread on a CPU of its own and back, through two queues",
    claims=[lk.Claim(text="lock-free cuts contention", worse="mutex", better="lockfree", times=(10, 100))],
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


@contextmanager
def echoed(there: tuple["Push", "Pop"], back: tuple["Push", "Pop"]) -> "Iterator[OneThread]":
    """Yield what sends an object to another thread, on another CPU, and waits until it is back."""
    import os

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


@queues_native.variant(name="mutex")
def mutex_between_native_threads() -> "Iterator[Operation]":
    """Look again and again at a queue behind a mutex."""
    from latencykit.engine.queues import Echo

    echo = Echo("mutex", two_cpus()[1])
    yield lk.call(echo.trip)
    echo.close()


@queues_native.variant(name="lockfree")
def lockfree_between_native_threads() -> "Iterator[Operation]":
    from latencykit.engine.queues import Echo

    echo = Echo("spsc", two_cpus()[1])
    yield lk.call(echo.trip)
    echo.close()


@queues_native.variant(name="mpmc")
def mpmc_between_native_threads() -> "Iterator[Operation]":
    from latencykit.engine.queues import Echo

    echo = Echo("mpmc", two_cpus()[1])
    yield lk.call(echo.trip)
    echo.close()


@queues_native.variant(name="unbounded")
def unbounded_between_native_threads() -> "Iterator[Operation]":
    from latencykit.engine.queues import Echo

    echo = Echo("unbounded", two_cpus()[1])
    yield lk.call(echo.trip)
    echo.close()


@queues_native.variant(contrast=True)
def condition() -> "Iterator[Operation]":
    """Sleep until the condition variable is signalled."""
    from latencykit.engine.queues import Echo

    echo = Echo("condition", two_cpus()[1])
    yield lk.call(echo.trip)
    echo.close()


@queues_native.variant(contrast=True)
def cache_line() -> "Iterator[Operation]":
    """Send through one word on one line: no queue at all."""
    from latencykit.engine.queues import Echo

    echo = Echo("cache_line", two_cpus()[1])
    yield lk.call(echo.trip)
    echo.close()

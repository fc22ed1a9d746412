"""Queues between two native threads: a number to the other thread and back, without Python in between.

Each thread has a CPU of its own; `cache_line` is the least that the caches allow. The other thread runs on the second
CPU from the top; with `--cpu` naming that one, both share it and the figures mean nothing.
"""

from typing import TYPE_CHECKING

import latencykit as lk

from .pinning import two_cpus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from latencykit.suite import Operation

queues_native = lk.Component(
    "queues_native",
    baseline="mutex",
    doc="a number to another native thread on a CPU of its own and back, through two queues",
    claims=[lk.Claim(text="lock-free cuts contention", worse="mutex", better="lockfree", times=(10, 100))],
)


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

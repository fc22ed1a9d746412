"""What not to do on a hot path, beside what to do instead: a queue with a lock, or a lock-free one.

In one thread, so that what is seen is the price of the lock itself. What two threads contend for is in `queues_threads`
and `queues_native`.
"""

from collections.abc import Callable

import latencykit as lk

CAPACITY = 1_024

lock = lk.Component(
    "antipatterns_lock",
    baseline="lock",
    doc="push one object and pop it, in one thread",
    on_request=True,
)


def pushed_and_popped(push: Callable[[object], object], pop: Callable[[], object]) -> Callable[[], object]:
    def push_and_pop() -> None:
        push(None)
        pop()

    return push_and_pop


@lock.variant(name="lock")
def locked() -> Callable[[], object]:
    import queue

    shared: queue.Queue[object] = queue.Queue(CAPACITY)
    return pushed_and_popped(shared.put_nowait, shared.get_nowait)


@lock.variant
def lock_free() -> Callable[[], object]:
    from latencykit.engine import SpscQueue

    shared: SpscQueue[object] = SpscQueue(CAPACITY)
    return pushed_and_popped(shared.try_push, shared.try_pop)

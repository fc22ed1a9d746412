"""Queues of every kind for tests, what goes into them, and a thread that waits at one."""

import threading

import numpy as np
import pytest

from latencykit.engine import MpmcQueue, RecordQueue, SpscQueue, UnboundedQueue

TICK = np.dtype([("symbol", "u4"), ("price", "f8"), ("size", "i8"), ("venue", "S4")])
MAKERS = {
    "spsc": SpscQueue,
    "mpmc": MpmcQueue,
    "unbounded": lambda _capacity, **options: UnboundedQueue(**options),
    "records": lambda capacity, **options: RecordQueue(TICK, capacity, **options),
}
KINDS = pytest.mark.parametrize("kind", MAKERS)
BOUNDED = pytest.mark.parametrize("kind", ["spsc", "mpmc", "records"])
OF_OBJECTS = pytest.mark.parametrize("kind", ["spsc", "mpmc", "unbounded"])
LONG = 30.0  # What a test waits for a thread that must come; only a failure takes so long.


def made(kind, capacity=4, **options):
    return MAKERS[kind](capacity, **options)


def item(kind, number):
    return (number, number / 2, -number, b"XNAS") if kind == "records" else number


def number_of(thing):
    return int(thing["symbol"]) if isinstance(thing, np.void) else thing


class Waiting:
    """A thread that calls something, and what came of it."""

    def __init__(self, function, *args, **options):
        self.result = self.error = None
        self.begun = threading.Event()
        self._call = lambda: function(*args, **options)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self.begun.wait(LONG)

    def _run(self):
        self.begun.set()
        try:
            self.result = self._call()
        except Exception as error:  # noqa: BLE001 - for the test to look at
            self.error = error

    def outcome(self):
        self._thread.join(LONG)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error
        return self.result

"""A feed of ticks that another process pushes into a SharedRing."""

import math
import time
from collections.abc import Iterator
from threading import Event
from typing import Final, Literal

from latencykit.engine.array_feed import CHUNK_ROWS, check_chunk_rows
from latencykit.engine.feed import Records
from latencykit.engine.shared_ring import SharedRing
from latencykit.engine.ticks import TICK_DTYPE
from latencykit.errors import ClosedError, InvalidStateError, InvalidTypeError, InvalidValueError

# How soon stop() is seen by a pass that waits.
_LOOK_SECONDS: Final = 0.05


class SharedRingFeed:
    """Feed the ticks of a shared ring until its producer is done.

    A pass ends when the last producer closes the ring, when no tick came for `idle_timeout`, or after `stop()`;
    `ending` says which. A producer that dies is no end: the pass hands over what it had pushed and then raises. A next
    pass goes on where the last one ended, with a producer that is still there or a new one.

    Args:
        ring: The ring, which stays the caller's to close; or its name: each pass then attaches and leaves again.
        idle_timeout: Seconds without a tick after which a pass ends, above 0; None to wait for ever.
        chunk_rows: How many ticks a chunk has at most, at least 1.

    Raises:
        InvalidTypeError: The ring's records are no ticks, or `ring` is neither a ring nor a name.
        InvalidValueError: The timeout is not above 0.
    """

    def __init__(
        self, ring: SharedRing | str, *, idle_timeout: float | None = None, chunk_rows: int = CHUNK_ROWS
    ) -> None:
        if not isinstance(ring, SharedRing | str):
            raise InvalidTypeError(f"a {type(ring).__name__} is no shared ring; pass a SharedRing or its name")
        if idle_timeout is not None and not idle_timeout > 0:
            raise InvalidValueError(f"idle_timeout {idle_timeout!r} is not above 0; pass seconds, or None")
        check_chunk_rows(chunk_rows)
        if isinstance(ring, SharedRing):
            _check_dtype(ring)
        self.ending: Literal["closed", "idle", "stopped"] | None = None
        self.source = f"shared ring {ring if isinstance(ring, str) else ring.name!r}"
        self._ring = ring
        self._idle = math.inf if idle_timeout is None else idle_timeout
        self._chunk_rows = chunk_rows
        self._stop = Event()

    def stop(self) -> None:
        """End the pass, from any thread, within a twentieth of a second."""
        self._stop.set()

    def chunks(self) -> Iterator[Records]:
        """Begin a pass over the ticks that are there and that come.

        Raises:
            InvalidStateError: The producer died; all that it had pushed was handed over before. Or the ring has
                another consumer.
            InvalidTypeError: The ring's records are no ticks.
            InvalidValueError: There is no ring of this name.
            DataError: The shared memory is damaged.
        """
        self.ending = None
        self._stop.clear()
        return self._pass()

    def _pass(self) -> Iterator[Records]:
        if isinstance(self._ring, SharedRing):
            yield from self._popped(self._ring)
        else:
            with SharedRing.attach(self._ring) as ring:
                _check_dtype(ring)
                yield from self._popped(ring)

    def _popped(self, ring: SharedRing) -> Iterator[Records]:
        ticks, heard = 0, time.monotonic()
        while not self._stop.is_set():
            left = heard + self._idle - time.monotonic()
            if left <= 0:
                self.ending = "idle"
                return
            try:
                records = ring.pop(self._chunk_rows, timeout=min(left, _LOOK_SECONDS))
            except ClosedError:
                self.ending = "closed"
                return
            except InvalidStateError as error:
                raise InvalidStateError(f"{self.source} after {ticks:,} ticks: {error}") from error
            if len(records):
                ticks += len(records)
                yield records
                heard = time.monotonic()
        self.ending = "stopped"


def _check_dtype(ring: SharedRing) -> None:
    if ring.dtype != TICK_DTYPE:
        raise InvalidTypeError(f"ring {ring.name!r} has records of {ring.dtype}; create it with TICK_DTYPE")

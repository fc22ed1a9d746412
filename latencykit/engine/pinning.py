"""Pin threads to CPUs, and give back exactly the CPUs that they had."""

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from latencykit.errors import InvalidTypeError, InvalidValueError, UnsupportedError


class CpuPinning:
    """Pin threads to CPUs of a given set; in a ``with`` statement, the current thread to the first of them.

    A thread that is started by a pinned thread inherits its CPU. Linux only.

    Args:
        cores: The CPU numbers that may be pinned to, at least one, all among those that this thread may use.

    Raises:
        InvalidTypeError: A CPU is not an integer.
        InvalidValueError: There is no CPU, or one of them is not ours to use.
        UnsupportedError: This system has no CPU affinity for threads.
    """

    def __init__(self, cores: Iterable[int]) -> None:
        if not hasattr(os, "sched_setaffinity"):
            raise UnsupportedError("this system cannot pin a thread to a CPU; run without pinning")
        self._cores = tuple(cores)
        self._before: dict[int, set[int]] = {}
        allowed = os.sched_getaffinity(0)
        if not self._cores:
            raise InvalidValueError("there is no CPU to pin to; pass at least one")
        for core in self._cores:
            if not isinstance(core, int) or isinstance(core, bool):
                raise InvalidTypeError(f"CPU {core!r} is not an integer; pass CPU numbers")
            if core not in allowed:
                raise InvalidValueError(f"CPU {core} is not ours to pin to; choose from {_listed(allowed)}")

    def pin_current_thread(self, core: int) -> None:
        """Let the calling thread run on this CPU only.

        Args:
            core: One of the CPUs given at construction.

        Raises:
            InvalidValueError: The CPU is not one of them, or is no longer ours to use.
        """
        if core not in self._cores:
            raise InvalidValueError(f"CPU {core!r} is not among the CPUs {_listed(self._cores)} of this pinning")
        self._before.setdefault(threading.get_native_id(), os.sched_getaffinity(0))
        try:
            os.sched_setaffinity(0, {core})
        except OSError as error:
            raise InvalidValueError(f"CPU {core} cannot be pinned to ({error.strerror}); choose another") from error

    def restore(self) -> None:
        """Give each thread that was pinned the CPUs that it had before, if the thread still runs."""
        while self._before:
            thread, cores = self._before.popitem()
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cores)

    def __enter__(self) -> Self:
        self.pin_current_thread(self._cores[0])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.restore()


def _listed(cores: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(cores)))

"""Pin threads to CPUs, and give back exactly what they had."""

import operator
import os
import threading
import warnings
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from latencykit.engine.cpu_lists import format_cpus
from latencykit.engine.pinned_threads import process_threads
from latencykit.engine.residency import CpuLatency, Hold, MemoryLock
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError, LatencykitWarning

_HIGHEST_PRIORITY = 99  # of SCHED_FIFO on Linux, sched(7)
_memory = MemoryLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_memory.forget)


class CpuPinning:
    """Pin threads to CPUs of a given set; in a ``with`` statement, the current thread to the first of them.

    A CPU takes one pinned thread of this process, unless a second one asks to share it: of a producer and a
    consumer that spin on one CPU, one waits for whole time slices of the other. The CPU is free again when its
    thread is restored or ends. Pinnings may be nested, each a `CpuPinning` of its own, and undone in any order. A
    thread that a pinned one starts inherits its CPU, and its real-time priority too, and may be pinned elsewhere.

    On macOS a thread gets the highest quality-of-service class instead, and a warning says so.

    The options ask for more. What the system refuses is told by one LatencykitWarning and stands in `holds`; the
    thread is pinned all the same.

    Args:
        cores: The CPU numbers that may be pinned to, at least one, each once.
        lock_memory: Keep all memory of the process in RAM, from the first thread pinned until `restore`. Without
            CAP_IPC_LOCK, memory beyond RLIMIT_MEMLOCK cannot be had as long as it holds.
        realtime_priority: Run each pinned thread under SCHED_FIFO at this priority, 1 to 99. One that never sleeps
            keeps everything else from its CPU.
        hold_cpu_latency: Keep the CPUs of the machine out of deep sleep, from the first thread pinned until
            `restore`.

    Raises:
        InvalidTypeError: A CPU or the priority is not an integer, or a switch is not a bool.
        InvalidValueError: There is no CPU, one is named twice or is not ours to use, or the priority is out of range.
        UnsupportedError: This system can neither pin a thread nor raise its class.
    """

    def __init__(
        self,
        cores: Iterable[int],
        *,
        lock_memory: bool = False,
        realtime_priority: int | None = None,
        hold_cpu_latency: bool = False,
    ) -> None:
        self._threads = process_threads()
        self._cores = _checked_cores(cores)
        usable = self._threads.usable()
        for core in self._cores:
            if core not in usable:
                raise InvalidValueError(self._threads.affinity.why_not(core, usable))
        self._locks_memory = _checked_switch("lock_memory", lock_memory)
        self._priority = None if realtime_priority is None else _checked_priority(realtime_priority)
        self._latency = CpuLatency() if _checked_switch("hold_cpu_latency", hold_cpu_latency) else None
        self._lock = threading.RLock()
        self._holds: dict[tuple[str, int], Hold] = {}
        self._told: set[str] = set()
        self._entered = False

    @property
    def holds(self) -> tuple[Hold, ...]:
        """What was asked for beyond pinning since the last `restore`, and whether it was granted."""
        with self._lock:
            return tuple(self._holds.values())

    def siblings(self, core: int) -> frozenset[int]:
        """Return the other CPUs on the same physical core (SMT), for one to keep idle or to choose with care.

        Two spinning threads on siblings are allowed: they do not wait for each other, but share the core's units and
        its L1 and L2 caches.

        Args:
            core: A CPU number.

        Returns:
            The CPU numbers; none where there are none or the system does not tell.

        Raises:
            InvalidTypeError: It is not an integer.
        """
        return self._threads.affinity.siblings(_checked_core(core))

    def pin_current_thread(self, core: int, *, share: bool = False) -> None:
        """Let the calling thread run on this CPU only.

        Args:
            core: One of the CPUs given at construction.
            share: Pin to it even if another thread of this process is pinned to it.

        Raises:
            InvalidTypeError: The CPU is not an integer.
            InvalidValueError: The CPU is not one of those given, is no longer ours to use, or has another thread
                pinned to it.
        """
        self._pin(_checked_core(core), share=_checked_switch("share", share))

    def restore(self) -> None:
        """Give back what every pinned thread had before, and all that is held.

        Threads that have ended are passed over. CPUs that went offline or left the cpuset meanwhile cannot be given
        back: one LatencykitWarning says what is missing, after everything else is undone.
        """
        self._undo()

    def __enter__(self) -> Self:
        with self._lock:
            if self._entered:
                raise InvalidStateError("this pinning is inside its with block; make another CpuPinning to nest it")
            self._entered = True
            pinned_before = self._threads.owns(self)
        try:
            self._pin(self._cores[0], share=False)
        except BaseException:
            self._entered = False
            if not pinned_before:
                self._undo()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._undo()
        self._entered = False

    # What is public calls these two directly, so that their warnings show the line of the caller.

    def _pin(self, core: int, *, share: bool) -> None:
        if core not in self._cores:
            raise InvalidValueError(
                f"CPU {core} is not among the CPUs {format_cpus(self._cores)} of this pinning; choose one of those"
            )
        self._threads.pin(self, core, share=share)
        refused = [hold for hold in self._take_holds() if not hold.granted]
        if refused:
            warnings.warn("\n".join(map(str, refused)), LatencykitWarning, stacklevel=3)

    def _undo(self) -> None:
        with self._lock:
            lost = self._threads.restore(self)
            if (still_locked := _memory.give_back(self)) is not None:
                lost.append(still_locked)
            if self._latency is not None:
                self._latency.give_back()
            self._holds.clear()
        if lost:
            warnings.warn("\n".join(lost), LatencykitWarning, stacklevel=3)

    def _take_holds(self) -> list[Hold]:
        """Take what is not held yet; return what came of it, but of each kind of refusal the first only."""
        with self._lock:
            taken = self._missing_holds()
            self._holds.update(taken)
            new = [hold for hold in taken.values() if hold.granted or hold.what not in self._told]
            self._told.update(hold.what for hold in new if not hold.granted)
            return new

    def _missing_holds(self) -> dict[tuple[str, int], Hold]:
        taken: dict[tuple[str, int], Hold] = {}
        if self._threads.affinity.substitute and ("pinning", 0) not in self._holds:
            taken["pinning", 0] = Hold("pinning", granted=False, reason=self._threads.affinity.substitute)
        if self._locks_memory and ("lock_memory", 0) not in self._holds:
            taken["lock_memory", 0] = _memory.take(self)
        if self._latency is not None and ("hold_cpu_latency", 0) not in self._holds:
            taken["hold_cpu_latency", 0] = self._latency.take()
        if self._priority is not None:
            # The policy is asked for on each call: another owner may have changed it since.
            key = ("realtime_priority", threading.get_native_id())
            taken[key] = self._threads.prioritise(self, self._priority)
        return taken


def _checked_cores(cores: object) -> tuple[int, ...]:
    if isinstance(cores, str) or not isinstance(cores, Iterable):
        raise InvalidTypeError(f"cores {cores!r} is not a list of CPU numbers; pass one such as [0]")
    checked = tuple(map(_checked_core, cores))
    if not checked:
        raise InvalidValueError("there is no CPU to pin to; pass at least one")
    for core in checked:
        if checked.count(core) > 1:
            raise InvalidValueError(f"CPU {core} is named twice; name each CPU once")
    return checked


def _checked_core(core: object) -> int:
    try:
        if not isinstance(core, bool):
            return operator.index(core)  # type: ignore[arg-type]  # what is no integer raises
    except TypeError:
        pass
    raise InvalidTypeError(f"CPU {core!r} is not an integer; pass a CPU number")


def _checked_switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidTypeError(f"{name} {value!r} is not a bool; pass True or False")
    return value


def _checked_priority(priority: object) -> int:
    if not isinstance(priority, int) or isinstance(priority, bool):
        raise InvalidTypeError(f"realtime_priority {priority!r} is not an integer; pass 1 to 99, or None")
    if not 1 <= priority <= _HIGHEST_PRIORITY:
        raise InvalidValueError(f"realtime_priority {priority} is out of range; pass 1 to 99, or None")
    return priority

"""The threads of this process that are pinned: which CPUs they take, and what each had before."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from latencykit.engine.affinity import Affinity, ThreadId, affinity_of
from latencykit.engine.cpu_lists import format_cpus
from latencykit.engine.layers import Layers
from latencykit.engine.residency import Hold, Policy, RealTime
from latencykit.errors import InvalidValueError


@dataclass(slots=True)
class _Pinned:
    """One pinned thread.

    Attributes:
        python: Python's object of it; its number, `ident`, stays when the process forks.
        name: What Python called it.
        cores: The CPU that each owner pinned it to.
        cpus: What it may run on, as the owners set it.
        policy: Its scheduling policy, as the owners set it.
    """

    python: threading.Thread
    name: str
    cores: dict[object, int] = field(default_factory=dict)
    cpus: Layers[Any] = field(default_factory=Layers)
    policy: Layers[Policy] = field(default_factory=Layers)


class PinnedThreads:
    """All pinned threads; any thread may call.

    An owner is whoever pins, here a `CpuPinning`. A thread takes every CPU that an owner pinned it to, also while
    a later owner has it elsewhere: it will come back.

    Args:
        affinity: How this system pins.
        real_time: How it sets a policy.
    """

    def __init__(self, affinity: Affinity[Any], real_time: RealTime) -> None:
        self.affinity = affinity
        self._real_time = real_time
        self._threads: dict[ThreadId, _Pinned] = {}
        self._lock = threading.RLock()

    def usable(self) -> frozenset[int]:
        """Return the CPUs that the calling thread may be pinned to."""
        with self._lock:
            self._forget_ended()
            return self.affinity.usable([pinned.cpus.bottom for pinned in self._threads.values() if pinned.cpus])

    def owns(self, owner: object) -> bool:
        """Tell whether an owner has pinned a thread that still runs."""
        with self._lock:
            self._forget_ended()
            return any(owner in pinned.cores for pinned in self._threads.values())

    def pin(self, owner: object, core: int, *, share: bool) -> None:
        """Pin the calling thread.

        Raises:
            InvalidValueError: The CPU is taken by another thread, or the system refuses it.
        """
        affinity = self.affinity
        with self._lock:
            self._forget_ended()
            thread = affinity.current()
            if not share:
                self._refuse_taken(core, thread)
            try:
                before, only = affinity.read(thread), affinity.only(core)
                affinity.write(thread, only)
            except OSError as error:
                usable = self.usable()
                why = "choose another" if core in usable else affinity.why_not(core, usable)
                raise InvalidValueError(f"CPU {core} cannot be pinned to ({error.strerror}); {why}") from error
            pinned = self._of_current(thread)
            pinned.cpus.put(owner, before, only)
            pinned.cores[owner] = core

    def prioritise(self, owner: object, priority: int) -> Hold:
        """Give the calling thread a real-time priority, if the system grants it."""
        real_time, name = self._real_time, threading.current_thread().name
        if not real_time.supported:
            return real_time.unsupported()
        policy = real_time.fifo(priority)
        with self._lock:
            thread = self.affinity.current()
            try:
                before = real_time.read(thread.number)
                real_time.write(thread.number, policy)
            except OSError as error:
                return real_time.refused(error, name)
            self._of_current(thread).policy.put(owner, before, policy)
        return real_time.granted(policy, name)

    def restore(self, owner: object) -> list[str]:
        """Undo what an owner did to every thread that still runs.

        Returns:
            A sentence about each thing that could not be undone.
        """
        with self._lock:
            self._forget_ended()
            lost = [
                sentence for thread, pinned in self._threads.items() for sentence in self._undo(owner, thread, pinned)
            ]
            self._threads = {thread: pinned for thread, pinned in self._threads.items() if pinned.cores}
            return lost

    def after_fork(self) -> None:
        """Keep the calling thread alone, under its new number: a forked child has no other."""
        self._lock = threading.RLock()
        own = [pinned for pinned in self._threads.values() if pinned.python.ident == threading.get_ident()]
        self._threads = {self.affinity.current(): pinned for pinned in own}

    def _of_current(self, thread: ThreadId) -> _Pinned:
        if thread not in self._threads:
            python = threading.current_thread()
            self._threads[thread] = _Pinned(python, python.name)
        return self._threads[thread]

    def _forget_ended(self) -> None:
        # A thread that was joined is over, though the kernel may take a moment to end it.
        self._threads = {
            thread: pinned
            for thread, pinned in self._threads.items()
            if pinned.python.is_alive() and self.affinity.runs(thread)
        }

    def _refuse_taken(self, core: int, thread: ThreadId) -> None:
        others = {other: pinned for other, pinned in self._threads.items() if other != thread}
        taken = {held for pinned in others.values() for held in pinned.cores.values()}
        if core not in taken:
            return
        holder = next(pinned.name for pinned in others.values() if core in pinned.cores.values())
        free = self.usable() - taken
        raise InvalidValueError(
            f"CPU {core} has thread {holder!r} pinned to it, and two threads that spin on one CPU wait for each other "
            f"for whole time slices; choose another (free: {format_cpus(free)}), or pass share=True if one of them "
            "mostly sleeps"
        )

    def _undo(self, owner: object, thread: ThreadId, pinned: _Pinned) -> Iterator[str]:
        pinned.cores.pop(owner, None)
        policy, cpus = pinned.policy.drop(owner), pinned.cpus.drop(owner)
        try:
            if policy is not None:
                yield from self._give_policy(thread, pinned.name, policy)
            if cpus is not None:
                yield from self._give_cpus(thread, pinned.name, cpus)
        except ProcessLookupError:  # it ended just now
            return

    def _give_policy(self, thread: ThreadId, name: str, policy: Policy) -> Iterator[str]:
        try:
            self._real_time.write(thread.number, policy)
        except ProcessLookupError:
            raise
        except OSError as error:
            yield f"thread {name!r} keeps its real-time priority ({error.strerror})"

    def _give_cpus(self, thread: ThreadId, name: str, cpus: Any) -> Iterator[str]:
        affinity = self.affinity
        had = affinity.describe(cpus)
        try:
            affinity.write(thread, cpus)
            got = affinity.read(thread)
        except ProcessLookupError:
            raise
        except OSError as error:
            yield f"thread {name!r} stays as it is and does not get {had} back ({error.strerror})"
        else:
            if got != cpus:
                yield f"thread {name!r} had {had} and got only {affinity.describe(got)} back: the others went away"


_process: PinnedThreads | None = None


def process_threads() -> PinnedThreads:
    """Return the pinned threads of this process.

    Raises:
        UnsupportedError: This system has no way to pin a thread.
    """
    global _process  # noqa: PLW0603 - which CPUs are taken is one fact of the process
    if _process is None:
        _process = PinnedThreads(affinity_of(), RealTime())
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_process.after_fork)
    return _process

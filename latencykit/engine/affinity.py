"""How an operating system keeps a thread on one CPU: what pinning needs of it, and Linux."""

import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from latencykit.engine.cpu_lists import format_cpus, read_limits, read_siblings, why_not
from latencykit.errors import UnsupportedError

S = TypeVar("S")
_START_TIME = 19  # starttime is field 22 of proc_pid_stat(5); counted from 0 after the name, which is field 2


class ThreadId(NamedTuple):
    """One thread, told apart from a later one that got its number again.

    Attributes:
        number: The system's number of the thread.
        started: When it started, in whatever unit the system has; 0 where numbers are not used again.
    """

    number: int
    started: int


class Affinity(Protocol[S]):
    """What pinning needs of an operating system; S is its way to note on which CPUs a thread may run.

    Attributes:
        substitute: What happens to a thread in place of pinning; empty where it is pinned.
    """

    substitute: str

    def usable(self, before: Iterable[S], /) -> frozenset[int]:
        """Return the CPUs that the calling thread may be pinned to.

        Args:
            before: What the threads that are pinned now had before, which any thread of the process may have.
        """

    def why_not(self, core: int, usable: frozenset[int], /) -> str:
        """Say why a CPU is none of the usable ones, and what to do about it."""

    def current(self) -> ThreadId:
        """Return the calling thread."""

    def runs(self, thread: ThreadId, /) -> bool:
        """Tell whether this thread of this process has not ended."""

    def read(self, thread: ThreadId, /) -> S:
        """Return on which CPUs a thread may run. OSError: it has ended, or the system refused."""

    def only(self, core: int, /) -> S:
        """Return what lets the calling thread run on one CPU alone."""

    def write(self, thread: ThreadId, cpus: S, /) -> None:
        """Set on which CPUs a thread may run. OSError: it has ended, or the system refused."""

    def describe(self, cpus: S, /) -> str:
        """Name what `read` returned."""

    def siblings(self, core: int, /) -> frozenset[int]:
        """Return the other CPUs that share a physical core with this one; empty where it is not told."""


def affinity_of(system: str = sys.platform) -> Affinity[Any]:
    """Return the way of an operating system.

    Args:
        system: As `sys.platform` names it.

    Raises:
        UnsupportedError: It has none that we know.
    """
    if system == "win32":
        from latencykit.engine.affinity_windows import WindowsAffinity

        return WindowsAffinity()
    if system == "darwin":
        from latencykit.engine.affinity_macos import MacPriority

        return MacPriority()
    if hasattr(os, "sched_setaffinity"):
        return LinuxAffinity()
    raise UnsupportedError("this system cannot pin a thread to a CPU; run without pinning")


class LinuxAffinity:
    """sched_setaffinity(2), which takes the number of a thread.

    Args:
        system: What has the calls, the module `os` but in tests.
        root: Where ``proc`` and ``sys`` are.
    """

    substitute = ""

    def __init__(self, system: Any = os, root: Path = Path("/")) -> None:
        self._os = system
        self._root = root

    def usable(self, before: Iterable[frozenset[int]]) -> frozenset[int]:
        """Return what this thread, the main thread, or any pinned thread before it was pinned may run on.

        A thread that a pinned one starts inherits its one CPU; that must not keep it from the others.
        """
        limits = read_limits(self._root)
        own = frozenset(self._os.sched_getaffinity(0))
        had = own.union(self._os.sched_getaffinity(self._os.getpid()), *before)
        return had.intersection(*(limit for limit in (limits.online, limits.cpuset) if limit is not None))

    def why_not(self, core: int, usable: frozenset[int]) -> str:
        """Name the limit: of the machine, of what is switched on, of the cpuset, of the process."""
        return why_not(core, read_limits(self._root), usable)

    def current(self) -> ThreadId:
        """Return the calling thread by number and start time."""
        number = threading.get_native_id()
        started = self._started(number)
        if started is None:
            raise UnsupportedError("pinning needs /proc to tell threads apart; mount it, or run without pinning")
        return ThreadId(number, started)

    def runs(self, thread: ThreadId) -> bool:
        """Tell whether the number still belongs to the thread that had it."""
        return self._started(thread.number) == thread.started

    def read(self, thread: ThreadId) -> frozenset[int]:
        """Return the CPUs of a thread."""
        return frozenset(self._os.sched_getaffinity(thread.number))

    def only(self, core: int) -> frozenset[int]:
        """Return the set of this CPU."""
        return frozenset((core,))

    def write(self, thread: ThreadId, cpus: frozenset[int]) -> None:
        """Set the CPUs of a thread; the kernel leaves out those that are offline or outside of the cpuset."""
        self._os.sched_setaffinity(thread.number, cpus)

    def describe(self, cpus: frozenset[int]) -> str:
        """Write the CPUs as a list."""
        return f"CPUs {format_cpus(cpus)}"

    def siblings(self, core: int) -> frozenset[int]:
        """Read the siblings from sysfs."""
        return read_siblings(self._root, core)

    def _started(self, number: int) -> int | None:
        """Return when a thread of this process started, in clock ticks since boot; None if there is none.

        A tick is 10 ms: a number would have to come round within one to be taken for the same thread.
        """
        try:
            text = (self._root / f"proc/self/task/{number}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        return int(text.rpartition(")")[2].split()[_START_TIME])

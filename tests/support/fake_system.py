"""Stand-ins for what an operating system tells and does about threads, so that a test needs no machine of its kind."""

import errno
import threading
from pathlib import Path
from types import SimpleNamespace

from latencykit.engine.affinity import LinuxAffinity


class FakeLinux:
    """A Linux with CPUs of choice, whose threads are known by number.

    Attributes:
        affinity: The CPUs of each thread.
        policy: The scheduling policy and priority of each thread.
        permitted: The CPUs that are online and inside the cpuset.
    """

    SCHED_OTHER = 0
    SCHED_FIFO = 1

    def __init__(self, root: Path, cpus: int = 4, present: str | None = None) -> None:
        self.root = root
        self.permitted = set(range(cpus))
        self.affinity: dict[int, set[int]] = {}
        self.policy: dict[int, tuple[int, int]] = {}
        self.refusal: OSError | None = None
        self.write("sys/devices/system/cpu/present", present or f"0-{cpus - 1}")
        self.write("sys/devices/system/cpu/online", f"0-{cpus - 1}")
        self.start(self.getpid())

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    def start(self, number: int, at: int = 100) -> None:
        """Start a thread under a number."""
        self.affinity[number] = set(self.permitted)
        self.policy[number] = (self.SCHED_OTHER, 0)
        before = "S 1 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0"  # proc_pid_stat(5) up to the start time
        self.write(f"proc/self/task/{number}/stat", f"{number} (a) b (c) {before} {at} 12345 67")

    def end(self, number: int) -> None:
        """End the thread of a number."""
        del self.affinity[number]
        (self.root / f"proc/self/task/{number}/stat").unlink()

    def take_away(self, *cpus: int) -> None:
        """Switch CPUs off: threads that have others keep those."""
        self.permitted -= set(cpus)
        for mask in self.affinity.values():
            mask.intersection_update(self.permitted)

    def getpid(self) -> int:
        return threading.main_thread().native_id or 0

    def sched_getaffinity(self, number: int) -> set[int]:
        return set(self._mask(number))

    def sched_setaffinity(self, number: int, cpus: set[int]) -> None:
        if self.refusal is not None:
            raise self.refusal
        mask = self._mask(number)
        kept = set(cpus) & self.permitted
        if not kept:
            raise OSError(errno.EINVAL, "Invalid argument")
        mask.clear()
        mask |= kept

    def sched_getscheduler(self, number: int) -> int:
        return self.policy[number or self.own()][0]

    def sched_getparam(self, number: int) -> SimpleNamespace:
        return SimpleNamespace(sched_priority=self.policy[number or self.own()][1])

    def sched_param(self, priority: int) -> int:
        return priority

    def sched_setscheduler(self, number: int, policy: int, priority: int) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.policy[number or self.own()] = (policy, priority)

    def own(self) -> int:
        return threading.get_native_id()

    def linux_affinity(self) -> LinuxAffinity:
        return LinuxAffinity(self, self.root)

    def _mask(self, number: int) -> set[int]:
        try:
            return self.affinity[number or self.own()]
        except KeyError:
            raise ProcessLookupError(errno.ESRCH, "No such process") from None

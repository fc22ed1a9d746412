"""What keeps a pinned thread ready to run: memory that stays, a real-time policy, CPUs that do not sleep deeply.

Linux only. Each is asked for and may be refused; a refusal is a record with its reason, never an exception.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

MCL_CURRENT, MCL_FUTURE = 1, 2  # asm-generic/mman.h
_ELSEWHERE = "this system has no call for it that we know; only Linux does"
_RUN_ON_LINUX = "run on Linux, or leave the option out"


@dataclass(frozen=True, slots=True)
class Hold:
    """What became of one thing that was asked for.

    Attributes:
        what: The option that asked for it, or ``pinning`` itself where a system has a substitute alone.
        granted: Whether it is held.
        reason: Why it was refused; of what is held, what to know about it.
        remedy: What to do about a refusal, or about what the reason of a grant warns of.
    """

    what: Literal["lock_memory", "realtime_priority", "hold_cpu_latency", "pinning"]
    granted: bool
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        state = "granted" if self.granted else "refused"
        return f"{self.what} was {state}: {self.reason}" + (f"; {self.remedy}" if self.remedy else "")


class MemoryLock:
    """All memory of this process kept in RAM (mlockall(2)) for as long as one owner wants it.

    Args:
        libc: What has `mlockall` and `munlockall`; None loads the C library.
        root: Where ``proc`` is.
        system: As `sys.platform` names it.
    """

    def __init__(self, libc: Any = None, root: Path = Path("/"), system: str = sys.platform) -> None:
        self._libc = libc
        self._root = root
        self._system = system
        self._owners: set[object] = set()
        self._others_had_locked = False

    def take(self, owner: object) -> Hold:
        """Lock what is mapped and what will be, unless another owner has done so."""
        if self._system != "linux":
            return Hold("lock_memory", granted=False, reason=_ELSEWHERE, remedy=_RUN_ON_LINUX)
        if not self._owners:
            locked_before = self._kib("VmLck")
            if error := self._call("mlockall", MCL_CURRENT | MCL_FUTURE):
                return self._refused(error)
            self._others_had_locked = locked_before > 0
        self._owners.add(owner)
        locked = f"{self._kib('VmLck'):,} KiB are locked, and what is mapped from now on"
        return Hold("lock_memory", granted=True, reason=locked)

    def give_back(self, owner: object) -> str | None:
        """Unlock when the last owner gives it back.

        Returns:
            What stays locked and why; None if all is as it was.
        """
        if owner not in self._owners:
            return None
        self._owners.discard(owner)
        if self._owners:
            return None
        if self._others_had_locked:
            return (
                "all memory stays locked: somebody else had locked some of it before, and unlocking would take "
                "theirs too; call munlockall() when nobody needs it"
            )
        error = self._call("munlockall")
        return f"memory stays locked ({os.strerror(error)})" if error else None

    def forget(self) -> None:
        """Forget all owners: a forked child has no locked memory (mlock(2))."""
        self._owners.clear()

    def _call(self, name: str, *args: int) -> int:
        """Call the C library; return 0 or the error's number."""
        if self._libc is None:
            self._libc = ctypes.CDLL(None, use_errno=True)
        function: Callable[..., int] = getattr(self._libc, name)
        return ctypes.get_errno() if function(*args) else 0

    def _refused(self, error: int) -> Hold:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
        allowed = "unlimited" if limit == resource.RLIM_INFINITY else f"{limit // 1024:,} KiB"
        return Hold(
            "lock_memory",
            granted=False,
            reason=f"{os.strerror(error)}: RLIMIT_MEMLOCK is {allowed}, and {self._kib('VmSize'):,} KiB are mapped",
            remedy="raise the limit (ulimit -l unlimited, LimitMEMLOCK=infinity) or give the process CAP_IPC_LOCK",
        )

    def _kib(self, name: str) -> int:
        """Read a size of this process from /proc/self/status (proc_pid_status(5))."""
        for line in (self._root / "proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return int(value.split()[0])
        return 0


class CpuLatency:
    """The file that keeps CPUs out of sleep that they are slow to leave, for as long as it is open.

    A request of 0 µs (Linux, power/pm_qos_interface). It holds for all CPUs of the machine.

    Args:
        path: The file.
    """

    def __init__(self, path: Path = Path("/dev/cpu_dma_latency")) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> Hold:
        """Open the file and ask for no latency."""
        try:
            self._descriptor = os.open(self._path, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))
            os.write(self._descriptor, struct.pack("=i", 0))
        except OSError as error:
            self.give_back()
            remedy = "run as root, or have this file made writable for the user (a udev rule)"
            if isinstance(error, FileNotFoundError):
                remedy = "pass the device into the container, or run on a Linux kernel with CONFIG_CPU_IDLE"
            return Hold("hold_cpu_latency", granted=False, reason=f"{self._path}: {error.strerror}", remedy=remedy)
        held = f"{self._path} is open with a request of 0 µs, for all CPUs"
        return Hold("hold_cpu_latency", granted=True, reason=held)

    def give_back(self) -> None:
        """Close the file, which ends the request."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Policy(NamedTuple):
    """How the kernel schedules a thread (sched(7)): the number of the policy, and the priority."""

    number: int
    priority: int


class RealTime:
    """The SCHED_FIFO policy: the thread runs until it sleeps or one of higher priority wants its CPU.

    Args:
        system: What has the calls, the module `os` but in tests.
        root: Where ``proc`` is.
    """

    def __init__(self, system: Any = os, root: Path = Path("/")) -> None:
        self._os = system
        self._root = root

    @property
    def supported(self) -> bool:
        """Whether the system has the calls."""
        return hasattr(self._os, "sched_setscheduler") and hasattr(self._os, "SCHED_FIFO")

    def fifo(self, priority: int) -> Policy:
        """Return the policy at a priority."""
        return Policy(self._os.SCHED_FIFO, priority)

    def read(self, thread: int) -> Policy:
        """Return what a thread has. OSError: it has ended, or the system refused."""
        priority = self._os.sched_getparam(thread).sched_priority
        return Policy(self._os.sched_getscheduler(thread), priority)

    def write(self, thread: int, policy: Policy) -> None:
        """Set what a thread has. OSError: it has ended, or the system refused."""
        self._os.sched_setscheduler(thread, policy.number, self._os.sched_param(policy.priority))

    def unsupported(self) -> Hold:
        """Return the refusal of a system without it."""
        return Hold("realtime_priority", granted=False, reason=_ELSEWHERE, remedy=_RUN_ON_LINUX)

    def refused(self, error: OSError, name: str) -> Hold:
        """Return the refusal that an error means."""
        import resource

        limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
        return Hold(
            "realtime_priority",
            granted=False,
            reason=f"{error.strerror} for thread {name!r}: RLIMIT_RTPRIO is {limit}",
            remedy="raise the limit (ulimit -r 99, LimitRTPRIO=) or give the process CAP_SYS_NICE; in a control group "
            "of version 1 also cpu.rt_runtime_us",
        )

    def granted(self, policy: Policy, name: str) -> Hold:
        """Return the grant, with what the kernel takes from a thread that never sleeps."""
        held = f"thread {name!r} runs under SCHED_FIFO at priority {policy.priority}"
        runtime, period = (self._number(f"sched_rt_{part}_us") for part in ("runtime", "period"))
        if runtime is None or not period or runtime < 0:
            return Hold("realtime_priority", granted=True, reason=held)
        return Hold(
            "realtime_priority",
            granted=True,
            reason=f"{held}; real-time threads that never sleep get {runtime:,} of every {period:,} µs "
            "(/proc/sys/kernel/sched_rt_runtime_us)",
            remedy="let it sleep now and then, or set that file to -1 where a hung thread may take its CPU for good",
        )

    def _number(self, name: str) -> int | None:
        try:
            return int((self._root / "proc/sys/kernel" / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

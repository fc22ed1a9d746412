"""Which CPUs there are, and which limit keeps a thread from one (Linux: sysfs, cpuset(7), cgroups(7))."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_CPUS = Path("sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class CpuLimits:
    """The CPUs by limit, each a part of the one before; None where the system does not tell.

    Attributes:
        present: Those that the machine has.
        online: Those that are switched on.
        cpuset: Those that the control group of this process allows.
    """

    present: frozenset[int] | None
    online: frozenset[int] | None
    cpuset: frozenset[int] | None


def read_limits(root: Path) -> CpuLimits:
    """Read the limits below `root`, which is ``/`` but in tests."""
    return CpuLimits(_read_list(root / _CPUS / "present"), _read_list(root / _CPUS / "online"), _read_cpuset(root))


def read_siblings(root: Path, core: int) -> frozenset[int]:
    """Return the other CPUs that share a physical core with this one (SMT); empty also where it is not told."""
    listed = _read_list(root / _CPUS / f"cpu{core}" / "topology" / "thread_siblings_list")
    return (listed or frozenset()) - {core}


def why_not(core: int, limits: CpuLimits, allowed: Iterable[int]) -> str:
    """Say which limit keeps a thread of this process from a CPU, and what to do about it.

    Args:
        core: A CPU that the process may not use.
        limits: What was read.
        allowed: The CPUs that it may use.
    """
    usable = format_cpus(allowed)
    if limits.present is not None and core not in limits.present:
        there = format_cpus(limits.present)
        return f"CPU {core} does not exist: this machine has CPUs {there}; choose from {usable}"
    if limits.online is not None and core not in limits.online:
        return (
            f"CPU {core} is offline: only CPUs {format_cpus(limits.online)} are online; choose from {usable}, "
            f"or switch it on in /{_CPUS}/cpu{core}/online"
        )
    if limits.cpuset is not None and core not in limits.cpuset:
        return (
            f"CPU {core} exists but this process's cpuset allows only {format_cpus(limits.cpuset)}; choose from "
            f"{usable}, or have the container or the service given more (--cpuset-cpus, AllowedCPUs=)"
        )
    return (
        f"CPU {core} is not ours to pin to: this process was started for CPUs {usable} only (taskset, or what "
        "started it); choose from those, or start it with more"
    )


def parse_cpus(text: str) -> frozenset[int]:
    """Parse a kernel list of CPUs such as ``0-3,8``; empty gives none.

    Raises:
        ValueError: It is no such list.
    """
    cpus: set[int] = set()
    for part in text.strip().split(","):
        if part:
            first, dash, last = part.partition("-")
            cpus.update(range(int(first), int(last if dash else first) + 1))
    return frozenset(cpus)


def format_cpus(cpus: Iterable[int]) -> str:
    """Write CPUs as the kernel does: ``0-3, 8``."""
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in _runs(cpus)) or "none"


def _runs(cpus: Iterable[int]) -> Iterator[tuple[int, int]]:
    ordered = sorted(set(cpus))
    starts = [cpu for cpu in ordered if cpu - 1 not in ordered]
    ends = [cpu for cpu in ordered if cpu + 1 not in ordered]
    return zip(starts, ends, strict=True)


def _read_list(path: Path) -> frozenset[int] | None:
    try:
        return parse_cpus(path.read_text(encoding="ascii")) or None
    except (OSError, ValueError):
        return None


def _read_cpuset(root: Path) -> frozenset[int] | None:
    """Read the cpuset of this process's control group, or of the nearest one above it that tells.

    The usual places of the mounts do: what is read explains a refusal, it does not make one.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    top = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "cpuset" in controllers.split(","):
            found = _nearest(top / "cpuset", path, "cpuset.effective_cpus")
        elif controllers == "":
            found = _nearest(top, path, "cpuset.cpus.effective")
        else:
            continue
        if found is not None:
            return found
    return None


def _nearest(top: Path, path: str, name: str) -> frozenset[int] | None:
    parts = [part for part in path.split("/") if part]
    if ".." in parts:
        parts = []
    for depth in range(len(parts), -1, -1):
        if (found := _read_list(top.joinpath(*parts[:depth], name))) is not None:
            return found
    return None

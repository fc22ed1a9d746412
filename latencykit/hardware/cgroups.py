"""Read how much CPU time the control groups allow (cgroups(7); the kernel's cgroup-v2, sched-bwc)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from latencykit.hardware.mounts import Mount
from latencykit.hardware.reading import parse_int, read_text, under


@dataclass(frozen=True, slots=True)
class CpuAllowance:
    """What the control groups allow.

    Attributes:
        quota: CPUs' worth of time, the least that any group above the process allows; None is no quota, or,
            where `source` is None too, unknown.
        source: The interface that was read: ``cgroup v2``, ``cgroup v1``, both, or None for neither.
        throttled_periods: Periods in which a group was stopped for its quota, summed over the groups.
    """

    quota: float | None = None
    source: str | None = None
    throttled_periods: int | None = None


def read_cpu_allowance(root: Path, mounts: Sequence[Mount]) -> CpuAllowance:
    """Read the CPU quota over every group from the process's own up to the top that can be seen."""
    paths = parse_cgroups(read_text(root / "proc/self/cgroup"))
    by_version: dict[str, list[Path]] = {}
    for mount in mounts:
        version, controller = _cpu_controller(root, mount)
        if version and controller in paths:
            # One hierarchy may be mounted in several places; its first is enough.
            folders = [under(root, folder) for folder in group_folders(mount, paths[controller])]
            by_version.setdefault(version, folders)
    groups = [folder for folders in by_version.values() for folder in folders]
    quotas = [quota for folder in groups if (quota := _read_quota(folder)) is not None]
    throttled = [count for folder in groups if (count := _read_throttled(folder)) is not None]
    return CpuAllowance(
        quota=min(quotas, default=None),
        source=" and ".join(sorted(by_version)) or None,
        throttled_periods=sum(throttled) if throttled else None,
    )


def parse_cgroups(text: str | None) -> dict[str, str]:
    """Parse /proc/self/cgroup into a path by controller; version 2 has the empty name."""
    paths = {}
    for line in (text or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, separator, path = rest.partition(":")
        if separator and parse_int(number) is not None:
            paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def group_folders(mount: Mount, path: str) -> list[str]:
    """Return the folders of a group and of its parents, nearest first, as far up as the mount shows them.

    A container may see its group's path from outside while the mount starts at the group: the part that the
    mount's root stands for is cut off. A path outside of what is mounted leaves the mount's top alone.
    """
    top = mount.point.rstrip("/")
    prefix = mount.root.rstrip("/")
    inside = path == mount.root or path.startswith(prefix + "/")
    names = [name for name in path.removeprefix(prefix).split("/") if name] if inside else []
    if ".." in names:
        names = []
    return ["/".join((top, *names[:depth])) for depth in range(len(names), -1, -1)]


def _cpu_controller(root: Path, mount: Mount) -> tuple[str | None, str]:
    """Return the interface, if this mount controls CPU time, and its name in /proc/self/cgroup."""
    if mount.filesystem == "cgroup" and "cpu" in mount.options:
        return "cgroup v1", "cpu"
    if mount.filesystem == "cgroup2":
        controllers = read_text(under(root, mount.point) / "cgroup.controllers") or ""
        return ("cgroup v2" if "cpu" in controllers.split() else None), ""
    return None, ""


def _read_quota(folder: Path) -> float | None:
    if version2 := read_text(folder / "cpu.max"):
        return parse_quota(version2.split())
    return parse_quota((read_text(folder / "cpu.cfs_quota_us"), read_text(folder / "cpu.cfs_period_us")))


def parse_quota(words: Iterable[str | None]) -> float | None:
    """Return quota over period, in CPUs; ``max``, -1 and anything malformed give None."""
    numbers = [parse_int(word) for word in words]
    match numbers:
        case [int(quota), int(period)] if quota > 0 and period > 0:
            return quota / period
    return None


def _read_throttled(folder: Path) -> int | None:
    for line in (read_text(folder / "cpu.stat") or "").splitlines():
        name, _, value = line.partition(" ")
        if name == "nr_throttled":
            return parse_int(value)
    return None

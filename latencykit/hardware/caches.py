"""Read the caches from sysfs, whose figures come from the CPU itself; glibc's sysconf can be wrong.

Layout: the kernel's Documentation/ABI/testing/sysfs-devices-system-cpu, "cacheinfo".
"""

from pathlib import Path

from latencykit.environment import Cache
from latencykit.hardware.reading import parse_cpu_list, parse_size, read_int, read_names, read_text


def read_caches(root: Path, cpu: int = 0) -> list[Cache]:
    """Return the caches that one CPU sees, from the nearest to the farthest.

    Args:
        root: The root of the tree that holds ``sys``.
        cpu: The CPU's number.

    Returns:
        One entry a cache; a cache whose level, kind or size is not given is left out.
    """
    folder = root / f"sys/devices/system/cpu/cpu{cpu}/cache"
    found = (_read_cache(folder / name) for name in read_names(folder) if name.startswith("index"))
    return sorted((cache for cache in found if cache is not None), key=lambda cache: (cache.level, cache.kind))


def _read_cache(folder: Path) -> Cache | None:
    level, kind, size = (
        read_int(folder / "level"),
        read_text(folder / "type"),
        parse_size(read_text(folder / "size")),
    )
    if level is None or kind is None or size is None:
        return None
    return Cache(
        level=level,
        kind=kind.lower(),
        size_bytes=size,
        # 0 is the kernel's "not told", in ways as in line size.
        line_bytes=read_int(folder / "coherency_line_size") or None,
        ways=read_int(folder / "ways_of_associativity") or None,
        shared_by=len(parse_cpu_list(read_text(folder / "shared_cpu_list"))) or None,
    )

"""Read main memory: its size, the huge page mode and how much of it this process may lock."""

import re
import resource
from pathlib import Path

from latencykit.environment import Memory
from latencykit.hardware.reading import read_text


def read_memory(root: Path, locked_limit_bytes: int | None) -> Memory:
    """Read main memory from the files under a root.

    Args:
        root: The root of the tree that holds ``proc`` and ``sys``.
        locked_limit_bytes: How much this process may lock; None is no limit.
    """
    sizes = parse_meminfo(read_text(root / "proc/meminfo"))
    return Memory(
        total_bytes=sizes.get("MemTotal"),
        available_bytes=sizes.get("MemAvailable"),
        huge_pages=parse_choice(read_text(root / "sys/kernel/mm/transparent_hugepage/enabled")),
        locked_limit_bytes=locked_limit_bytes,
    )


def parse_meminfo(text: str | None) -> dict[str, int]:
    """Parse /proc/meminfo into bytes by name; its "kB" are units of 1024 bytes (proc_meminfo(5))."""
    rows = re.findall(r"^(\w+):\s+([0-9]+) kB\s*$", text or "", re.MULTILINE | re.ASCII)
    return {name: int(kibibytes) * 1024 for name, kibibytes in rows}


def parse_choice(text: str | None) -> str | None:
    """Return the bracketed word of a sysfs choice such as ``always [madvise] never``."""
    match = re.search(r"\[([^\]\s]+)\]", text or "")
    return match[1] if match else None


def locked_limit() -> int | None:
    """Return the soft limit on locked memory in bytes; None is no limit (getrlimit(2), RLIMIT_MEMLOCK)."""
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return None if soft == resource.RLIM_INFINITY else soft

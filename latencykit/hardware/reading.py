"""Read small kernel files and parse what they have in common; what cannot be read is None or empty."""

import math
import os
from pathlib import Path

# A range longer than this is no CPU list: the kernel's own limit, NR_CPUS, is 8192 on x86-64.
_MOST_CPUS = 65_536

_SIZE_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def read_text(path: Path) -> str | None:
    """Return a file's text without surrounding white space, or None where it cannot be read or is empty."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except (OSError, ValueError):
        return None


def read_int(path: Path) -> int | None:
    """Return the whole number that a file holds, or None."""
    return parse_int(read_text(path))


def read_names(folder: Path) -> list[str]:
    """Return the sorted names in a folder; none where it cannot be listed."""
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except (OSError, ValueError):
        return []


def present(path: Path) -> bool:
    """Return whether a path can be seen to exist."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def real_path(path: Path) -> Path:
    """Follow the links of a path as far as it exists; a path that cannot be followed comes back absolute."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):
        return path.absolute()


def under(root: Path, absolute: str) -> Path:
    """Return where an absolute path lies under another root."""
    return root / absolute.lstrip("/")


def parse_int(text: str | None) -> int | None:
    """Parse a whole number, or return None."""
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def parse_positive(text: str | None) -> float | None:
    """Parse a finite number greater than 0, or return None."""
    try:
        value = math.nan if text is None else float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def parse_size(text: str | None) -> int | None:
    """Parse a size such as ``32K`` or ``8M`` into bytes, as sysfs writes the size of a cache."""
    if not text:
        return None
    number, unit = (text[:-1], text[-1].upper()) if text[-1].isalpha() else (text, "")
    count = parse_int(number)
    return count * _SIZE_UNITS[unit] if count is not None and count > 0 and unit in _SIZE_UNITS else None


def parse_cpu_list(text: str | None) -> list[int]:
    """Parse a CPU list such as ``0-3,8`` (cpuset(7), "List format"); a malformed one gives an empty list."""
    cpus: set[int] = set()
    for part in (text or "").split(","):
        first, _, last = part.strip().partition("-")
        low, high = parse_int(first), parse_int(last or first)
        if low is None or high is None or not 0 <= high - low < _MOST_CPUS:
            return []
        cpus.update(range(low, high + 1))
    return sorted(cpus)

"""Parse /proc/self/mountinfo and find the mount that a path lies on (proc_pid_mountinfo(5))."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from latencykit.hardware.reading import read_text

_OCTAL_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted file system.

    Attributes:
        device: The device's numbers, ``major:minor``; major 0 is a file system without a device of its own.
        root: The path inside the file system that is mounted here.
        point: Where it is mounted.
        filesystem: Its type, such as ext4.
        source: What is mounted, as the file system names it.
        options: The file system's own options.
    """

    device: str
    root: str
    point: str
    filesystem: str
    source: str
    options: tuple[str, ...]


def read_mounts(root: Path) -> list[Mount]:
    """Read this process's mounts, in the kernel's order; none where they cannot be read."""
    return parse_mountinfo(read_text(root / "proc/self/mountinfo"))


def parse_mountinfo(text: str | None) -> list[Mount]:
    """Parse mountinfo; a malformed line is left out."""
    return [mount for line in (text or "").splitlines() if (mount := _parse_line(line)) is not None]


def _parse_line(line: str) -> Mount | None:
    before, separator, after = line.partition(" - ")
    left, right = before.split(" "), after.split(" ")
    if not separator or len(left) < 6 or len(right) < 2:
        return None
    options = right[2].split(",") if len(right) > 2 else []
    return Mount(left[2], unescape(left[3]), unescape(left[4]), right[0], unescape(right[1]), tuple(options))


def unescape(text: str) -> str:
    r"""Undo the kernel's octal escapes, such as ``\040`` for a space."""
    return _OCTAL_ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def mount_of(path: str, mounts: Sequence[Mount]) -> Mount | None:
    """Return the mount with the longest mount point above a path; the later of two at one point wins."""
    # POSIX lets a path start with two slashes, and PurePosixPath keeps them.
    single = PurePosixPath("/" + path.lstrip("/"))
    above = {str(parent) for parent in (single, *single.parents)}
    found = [mount for mount in mounts if mount.point in above]
    return max(reversed(found), key=lambda mount: len(mount.point)) if found else None

"""What a killed process had logged: read from the rings that its crash-proof logger kept beside the log."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from latencykit._core import recover_log
from latencykit.errors import DataError

__all__ = ["RecoveredLog", "append_to_log", "find_rings", "take_over", "write_to"]

_SUFFIX: Final = ".rings"


@dataclass(frozen=True, slots=True)
class RecoveredLog:
    """What came out of a file of rings.

    Attributes:
        records: Records written as lines: those found in the rings, and those among `rest_lines`.
        rest_lines: Lines of a batch that the log had got in part, or not at all, when the process was killed; some may
            be the logger's own.
        damaged: Places where damaged records were skipped; a line marks each.
        dropped: Records that the rings had dropped and that no line in the log speaks of; a line says how many.
        torn_bytes: Bytes that the log has of the first of `rest_lines`; appending completes that line.
        inexact: Whether some lines may be in the log already, because it is not as its logger left it.
        unfinished: Whether the process was killed while it made the file, before anything could be logged; appending
            deletes such a file.
        process: The process that logged, 0 if it is not known.
        damage: What was wrong with the file, a phrase each.
        kept_as: Where a damaged file of rings was put by appending; empty if it was sound.
    """

    records: int
    rest_lines: int
    damaged: int
    dropped: int
    torn_bytes: int
    inexact: bool
    unfinished: bool
    process: int
    damage: tuple[str, ...]
    kept_as: str

    @property
    def sound(self) -> bool:
        """Whether nothing was damaged."""
        return not self.damage and not self.damaged


def find_rings(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Return the log and its file of rings, whichever of the two the path is."""
    name = Path(path)
    beside = Path(f"{name}{_SUFFIX}")
    # A log may be called x.rings itself: then its rings lie in x.rings.rings.
    if name.suffix == _SUFFIX and not beside.exists():
        return name.with_suffix(""), name
    return name, beside


def write_to(descriptor: int, path: str | os.PathLike[str], *, in_use: bool = False) -> RecoveredLog:
    """Write what the log has not got to an open file, and change nothing else.

    Args:
        descriptor: Where the lines go.
        path: The log, or its file of rings.
        in_use: Read the rings of a living logger too: they show a moment, in which the newest records may be missing.

    Raises:
        FileNotFoundError: There is no file of rings.
        InvalidStateError: A living logger has it.
        DataError: It is no file of rings, or of another version.
        OSError: It cannot be read, or the lines not be written.
    """
    log, rings = find_rings(path)
    return _report(rings, log, descriptor, in_use=in_use, telling=False)


def append_to_log(path: str | os.PathLike[str]) -> RecoveredLog:
    """Append what the log has not got to it, byte for byte as its logger would have, and delete the file of rings.

    A damaged file of rings is renamed instead. One that its logger had not finished holds nothing and is deleted.
    Whoever is killed meanwhile can begin again: no line comes twice.

    Args:
        path: The log, or its file of rings.

    Raises:
        FileNotFoundError, InvalidStateError, DataError, OSError: As `write_to`.
    """
    log, rings = find_rings(path)
    return _report(rings, log, -1, in_use=False, telling=False)


def take_over(path: str | os.PathLike[str]) -> None:
    """Append what an earlier logger of this path had left behind, and a line that says so.

    Raises:
        InvalidStateError, DataError, OSError: As `append_to_log`; what was left behind is untouched.
    """
    log = Path(os.fsdecode(path))
    rings = Path(f"{log}{_SUFFIX}")
    if not rings.exists():
        return
    try:
        _report(rings, log, -1, in_use=False, telling=True)
    except FileNotFoundError:
        return  # Its logger has just been closed.
    except DataError as error:
        raise DataError(f"{error}; move it away to log to {str(log)!r}") from None


def _report(rings: Path, log: Path, descriptor: int, *, in_use: bool, telling: bool) -> RecoveredLog:
    return RecoveredLog(**recover_log(os.fsencode(rings), os.fsencode(log), descriptor, in_use, telling))

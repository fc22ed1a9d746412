"""The one place that writes results: text to the terminal, and a run's file to disk."""

import contextlib
import errno
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from latencykit.errors import UsageError

NARROWEST = 80
PIPED_WIDTH = 140
# The eight heights of a picture's columns become characters that are darker the higher they are.
_HEIGHTS = dict(zip("▁▂▃▄▅▆▇█", ".:-=+*#@", strict=True))
_ASCII = str.maketrans({"µ": "u", "×": "x", "─": "-", "·": "-", "≤": "<=", "●": "o", "│": "|", **_HEIGHTS})


@dataclass(frozen=True, slots=True)
class View:
    """How text is to be laid out for a stream.

    Attributes:
        width: Columns, at least 80.
        colour: Whether colours can be shown and are wanted.
    """

    width: int
    colour: bool


def view_of(stream: TextIO, environ: Mapping[str, str] = os.environ) -> View:
    """Return the layout for a stream.

    The width is that of COLUMNS, else of the terminal, else 140 for a pipe or a file, and never under 80.
    Colours need a terminal that is not dumb, and an empty or absent NO_COLOR (https://no-color.org).
    """
    colour = obeys_escapes(stream, environ) and not environ.get("NO_COLOR")
    return View(max(NARROWEST, columns_of(stream, environ)), colour)


def obeys_escapes(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return True if a stream is a terminal that understands colours and the erasure of a line."""
    return stream.isatty() and environ.get("TERM") != "dumb"


def columns_of(stream: TextIO, environ: Mapping[str, str] = os.environ) -> int:
    """Return the columns of COLUMNS, else of the terminal, else 140."""
    asked = environ.get("COLUMNS", "")
    if asked.isascii() and asked.isdigit() and int(asked) > 0:
        return int(asked)
    if not stream.isatty():
        return PIPED_WIDTH
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return NARROWEST


def show(text: str, stream: TextIO) -> None:
    """Write text to a stream in characters that it can encode.

    A reader that has gone away is no error, and nobody is left to tell that standard error cannot be written.

    Raises:
        UsageError: The stream cannot be written for another reason, such as a full disk.
    """
    encoding = stream.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    try:
        stream.write(text if text.endswith("\n") else text + "\n")
        stream.flush()
    except OSError as error:
        _forget(stream)
        if not isinstance(error, BrokenPipeError) and stream is not sys.stderr:
            raise UsageError(f"standard output cannot be written: {_reason(error)}") from error


def copy_to_stdout(source: BinaryIO) -> None:
    """Copy a file as it is to standard output; a reader that has gone away is no error.

    Raises:
        UsageError: Standard output cannot be written for another reason, such as a full disk.
    """
    try:
        shutil.copyfileobj(source, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except OSError as error:
        _forget(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            raise UsageError(f"standard output cannot be written: {_reason(error)}") from error


def _forget(stream: TextIO) -> None:
    # What is left in the buffer would raise again when the interpreter flushes at exit.
    with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a run's file goes: a path, or standard output for ``-``; `option` is what the user named it by."""

    name: str
    option: str = "--json"

    @property
    def is_stdout(self) -> bool:
        """Whether the file goes to standard output."""
        return self.name == "-"

    def check(self) -> None:
        """Make sure, before any work, that the file can be written, by writing an empty one beside it.

        Raises:
            UsageError: It cannot be written; the sentence says why.
        """
        if self.is_stdout:
            return
        path = Path(self.name)
        if path.is_dir():
            raise UsageError(f"{self.option} {self.name}: that is a folder; name a file in it")
        try:
            _check_existing(path)
            if not _is_special(path):
                _create_beside(path, b"").unlink()
        except OSError as error:
            raise UsageError(
                f"{self.option} {self.name} cannot be written: {_reason(error)}; name another file"
            ) from error

    def save(self, data: bytes) -> str | None:
        """Write the file whole or not at all; where that fails, keep the data elsewhere.

        Returns:
            None if it was written, else a sentence: why not, and where the data is instead.
        """
        try:
            _write_stdout(data) if self.is_stdout else _write_file(Path(self.name), data)
        except OSError as error:
            return f"{self.option} {self.name} could not be written: {_reason(error)}; {_rescue(data)}"
        return None


def _write_stdout(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _forget(sys.stdout)


def _write_file(path: Path, data: bytes) -> None:
    if _is_special(path):
        path.write_bytes(data)
        return
    written = _create_beside(path, data)
    try:
        written.replace(_target(path))
    except OSError:
        written.unlink(missing_ok=True)
        raise


def _check_existing(path: Path) -> None:
    # Root may write to a file that is marked read-only, and renaming over one needs no right to it at all;
    # but who marked it so did not want it replaced.
    if path.exists() and not (path.stat().st_mode & 0o222 and os.access(path, os.W_OK)):
        raise PermissionError(errno.EACCES, "the file is read-only")


def _is_special(path: Path) -> bool:
    # A device, a pipe or a socket is written to; replacing it by a file would destroy it.
    return path.exists() and not path.is_file()


def _target(path: Path) -> Path:
    # A link stays a link: what it points to is replaced.
    return Path(os.path.realpath(path))


def _create_beside(path: Path, data: bytes) -> Path:
    target = _target(path)
    beside = target.with_name(f".latencykit-{secrets.token_hex(8)}.part")
    with beside.open("xb") as file:
        try:
            if target.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            beside.unlink(missing_ok=True)
            raise
    return beside


def _rescue(data: bytes) -> str:
    try:
        descriptor, name = tempfile.mkstemp(prefix="latencykit-run-", suffix=".json")
        os.close(descriptor)
        Path(name).write_bytes(data)
    except OSError as error:
        _write_stdout(data)
        return f"the temporary folder failed too ({_reason(error)}), so the run was written to standard output"
    return f"the run is in {name}"


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

"""``latencykit log``: what a crash-proof logger left behind."""

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latencykit.commands.failures import GOOD, WRONG
from latencykit.commands.output import copy_to_stdout, show
from latencykit.errors import UsageError

if TYPE_CHECKING:
    from latencykit.engine.log_recovery import RecoveredLog


@click.group
def log() -> None:
    """Look after the logs of AsyncLogger."""


@log.command
@click.argument("file", type=click.Path())
@click.option("-o", "--output", type=click.Path(), metavar="NEW", help="Write the lines to a new file.")
@click.option("--append", is_flag=True, help="Append the lines to the log itself, and delete FILE.rings.")
@click.option("--in-use", is_flag=True, help="Read the rings of a process that is still logging.")
@click.option("--quiet", is_flag=True, help="No summary on standard error.")
def recover(*, file: str, output: str | None, append: bool, in_use: bool, quiet: bool) -> int:
    """Print what a killed process had logged and its log FILE has not got.

    FILE is the log of an AsyncLogger with crash_proof=True, or the file FILE.rings beside it. Lines are formatted as
    the logger would have done it, in order of time, and only --append changes a file.

    Exit status: 0 recovered, or there was nothing to recover; 2 the file cannot be used, or parts of it are damaged,
    and what is readable was recovered.
    """
    if append and (output is not None or in_use):
        raise UsageError("--append goes to the log itself and needs its rings unused; leave out -o and --in-use")
    found = _recover(Path(file), output, append=append, in_use=in_use)
    if found is None:
        if not quiet:
            show(f"nothing to recover: {file} has no file of rings beside it", sys.stderr)
        return GOOD
    if not quiet or not found.sound:
        for sentence in _summary(found):
            show(sentence, sys.stderr)
    return GOOD if found.sound else WRONG


def _recover(file: Path, output: str | None, *, append: bool, in_use: bool) -> "RecoveredLog | None":
    from latencykit.engine.log_recovery import append_to_log

    try:
        if not _has_rings(file):
            return None
        if append:
            return append_to_log(file)
        return _print(file, in_use=in_use) if output is None else _save(file, Path(output), in_use=in_use)
    except FileExistsError as error:
        raise UsageError(f"-o {output} exists already; name a new file") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{error.filename or output or file}: {reason}; no rings were deleted") from error


def _has_rings(file: Path) -> bool:
    from latencykit.engine.log_recovery import find_rings

    log_path, rings = find_rings(file)
    if rings.exists():
        return True
    if log_path.is_dir():
        raise UsageError(f"{log_path} is a directory; give the path that the logger was opened with")
    if log_path.exists():
        return False
    raise UsageError(f"neither {log_path} nor {rings} exists; give the path that the logger was opened with")


def _save(file: Path, output: Path, *, in_use: bool) -> "RecoveredLog":
    from latencykit.engine.log_recovery import write_to

    with output.open("xb") as new:
        try:
            return write_to(new.fileno(), file, in_use=in_use)
        except BaseException:
            # What is incomplete must not be taken for the whole, nor stand in the way of the next attempt.
            output.unlink(missing_ok=True)
            raise


def _print(file: Path, *, in_use: bool) -> "RecoveredLog":
    from latencykit.engine.log_recovery import write_to

    # Standard output may be anything, even a stream without a descriptor.
    with tempfile.TemporaryFile() as lines:
        found = write_to(lines.fileno(), file, in_use=in_use)
        lines.seek(0)
        copy_to_stdout(lines)
    return found


def _summary(found: "RecoveredLog") -> list[str]:
    if found.unfinished:
        return ["nothing to recover: the logger was killed while it made its file of rings; the empty file is deleted"]
    records = found.records
    sentences = [f"{records} {'record' if records == 1 else 'records'} of process {found.process} recovered"]
    if found.torn_bytes:
        sentences.append(f"the log ends inside the first of them, after {found.torn_bytes} bytes")
    if found.dropped:
        sentences.append(f"{found.dropped} more were dropped because the ring was full")
    if found.inexact:
        sentences.append("the log is not as its logger left it: some lines may be in it already")
    sentences += [f"damaged: {what}" for what in found.damage]
    if found.damaged:
        sentences.append(f"damaged: records in {found.damaged} places, where a line says how many bytes were skipped")
    if found.kept_as:
        sentences.append(f"the damaged file of rings is kept as {found.kept_as}")
    return sentences

"""Log files of the suites that write any: each in a folder of its own, which goes when the variant is done."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LARGEST_LOG = 64 << 20


@contextmanager
def log_file() -> Iterator[Path]:
    """Yield the path of a log file that does not exist yet."""
    with tempfile.TemporaryDirectory(prefix="latencykit-") as folder:
        yield Path(folder, "suite.log")


def bounded(log: Path, drain: Callable[[], object] | None = None) -> Callable[[], None]:
    """Return what runs untimed between bursts: the logger catches up, its file does not fill the disk.

    Args:
        log: The file, written by a logger that appends, so that its next line begins the file again.
        drain: Returns when the logger has written what it was given; None if it writes at once.
    """

    def between() -> None:
        if drain is not None:
            drain()
        if log.stat().st_size > LARGEST_LOG:
            os.truncate(log, 0)

    return between

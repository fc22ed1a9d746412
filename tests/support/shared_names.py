"""Names of shared memory for tests: new ones, and gone afterwards."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
_numbers = itertools.count()


@contextmanager
def new_name() -> Iterator[str]:
    name = f"latencykit-test-{os.getpid()}-{next(_numbers)}"
    try:
        yield name
    finally:
        file_of(name).unlink(missing_ok=True)


def file_of(name: str) -> Path:
    """Return the file that Linux shows shared memory as."""
    return MEMORY / name


def overwrite(name: str, offset: int, content: bytes) -> None:
    """Write into the memory behind the back of whoever uses it."""
    with file_of(name).open("r+b") as file:
        file.seek(offset)
        file.write(content)

"""What a process still holds after many calls: memory, blocks of the interpreter, files and mappings."""

import gc
import mmap
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path


def leaked_bytes(operation: Callable[[], object], calls: int = 1000) -> int:
    """Return the memory that stays behind after many calls, once a first one has filled the caches."""
    operation()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(calls):
            operation()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def blocks_after(work: Callable[[], object], calls: int, *, first: int = 100) -> int:
    """Return how many blocks the interpreter holds more after so many calls, which follow on `first` others."""
    for _ in range(first):
        work()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(calls):
        work()
    gc.collect()
    return sys.getallocatedblocks() - before


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def mappings(name: str) -> int:
    """Return how often this process has a file of that name mapped."""
    return Path("/proc/self/maps").read_text().count(name)

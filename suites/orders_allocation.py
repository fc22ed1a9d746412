"""Allocations: what it costs to ask for a buffer on the hot path, against using one that is there.

Every variant gets its buffer and writes one byte into each of its pages.
"""

from typing import TYPE_CHECKING

import latencykit as lk

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = 4096
# Made once: a slice in the source is a new object at each evaluation.
EACH_PAGE = slice(None, None, PAGE)

component = lk.Component(
    "orders_allocation",
    baseline="fresh",
    parameters={"size_bytes": [64, 4096, 65_536, 1_048_576]},
    doc="get a buffer and write one byte into each of its pages",
    claims=[
        lk.Claim(
            text="an allocation on the hot path costs",
            worse="fresh",
            better="preallocated",
            saves=("10 us", "100 us"),
        )
    ],
)


def _marks(size_bytes: int) -> bytearray:
    """Return what is written, one byte for each page; a bytearray takes another without a copy on the way."""
    return bytearray(-(-size_bytes // PAGE))


@component.variant
def fresh(size_bytes: int) -> "Callable[[], object]":
    """Ask Python for a zeroed buffer; the allocator may hand out memory that it kept from the last one."""
    marks = _marks(size_bytes)

    def allocate_and_touch() -> None:
        buffer = bytearray(size_bytes)
        buffer[EACH_PAGE] = marks

    return allocate_and_touch


@component.variant
def fresh_pages(size_bytes: int) -> "Callable[[], object]":
    """Ask the system for pages that no allocator had: each first write is a page fault."""
    from mmap import mmap

    marks = _marks(size_bytes)

    def map_and_touch() -> None:
        with mmap(-1, size_bytes) as pages:
            pages[EACH_PAGE] = marks

    return map_and_touch


@component.variant
def preallocated(size_bytes: int) -> "Callable[[], object]":
    """Use a buffer that was allocated beforehand."""
    marks = _marks(size_bytes)
    buffer = bytearray(size_bytes)

    def touch() -> None:
        buffer[EACH_PAGE] = marks

    return touch

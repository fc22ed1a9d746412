"""What not to do on a hot path, beside what to do instead: to print a line, or to log it asynchronously.

`print` writes each line at once, as to a terminal; `async_log` hands raw arguments to a thread that formats and writes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import latencykit as lk

from ._logs import bounded, log_file

if TYPE_CHECKING:
    from latencykit.suite import Operation

LINE = ("order", "AAPL", "qty", 100, "price", 101.5)

printing = lk.Component(
    "antipatterns_print",
    baseline="print",
    doc="one line with a text, an integer and a price to a file",
    on_request=True,
)


@contextmanager
def printed_to(buffering: int) -> "Iterator[Operation]":
    with log_file() as path, path.open("a", buffering=buffering) as file:
        yield lk.call(partial(print, file=file), *LINE, between=bounded(path))


@printing.variant(name="print")
def print_line_by_line() -> "Iterator[Operation]":
    with printed_to(buffering=1) as operation:
        yield operation


@printing.variant(contrast=True)
def print_buffered() -> "Iterator[Operation]":
    """Print to a file that collects 8 KiB before it writes: what is lost with the process, and still formatted here."""
    with printed_to(buffering=8192) as operation:
        yield operation


@printing.variant
def async_log() -> "Iterator[Operation]":
    from latencykit.engine import AsyncLogger

    with log_file() as path, AsyncLogger(path) as logger:
        site = logger.site("order {} qty {} price {}")
        yield lk.call(site, *LINE[1::2], between=bounded(path, logger.drain))

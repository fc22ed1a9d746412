"""One log call with three arguments, as the caller feels it."""

import logging
import logging.handlers
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import latencykit as lk

from ._logs import bounded, log_file
from .targets import TARGETS

if TYPE_CHECKING:
    from latencykit.suite import Operation

ARGUMENTS = ("AAPL", 100, 670.25)
PERCENT_STYLE = "order %s qty %d price %.2f"
BRACE_STYLE = "order {} qty {} price {:.2f}"

component = lk.Component(
    "logging",
    baseline="naive",
    target=TARGETS["logging"],
    doc="log one line with a text, an integer and a price to a file",
)


@component.variant
def naive() -> "Iterator[Operation]":
    with log_file() as path:
        handler = logging.FileHandler(path)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        with _standard_logger(handler) as logger:
            yield lk.call(logger.info, PERCENT_STYLE, *ARGUMENTS, between=bounded(path))


@component.variant(contrast=True)
def queue_handler() -> "Iterator[Operation]":
    with log_file() as path:
        target = logging.FileHandler(path)
        target.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        records: queue.Queue[logging.LogRecord] = queue.Queue()
        listener = logging.handlers.QueueListener(records, target)
        listener.start()
        try:
            with _standard_logger(logging.handlers.QueueHandler(records)) as logger:
                yield lk.call(logger.info, PERCENT_STYLE, *ARGUMENTS, between=bounded(path, records.join))
        finally:
            listener.stop()
            target.close()


@component.variant(contrast=True)
def async_handler() -> "Iterator[Operation]":
    from latencykit.engine import AsyncLogger

    with log_file() as path, AsyncLogger(path) as target, _standard_logger(target.handler()) as logger:
        yield lk.call(logger.info, PERCENT_STYLE, *ARGUMENTS, between=bounded(path, target.drain))


@component.variant
def async_logger() -> "Iterator[Operation]":
    from latencykit.engine import AsyncLogger

    with log_file() as path, AsyncLogger(path) as logger:
        site = logger.site(BRACE_STYLE)
        yield lk.call(site, *ARGUMENTS, between=bounded(path, logger.drain))


@contextmanager
def _standard_logger(handler: logging.Handler) -> Iterator[logging.Logger]:
    logger = logging.Logger("latencykit.suites.orders", logging.INFO)
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        handler.close()

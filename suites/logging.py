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
    claims=[lk.Claim(text="no I/O on the hot path saves", worse="naive", better="async_logger", saves=("50 us", None))],
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


@component.variant
def async_crash_proof() -> "Iterator[Operation]":
    from latencykit.engine import AsyncLogger

    with log_file() as path, AsyncLogger(path, crash_proof=True) as logger:
        site = logger.site(BRACE_STYLE)
        yield lk.call(site, *ARGUMENTS, between=bounded(path, logger.drain))


@component.variant
def async_json() -> "Iterator[Operation]":
    from latencykit.engine import AsyncLogger

    with log_file() as path, AsyncLogger(path, format="json") as logger:
        site = logger.site(BRACE_STYLE)
        yield lk.call(site, *ARGUMENTS, between=bounded(path, logger.drain))


@component.variant(peer="picologging")
def picologging() -> "Iterator[Operation]":
    import picologging as library

    with log_file() as path:
        handler = library.FileHandler(str(path))
        handler.setFormatter(library.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger = library.Logger("latencykit.suites.orders", library.INFO)
        logger.addHandler(handler)
        yield lk.call(logger.info, PERCENT_STYLE, *ARGUMENTS, between=bounded(path))
        handler.close()


@component.variant(peer="loguru")
def loguru() -> "Iterator[Operation]":
    from loguru import logger as library

    with log_file() as path:
        library.remove()
        sink = library.add(path, format="{time} {level} {message}")
        yield lk.call(library.info, BRACE_STYLE, *ARGUMENTS, between=bounded(path))
        library.remove(sink)


@component.variant(peer="structlog")
def structlog() -> "Iterator[Operation]":
    import structlog as library

    with log_file() as path, path.open("a") as file:
        logger = library.wrap_logger(
            library.WriteLogger(file),
            processors=[
                library.processors.add_log_level,
                library.stdlib.PositionalArgumentsFormatter(),
                library.processors.TimeStamper("iso"),
                library.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
            ],
        )
        yield lk.call(logger.info, PERCENT_STYLE, *ARGUMENTS, between=bounded(path))


@component.variant(peer="spdlog")
def spdlog() -> "Iterator[Operation]":
    import spdlog as library

    with log_file() as path:
        logger = library.FileLogger("latencykit.suites.orders", str(path))

        def log(symbol: str, quantity: int, price: float) -> None:
            logger.info(BRACE_STYLE.format(symbol, quantity, price))  # It takes finished text only.

        try:
            yield lk.call(log, *ARGUMENTS, between=bounded(path, logger.flush))
        finally:
            library.drop(logger.name())  # Its registry of names outlives the variant.


@contextmanager
def _standard_logger(handler: logging.Handler) -> Iterator[logging.Logger]:
    logger = logging.Logger("latencykit.suites.orders", logging.INFO)
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        handler.close()

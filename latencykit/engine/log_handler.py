"""What makes existing ``logging`` code write through an AsyncLogger."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from latencykit._core import LogSite


class _Logger(Protocol):
    """What a handler needs of its logger."""

    @property
    def threshold(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    def flush(self) -> None: ...


class AsyncLogHandler(logging.Handler):
    """Hand what the standard ``logging`` package logs to an AsyncLogger.

    The message is formatted by ``logging`` on the caller's thread, as QueueHandler does: the arguments may be of any
    type, and change later. What is saved is the wait for the file. The logger adds time and level, so without
    a formatter of its own the handler writes the bare message, and traceback and stack if there are any; a
    formatter that was set is used as it is. Records below the logger's own level are not formatted. Closing the handler
    leaves the logger open.

    Args:
        logger: What tells the level's number and whether it is closed, and flushes.
        make_site: Makes the site of a template, a level's name and its number.
    """

    def __init__(self, logger: _Logger, make_site: "Callable[[str, str, int], LogSite]") -> None:
        super().__init__()
        self._logger = logger
        self._make_site = make_site
        self._sites: dict[tuple[int, str], LogSite] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Format the record's message and log it."""
        try:
            if record.levelno >= self._logger.threshold:
                self._site_of(record)(self._text_of(record))
        except Exception:  # noqa: BLE001 - logging reports what a handler raises through handleError
            self.handleError(record)

    def flush(self) -> None:
        """Wait until everything logged before this call is on the device; nothing if the logger is closed."""
        if not self._logger.closed:
            self._logger.flush()

    def _site_of(self, record: logging.LogRecord) -> "LogSite":
        key = record.levelno, record.levelname
        if key not in self._sites:
            self._sites[key] = self._make_site("{}", record.levelname, record.levelno)
        return self._sites[key]

    def _text_of(self, record: logging.LogRecord) -> str:
        # What the default formatter makes of a record that has nothing but a message, at a fifth of its cost.
        if self.formatter is None and not (record.exc_info or record.exc_text or record.stack_info):
            return record.getMessage()
        return self.format(record)

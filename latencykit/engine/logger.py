"""An asynchronous logger: the caller copies raw arguments, a native thread formats and writes them."""

import logging
import os
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal, Self

from latencykit._core import AsyncLogger as _NativeLogger
from latencykit._core import LogSite
from latencykit.errors import InvalidTypeError, InvalidValueError, UnsupportedError

__all__ = ["AsyncLogHandler", "AsyncLogger", "LogSite"]

OnFull = Literal["block", "drop_newest"]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_LEVELS: Final = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_ON_FULL: Final = ("block", "drop_newest")
_GREATEST_CAPACITY: Final = 1 << 25  # A ring of 2 GiB at 64 bytes a record.
_GREATEST_INTERVAL_S: Final = 3600.0


class AsyncLogger:
    """Log to a file without making the caller wait for formatting or for the file.

    Each call of a log site copies its arguments and a raw time stamp into a ring of the calling thread. One
    native thread takes the records out of all rings, orders them by time, formats them as ``str.format`` does
    and appends them to the file in batches, as ``2026-01-02T03:04:05.123456789Z INFO message`` (UTC).

    Text goes into the line as it is, newlines included. What is still in the rings when the interpreter exits
    is written then; a process that is killed loses what the backend has not written yet.
    A logger does not survive a fork: in the child its methods and sites raise InvalidStateError (`close` does
    nothing), and nothing is written twice.

    Args:
        path: The file to append to; it is created if need be.
        capacity: How many records of about 64 bytes a thread's ring holds, 1 to 33,554,432; a thread's first
            call allocates its ring, rounded up to a power of two. No record may be longer than half a ring.
        flush_interval: Seconds between two looks of the backend at the rings, above 0 and up to 3600.
        on_full: What a call does when its thread's ring is full: ``"block"`` waits, with the GIL released,
            ``"drop_newest"`` drops the record, counts it and leaves a line in the log that says how many.
        level: The least level that is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL.

    Raises:
        OSError: The file cannot be opened.
        InvalidValueError: An argument is out of its range.
        InvalidTypeError: An argument has a type that cannot be used.
        UnsupportedError: `on_full` is ``"drop_oldest"``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        capacity: int = 100_000,
        flush_interval: float = 0.001,
        on_full: OnFull = "block",
        level: Level = "INFO",
    ) -> None:
        self._threshold = _level_number(level)
        block = _check_on_full(on_full) == "block"
        interval_ns = _interval_ns(flush_interval)
        self._native = _NativeLogger(os.fspath(path), _check_capacity(capacity), interval_ns, block)
        self._sites: dict[tuple[str, str], LogSite] = {}

    def site(self, template: str, level: Level = "INFO") -> LogSite:
        """Register a place that logs; call what is returned, with one argument per placeholder.

        Make sites once and keep them: the template is parsed here, and never freed before the logger is.

        A call copies int, float, str, bytes, bool and None as they are. Any other argument, subclasses and
        integers beyond 64 bits included, is formatted in the call with ``format()``, at its own cost.
        An argument that its placeholder cannot format becomes ``[BAD ARGUMENT: ...]`` in the line.
        A call raises InvalidTypeError if the number of arguments is wrong, CapacityError if the record is
        longer than half a ring, and InvalidStateError after `close` and in a forked child.

        Args:
            template: Text with ``{}`` placeholders, optionally with a simple format specification as in
                ``{:.2f}``, ``{:>8}``, ``{:,d}``.
            level: The level that its lines have; below the logger's own level, calls do nothing.

        Raises:
            InvalidValueError: The template or the level is wrong.
            UnsupportedError: The template needs more of Python's formatting than log sites have.
            InvalidStateError: The logger is closed or belongs to a parent process.
        """
        return self._site(template, level, _level_number(level))

    def handler(self) -> "AsyncLogHandler":
        """Return a handler that makes existing ``logging`` code write through this logger."""
        return AsyncLogHandler(self._site, self.flush, lambda: self.closed)

    def flush(self) -> None:
        """Wait until everything logged before this call is on the device.

        Raises:
            OSError: Lines could not be written since the last flush; the message says how many.
            InvalidStateError: The logger is closed or belongs to a parent process.
        """
        self._native.flush()

    def drain(self) -> None:
        """Wait until everything logged before this call is handed to the operating system.

        Raises:
            InvalidStateError: The logger is closed or belongs to a parent process.
        """
        self._native.drain()

    def close(self) -> None:
        """Flush, end the backend and close the file; a second call does nothing.

        Raises:
            OSError: Lines could not be written since the last flush; the logger is closed all the same.
        """
        self._native.close()

    @property
    def dropped(self) -> int:
        """Records dropped so far because a ring was full."""
        return self._native.dropped

    @property
    def written(self) -> int:
        """Records whose line is wholly in the file."""
        return self._native.written

    @property
    def lost(self) -> int:
        """Records lost so far because the file could not be written."""
        return self._native.lost

    @property
    def closed(self) -> bool:
        """Whether the logger cannot be used any more in this process."""
        return self._native.closed

    def __enter__(self) -> Self:
        """Return the logger, to be closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the logger."""
        self.close()

    def _site(self, template: str, level: str, number: int) -> LogSite:
        key = (template, level)
        if key not in self._sites:
            self._sites[key] = self._native.site(template, level, number >= self._threshold)
        return self._sites[key]


class AsyncLogHandler(logging.Handler):
    """Hand what the standard ``logging`` package logs to an AsyncLogger.

    The message is formatted by ``logging`` on the caller's thread (the arguments may be of any type and the
    style is its own); what is saved is the wait for the file. The logger adds time and level, so the default
    format is the bare message and a traceback if there is one. Closing the handler leaves the logger open.

    Args:
        site: Makes the site of a template, a level's name and its number.
        flush_logger: Flushes the logger.
        is_closed: Tells whether the logger is closed.
    """

    def __init__(
        self,
        site: Callable[[str, str, int], LogSite],
        flush_logger: Callable[[], None],
        is_closed: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._site = site
        self._flush_logger = flush_logger
        self._is_closed = is_closed

    def emit(self, record: logging.LogRecord) -> None:
        """Format the record's message and log it."""
        try:
            self._site("{}", record.levelname, record.levelno)(self.format(record))
        except Exception:  # noqa: BLE001 - logging reports what a handler raises through handleError
            self.handleError(record)

    def flush(self) -> None:
        """Wait until everything logged before this call is on the device; nothing if the logger is closed."""
        if not self._is_closed():
            self._flush_logger()


def _level_number(level: str) -> int:
    if level not in _LEVELS:
        raise InvalidValueError(f"level {level!r} is none of {', '.join(_LEVELS)}")
    return _LEVELS[level]


def _check_on_full(on_full: str) -> str:
    if on_full == "drop_oldest":
        raise UnsupportedError("on_full='drop_oldest' is not available; use 'drop_newest' or 'block'")
    if on_full not in _ON_FULL:
        raise InvalidValueError(f"on_full={on_full!r} is none of {', '.join(_ON_FULL)}")
    return on_full


def _check_capacity(capacity: int) -> int:
    if not isinstance(capacity, int) or isinstance(capacity, bool):
        raise InvalidTypeError(f"capacity {capacity!r} is not an int; give a number of records")
    if not 1 <= capacity <= _GREATEST_CAPACITY:
        raise InvalidValueError(f"capacity {capacity} is outside 1 to {_GREATEST_CAPACITY} records")
    return capacity


def _interval_ns(seconds: float) -> int:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise InvalidTypeError(f"flush_interval {seconds!r} is not a number of seconds")
    # Written so that NaN fails too.
    if not 0 < seconds <= _GREATEST_INTERVAL_S:
        raise InvalidValueError(f"flush_interval {seconds!r} is not above 0 and up to {_GREATEST_INTERVAL_S:g} seconds")
    return max(1, round(seconds * 1e9))

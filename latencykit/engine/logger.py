"""An asynchronous logger: the caller copies raw arguments, a native thread formats and writes them."""

import os
from functools import partial
from types import TracebackType
from typing import Self, cast

from latencykit._core import AsyncLogger as _NativeLogger
from latencykit._core import LogSite
from latencykit.engine import log_options as options
from latencykit.engine.log_handler import AsyncLogHandler
from latencykit.engine.log_options import Format, Level, OnFull
from latencykit.engine.log_recovery import take_over

__all__ = ["AsyncLogHandler", "AsyncLogger", "LogSite"]

_NAMES = {number: name for name, number in options.LEVELS.items()}


class AsyncLogger:
    r"""Log to a file without making the caller wait for formatting or for the file.

    Each call of a log site copies its arguments and a raw time stamp into a ring of the calling thread. One
    native thread takes the records out of all rings, orders them by time, formats them as ``str.format`` does
    and appends them to the file in batches, as ``2026-01-02T03:04:05.123456789Z INFO message`` (UTC).

    Order: records of one thread are in call order. Across threads, records are in the order in which their calls
    read the clock, without exception: a call reads the clock and makes its record visible without letting go
    of the GIL, and the backend takes only records that are older than its look at the rings. `late` counts exceptions.

    Text format: text goes into the line as it is, newlines included. A lone surrogate, which UTF-8 cannot hold, is
    written as the six characters ``\udXXX``.
    JSON format: each line is an object with the keys time, level, message, template, args and thread (the kernel's
    number, `threading.get_native_id`), in UTF-8. In args, int, float, bool and None are JSON's own; NaN and
    infinities, which JSON lacks, are the texts "NaN", "Infinity" and "-Infinity"; bytes are the text of their repr;
    what is formatted in the call (see `site`) is its text.

    Rotation: the file becomes PATH.1, PATH.1 becomes PATH.2, up to PATH.`backups`; the backend's thread does it, by
    renaming, between two lines. A file that is left alone when the time comes is rotated with the next line.
    If a rotation fails, a line says so and why, the next `flush` or `close` raises it, and lines go on into the same
    file until it has grown by `rotate_bytes` again, or the next time has come.

    What cannot be written, to a full disk for example, is counted in `lost` and raised by the next `flush` or `close`;
    logging goes on, and once there is space again a line says how many records are missing.

    What is still in the rings when the interpreter exits is written then; a process that is killed loses what the
    backend has not written yet, unless `crash_proof` is set. Then the rings lie in the file PATH.rings, from which
    ``latencykit log recover PATH`` prints or appends what a killed process had logged: every record whose call had
    returned, once. That covers the death of the process, SIGKILL included; a power cut or a crash of the kernel
    takes what was not flushed. The file is deleted by `close` and at the interpreter's exit. If there is one when a
    logger is made, its lines are appended to the log first, with a line that says so. Only one crash-proof logger
    at a time can have a path.
    A logger does not survive a fork: in the child its methods and sites raise InvalidStateError (`close` does
    nothing), and nothing is written twice.

    Args:
        path: The file to append to; it is created if need be.
        capacity: How many records of about 64 bytes a thread's ring holds, 1 to 33,554,432; a thread's first
            call allocates its ring, rounded up to a power of two. No record may be longer than half a ring.
        flush_interval: Seconds between two looks of the backend at the rings, above 0 and up to 3600.
        on_full: What a call does when its thread's ring is full: ``"block"`` waits, with the GIL released,
            ``"drop_newest"`` drops the record, ``"drop_oldest"`` the oldest of the ring that are not taken out
            yet; what is dropped is counted, and a line in the log says how many.
        level: The least level that is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL. It may be changed later.
        format: ``"text"`` or ``"json"``.
        rotate_bytes: Rotate before the file would grow longer than this, at least 1024; a line that is longer itself
            gets a file of its own.
        rotate_every: Rotate at every multiple of this time since 1970 (UTC), by the times of the lines: whole seconds,
            or text such as ``"30s"``, ``"15min"``, ``"1h"``, ``"1d"``; 1 second to 366 days.
        backups: How many rotated files are kept, 1 to 1000.
        crash_proof: Keep the rings in a file beside the log, so that a killed process loses nothing. Space for them
            is reserved on the disk: about 64 bytes for each record of `capacity` and thread, and 1 MiB.

    Raises:
        OSError: The file cannot be opened, or that of the rings not be made, for example on a full disk.
        InvalidStateError: Another crash-proof logger has the path.
        DataError: PATH.rings is there, but is not a file of rings, or of another version.
        InvalidValueError: An argument is out of its range.
        InvalidTypeError: An argument has a type that cannot be used.
        UnsupportedError: Rotation or `crash_proof` is asked for a path that is no regular file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        capacity: int = 100_000,
        flush_interval: float = 0.001,
        on_full: OnFull = "block",
        level: Level = "INFO",
        *,
        format: Format = "text",  # noqa: A002 - the word for it
        rotate_bytes: int | None = None,
        rotate_every: str | int | None = None,
        backups: int = 5,
        crash_proof: bool = False,
    ) -> None:
        full = options.check_on_full(on_full)
        make = partial(
            _NativeLogger,
            options.check_path(path),
            options.check_capacity(capacity),
            options.interval_ns(flush_interval),
            full == "block",
            threshold=options.level_number(level),
            json=options.is_json(format),
            rotate_bytes=options.check_rotate_bytes(rotate_bytes),
            rotate_every_ns=options.rotate_every_ns(rotate_every),
            backups=options.check_backups(backups),
            drop_oldest=full == "drop_oldest",
            crash_proof=crash_proof,
        )
        # Only now: a wrong option must leave the files of the last logger as they are.
        if crash_proof:
            take_over(path)
        self._native = make()
        self._sites: dict[tuple[str, str, int, int], LogSite] = {}

    def site(self, template: str, level: Level = "INFO", *, max_per_second: int | None = None) -> LogSite:
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
            max_per_second: How many records a second the site may log. A second begins with the first call after the
                last one is over; further calls in it are only counted, in `LogSite.suppressed`, and a line says how
                many there were. The first such site may take 10 ms to make, for the clock.

        Raises:
            InvalidValueError: The template, the level or the limit is wrong.
            InvalidTypeError: The template or the level is not a str, or the limit not an int.
            UnsupportedError: The template needs more of Python's formatting than log sites have.
            InvalidStateError: The logger is closed or belongs to a parent process.
        """
        number, most = options.level_number(level), options.check_per_second(max_per_second)
        return self._site(options.check_template(template), level, number, most)

    def handler(self) -> "AsyncLogHandler":
        """Return a handler that makes existing ``logging`` code write through this logger."""
        return AsyncLogHandler(self, self._site)

    @property
    def level(self) -> Level:
        """The least level that is logged; what is set holds for all calls from then on, in every thread."""
        return cast("Level", _NAMES[self._native.threshold])

    @level.setter
    def level(self, level: Level) -> None:
        self._native.threshold = options.level_number(level)

    @property
    def threshold(self) -> int:
        """The level's number, as ``logging`` has it."""
        return self._native.threshold

    def flush(self) -> None:
        """Wait until everything logged before this call is on the device.

        Raises:
            OSError: Lines could not be written, or the file not be rotated, since the last flush; the message says
                what and how many lines.
            InvalidStateError: The logger is closed or belongs to a parent process.
        """
        self._native.flush()

    def drain(self) -> None:
        """Wait until everything logged before this call is handed to the operating system.

        Raises:
            InvalidStateError: The logger is closed or belongs to a parent process.
        """
        self._native.drain()

    def reopen(self) -> None:
        """Write everything logged before this call, then open the path again: somebody has moved the file away.

        Raises:
            OSError: The path cannot be opened, and the logger goes on writing into the file that it has; or
                lines could not be written since the last flush.
            InvalidStateError: The logger is closed or belongs to a parent process.
        """
        self._native.reopen()

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
    def late(self) -> int:
        """Records written after a younger one of another thread: 0, as far as the promised order holds."""
        return self._native.late

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

    def _site(self, template: str, level: str, number: int, max_per_second: int = 0) -> LogSite:
        key = (template, level, number, max_per_second)
        if key not in self._sites:
            self._sites[key] = self._native.site(template, level, number, max_per_second)
        return self._sites[key]

"""Histogram logs: one interval histogram a line, in the .hlog format that every HdrHistogram edition reads.

A line is ``[Tag=NAME,]START,LENGTH,MAX,HISTOGRAM``: start and length in seconds, the greatest value in
milliseconds, the histogram in compressed V2 text. Lines that begin with ``#`` are comments, of which
``#[StartTime: SECONDS ...]`` and ``#[BaseTime: SECONDS ...]`` mean something; starts count from the base time.
"""

import datetime as dt
import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from latencykit.errors import DataError, InvalidTypeError, InvalidValueError
from latencykit.histogram import Histogram, decode, encode

_LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
_NUMBER = r"\d{1,20}(?:\.\d{0,20})?"
_TIME = re.compile(rf"#\[(StartTime|BaseTime): *({_NUMBER}) ")
_TIME_COMMENT = re.compile(r"#\[(StartTime|BaseTime):")
_INTERVAL = re.compile(rf"(?:Tag=([^, ]*),)?({_NUMBER}),({_NUMBER}),({_NUMBER}),(\S+)")
_NS_PER_S = 1_000_000_000
_NS_PER_YEAR = 365 * 24 * 3600 * _NS_PER_S


@dataclass(frozen=True, slots=True)
class LoggedInterval:
    """One line of a histogram log.

    Attributes:
        start_ns: When the interval began; nanoseconds since the epoch, where the log's times are absolute.
        end_ns: When it ended.
        tag: What it is of; empty if the log does not say.
        histogram: What was recorded.
    """

    start_ns: int
    end_ns: int
    tag: str
    histogram: Histogram


class HistogramLogWriter:
    """Write interval histograms into a text stream, which stays the caller's to flush and to close.

    Times are written as absolute ones, to the nanosecond, with a base time of 0.

    Args:
        stream: An open text file; it begins with the log's header.
        start_ns: When the log begins, in nanoseconds since the epoch.
        comment: Text for the head of the log, such as what was measured.

    Raises:
        InvalidValueError: The start is negative.
        InvalidTypeError: It is not an int, or the stream is not one of text.
    """

    def __init__(self, stream: TextIO, start_ns: int, comment: str = "") -> None:
        start = _seconds(_check_time("start_ns", start_ns))
        _check_stream(stream)
        self._stream = stream
        for line in comment.splitlines():
            self._write(f"#{line}")
        self._write("#[Histogram log format version 1.3]")
        self._write(f"#[StartTime: {start} (seconds since epoch), {_date(start_ns)}]")
        self._write("#[BaseTime: 0.000 (seconds since epoch)]")
        self._write(_LEGEND)

    def write(self, histogram: Histogram, start_ns: int, end_ns: int, tag: str = "") -> None:
        """Write one interval.

        Args:
            histogram: What was recorded in it; an empty one is fine.
            start_ns: When it began, in nanoseconds since the epoch.
            end_ns: When it ended, not before its start.
            tag: What it is of, to tell several histograms in one log apart.

        Raises:
            InvalidValueError: A time is negative, the end is before the start, or the tag holds a comma or white
                space.
            InvalidTypeError: A time is not an int, the tag is no text, or it is no histogram.
        """
        if not isinstance(histogram, Histogram):
            raise InvalidTypeError(f"{histogram!r} is no histogram; give a Histogram or PerformanceStats")
        if not isinstance(tag, str):
            raise InvalidTypeError(f"tag {tag!r} is not text; give a str")
        length_ns = _check_time("end_ns", end_ns) - _check_time("start_ns", start_ns)
        if length_ns < 0:
            raise InvalidValueError(f"the interval ends at {end_ns} ns, before it starts at {start_ns} ns")
        if re.search(r"[,\s]", tag):
            raise InvalidValueError(f"tag {tag!r} holds a comma or white space, which end it in a log; give another")
        greatest_ms = histogram.max / 1e6 if histogram.count else 0.0
        prefix = f"Tag={tag}," if tag else ""
        times = f"{_seconds(start_ns)},{_seconds(length_ns)}"
        self._write(f"{prefix}{times},{greatest_ms:.3f},{encode(histogram)}")

    def comment(self, text: str) -> None:
        """Write a comment, of one or more lines."""
        for line in text.splitlines():
            self._write(f"#{line}")

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")


def read_histogram_log(path: str | os.PathLike[str]) -> Iterator[LoggedInterval]:
    """Read the intervals of a histogram log, one by one, from any edition that writes them.

    Args:
        path: The .hlog file.

    Raises:
        OSError: The file cannot be read.
        DataError: A line is damaged; the message names it. What came before it has been yielded.
    """
    # Bytes that are not UTF-8 are let through: they make a damaged line, or a comment that does not matter.
    with Path(path).open(encoding="utf-8", errors="surrogateescape") as lines:
        yield from parse_histogram_log(lines, str(path))


def parse_histogram_log(lines: Iterable[str], source: str) -> Iterator[LoggedInterval]:
    """Parse the lines of a histogram log.

    Where a log states no base time, times are taken as HdrHistogram's own readers take them: relative to its
    start time if they are more than a year before it, else absolute.

    Args:
        lines: The lines of the log.
        source: The file's name, for messages.

    Raises:
        DataError: A line is damaged.
    """
    times: dict[str, int] = {}
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if line.startswith("#"):
            times.update(_time_of_comment(line, source, number))
        elif line and not line.startswith('"StartTimestamp"'):
            start_ns, length_ns, tag, text = _split(line, source, number)
            start_ns += _base_ns(times, start_ns)
            yield LoggedInterval(start_ns, start_ns + length_ns, tag, _decoded(text, source, number))


def _time_of_comment(line: str, source: str, number: int) -> dict[str, int]:
    match = _TIME.match(line)
    if match:
        return {match[1]: _nanoseconds(match[2])}
    if _TIME_COMMENT.match(line):
        raise DataError(f"{source}, line {number}: {_excerpt(line)} does not give its time as a number of seconds")
    return {}


def _split(line: str, source: str, number: int) -> tuple[int, int, str, str]:
    match = _INTERVAL.fullmatch(line)
    if match is None:
        raise DataError(
            f"{source}, line {number}: {_excerpt(line)} is not an interval; "
            "a line is [Tag=NAME,]START,LENGTH,MAX,HISTOGRAM with times in seconds"
        )
    return _nanoseconds(match[2]), _nanoseconds(match[3]), match[1] or "", match[5]


def _base_ns(times: dict[str, int], first_start_ns: int) -> int:
    # What the first interval shows holds for all that follow.
    start_ns = times.setdefault("StartTime", first_start_ns)
    return times.setdefault("BaseTime", start_ns if first_start_ns < start_ns - _NS_PER_YEAR else 0)


def _decoded(text: str, source: str, number: int) -> Histogram:
    try:
        return decode(text)
    except InvalidValueError as error:
        raise DataError(f"{source}, line {number}: {error}") from error


def _excerpt(line: str) -> str:
    return repr(line) if len(line) <= 40 else repr(line[:40]) + "..."


def _nanoseconds(seconds: str) -> int:
    return round(Decimal(seconds) * _NS_PER_S)


def _seconds(ns: int) -> str:
    """Write nanoseconds as seconds: to the millisecond, as HdrHistogram does, or as exactly as need be."""
    whole, fraction = divmod(ns, _NS_PER_S)
    digits = f"{fraction:09d}"
    return f"{whole}.{digits[:3]}{digits[3:].rstrip('0')}"


def _date(ns: int) -> str:
    # A simulated clock may be anywhere; years beyond those of datetime are left out.
    try:
        return dt.datetime.fromtimestamp(ns // _NS_PER_S, dt.UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return "no date"


def _check_stream(stream: object) -> None:
    if not callable(getattr(stream, "write", None)) or isinstance(stream, io.RawIOBase | io.BufferedIOBase):
        raise InvalidTypeError(f"stream {stream!r} is not an open text file; pass open(path, 'w')")


def _check_time(name: str, ns: int) -> int:
    if not isinstance(ns, int) or isinstance(ns, bool):
        raise InvalidTypeError(f"{name} is {ns!r}, not a whole number of nanoseconds; give an int")
    if ns < 0:
        raise InvalidValueError(f"{name} is {ns}, before the epoch; give nanoseconds since then")
    return ns

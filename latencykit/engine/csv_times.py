"""The ways in which CSV files of market data write a time, and their exact conversion to nanoseconds."""

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache

EXPECTED = "a time such as 2022-01-05T09:30:00.5Z, 2022-01-05, 20220105 093000500 or an epoch in s, ms, us or ns"

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(?: (\d\d)(\d\d)(\d\d)(\d{3})?)?", re.ASCII)
# Nine digits of seconds are 1973: anything shorter is a row number or a date, not an epoch.
_EPOCH = re.compile(r"\d{9,19}", re.ASCII)

_EPOCH_DATE = date(1970, 1, 1)
_YEARS = range(1678, 2262)  # the whole years that int64 nanoseconds since 1970 reach
_SECOND = 1_000_000_000
_LAST_NS = 2**63 - 1


def time_parser(text: str) -> Callable[[str], int] | None:
    """Return the function that turns times written like this one into UTC nanoseconds since 1970.

    A time without an offset is UTC. The unit of an epoch follows from the magnitude of the first: below 1e11
    seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds. The function raises
    ValueError for a text that is not such a time.

    Args:
        text: The first time of the file.

    Returns:
        The parser, or None if the text is no time.
    """
    for parse in (_iso_ns, _compact_ns, _epoch_parser(text)):
        try:
            parse(text)
        except ValueError:
            continue
        return parse
    return None


def _iso_ns(text: str) -> int:
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError(text)
    day, hour, minute, second, fraction, offset = match.groups()
    start = _midnight_ns(day)
    if hour is None:
        return start
    nanos = int(fraction.ljust(9, "0")) if fraction else 0
    return start + _clock_ns(int(hour), int(minute), int(second or 0)) + nanos - _offset_ns(offset)


def _compact_ns(text: str) -> int:
    match = _COMPACT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second, millis = match.groups()
    start = _midnight_ns(f"{year}-{month}-{day}")
    if hour is None:
        return start
    return start + _clock_ns(int(hour), int(minute), int(second)) + int(millis or 0) * 1_000_000


def _epoch_parser(first: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if _EPOCH.fullmatch(text) is None:
            raise ValueError(text)
        nanos = int(text) * factor
        if nanos > _LAST_NS:
            raise ValueError(text)
        return nanos

    magnitude = int(first) if _EPOCH.fullmatch(first) else 0
    factor = next((f for limit, f in _EPOCH_UNITS if magnitude < limit), 1)
    return parse


_EPOCH_UNITS = ((10**11, _SECOND), (10**14, 1_000_000), (10**17, 1_000))


# A month of ticks has some thirty dates and one or two offsets: each is worked out once.
@lru_cache(maxsize=4096)
def _midnight_ns(iso_date: str) -> int:
    day = date.fromisoformat(iso_date)
    if day.year not in _YEARS:
        raise ValueError(iso_date)
    return (day - _EPOCH_DATE).days * 86_400 * _SECOND


@lru_cache(maxsize=256)
def _offset_ns(text: str | None) -> int:
    if text is None or text == "Z":
        return 0
    minutes = text[3:].lstrip(":") or "0"
    size = _clock_ns(int(text[1:3]), int(minutes), 0)
    return -size if text[0] == "-" else size


def _clock_ns(hour: int, minute: int, second: int) -> int:
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{hour}:{minute}:{second}")
    return (hour * 3600 + minute * 60 + second) * _SECOND

"""What an AsyncLogger may be told, checked: levels, sizes, durations."""

import os
import re
from typing import Final, Literal

from latencykit.errors import InvalidTypeError, InvalidValueError

Format = Literal["text", "json"]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
OnFull = Literal["block", "drop_newest", "drop_oldest"]

LEVELS: Final = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_FORMATS: Final = ("text", "json")
_ON_FULL: Final = ("block", "drop_newest", "drop_oldest")
_GREATEST_CAPACITY: Final = 1 << 25  # A ring of 2 GiB at 64 bytes a record.
_GREATEST_INTERVAL_S: Final = 3600.0
_LEAST_ROTATE_BYTES: Final = 1024
_GREATEST_ROTATE_BYTES: Final = 1 << 62
_GREATEST_ROTATE_S: Final = 366 * 86_400
_GREATEST_BACKUPS: Final = 1000
_GREATEST_PER_SECOND: Final = 1_000_000_000
_SECONDS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"\s*([0-9]+)\s*([a-z]+)\s*")


def level_number(level: str) -> int:
    """Return the number that ``logging`` gives a level."""
    if not isinstance(level, str):
        raise InvalidTypeError(f"level {level!r} is not a str; give one of {', '.join(LEVELS)}")
    if level not in LEVELS:
        raise InvalidValueError(f"level {level!r} is none of {', '.join(LEVELS)}")
    return LEVELS[level]


def check_path(path: "str | bytes | os.PathLike[str]") -> str | bytes:
    """Return a path as text or bytes, if it is one."""
    if not isinstance(path, str | bytes | os.PathLike):
        raise InvalidTypeError(f"path {path!r} is neither a str nor a path; give the name of the log's file")
    name = os.fspath(path)
    if os.fsencode(name).find(b"\0") >= 0:
        raise InvalidValueError(f"path {path!r} holds a null character, which no file's name can have")
    return name


def check_template(template: str) -> str:
    """Return a site's template, if it is text."""
    if not isinstance(template, str):
        raise InvalidTypeError(f"template {template!r} is not a str; write for example 'order {{}} filled at {{:.2f}}'")
    return template


def check_on_full(on_full: str) -> str:
    """Return what to do when a ring is full, if it is one of the ways."""
    if on_full not in _ON_FULL:
        raise InvalidValueError(f"on_full={on_full!r} is none of {', '.join(_ON_FULL)}")
    return on_full


def is_json(form: str) -> bool:
    """Tell whether a format is JSON and not text."""
    if form not in _FORMATS:
        raise InvalidValueError(f"format {form!r} is none of {', '.join(_FORMATS)}")
    return form == "json"


def check_capacity(capacity: int) -> int:
    """Return a ring's number of records, if it is one."""
    return _whole("capacity", capacity, 1, _GREATEST_CAPACITY, "records")


def interval_ns(seconds: float) -> int:
    """Return the backend's interval in nanoseconds."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise InvalidTypeError(f"flush_interval {seconds!r} is not a number of seconds")
    # Written so that NaN fails too.
    if not 0 < seconds <= _GREATEST_INTERVAL_S:
        raise InvalidValueError(f"flush_interval {seconds!r} is not above 0 and up to {_GREATEST_INTERVAL_S:g} seconds")
    return max(1, round(seconds * 1e9))


def check_rotate_bytes(limit: int | None) -> int:
    """Return the size at which a file is rotated, 0 for never."""
    if limit is None:
        return 0
    return _whole("rotate_bytes", limit, _LEAST_ROTATE_BYTES, _GREATEST_ROTATE_BYTES, "bytes")


def rotate_every_ns(every: str | int | None) -> int:
    """Return the time after which a file is rotated in nanoseconds, 0 for never."""
    if every is None:
        return 0
    seconds = _seconds(every) if isinstance(every, str) else every
    return _whole("rotate_every", seconds, 1, _GREATEST_ROTATE_S, "seconds") * 1_000_000_000


def check_backups(backups: int) -> int:
    """Return how many rotated files are kept, if that is a number of them."""
    return _whole("backups", backups, 1, _GREATEST_BACKUPS, "files")


def check_per_second(most: int | None) -> int:
    """Return how many records a site may log a second, 0 for any number."""
    if most is None:
        return 0
    return _whole("max_per_second", most, 1, _GREATEST_PER_SECOND, "records")


def _whole(name: str, value: int, least: int, greatest: int, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidTypeError(f"{name} {value!r} is not an int; give a number of {what}")
    if not least <= value <= greatest:
        raise InvalidValueError(f"{name} {value} is outside {least} to {greatest} {what}")
    return value


def _seconds(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None or match[2] not in _SECONDS:
        raise InvalidValueError(f"rotate_every {text!r} is no whole number of s, min, h or d; write for example '1h'")
    return int(match[1]) * _SECONDS[match[2]]

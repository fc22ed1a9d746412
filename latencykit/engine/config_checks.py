"""What the parts of an engine's configuration are checked with: each refusal names the value and the remedy."""

import math
import os
from numbers import Integral, Real
from typing import Any

from latencykit.errors import InvalidTypeError, InvalidValueError
from latencykit.units import parse_duration_ns

MOST = 2**63 - 1


def check_integer(name: str, value: object, least: int, most: int = MOST) -> None:
    """Refuse what is no integer within the bounds."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidTypeError(f"{name} {value!r} is not an integer; pass {least} to {most}")
    if not least <= value <= most:
        raise InvalidValueError(f"{name} {value} is out of range; pass {least} to {most}")


def check_number(name: str, value: object, *, unit: str, zero_allowed: bool, most: float = math.inf) -> None:
    """Refuse what is no finite number above 0, or at 0 where that is allowed, or above the most."""
    remedy = f"pass {unit}, {'at least' if zero_allowed else 'above'} 0"
    if most < math.inf:
        remedy += f" and at most {most:g}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidTypeError(f"{name} {value!r} is not a number; {remedy}")
    if not (math.isfinite(value) and value <= most and (value >= 0 if zero_allowed else value > 0)):
        raise InvalidValueError(f"{name} {value!r} is out of range; {remedy}")


def check_kind(name: str, value: object, kind: Any, remedy: str) -> None:
    """Refuse what is not of a type, or of one of a union of types."""
    if not isinstance(value, kind):
        raise InvalidTypeError(f"{name} {value!r} is of the wrong kind; pass {remedy}")


def check_cores(name: str, value: tuple[int, ...]) -> None:
    """Refuse what is no tuple of two different CPU numbers."""
    check_kind(name, value, tuple, "a tuple of two CPU numbers")
    for core in value:
        check_integer(name, core, 0)
    if len(value) != 2 or value[0] == value[1]:
        raise InvalidValueError(f"{name} {value!r} are not two different CPUs; engine and journal need one each")


def check_path(name: str, value: object) -> None:
    """Refuse what is neither the path of a file nor None."""
    check_kind(name, value, str | os.PathLike | None, "a path as text, or None")
    if "\0" in str(value):
        raise InvalidValueError(f"{name} {value!r} has a null character; pass a path without")


def plain(value: object) -> object:
    """Return a number of any library as Python's own, which can be written as JSON; anything else as it is."""
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse what is none of the choices."""
    if value not in choices:
        raise InvalidValueError(f"{name} {value!r} is unknown; use {', '.join(map(repr, choices))}")


def duration_ns(name: str, value: str | float) -> float:
    """Return a duration in nanoseconds, of text with a unit or a number of nanoseconds."""
    try:
        return parse_duration_ns(value)
    except InvalidValueError as error:
        raise InvalidValueError(f"{name}: {error}") from None

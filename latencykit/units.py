"""One parser and one formatter of durations."""

import math
import re
from typing import SupportsFloat

from latencykit.errors import InvalidTypeError, InvalidValueError

_NS_PER_UNIT = {"ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_DURATION = re.compile(r"\s*([0-9]+(?:[._][0-9]+)*)\s*([a-zµμ]*)\s*")


def parse_duration_ns(text: str | float) -> float:
    """Parse a duration such as ``"100ns"``, ``"1.5 us"`` or ``"10ms"``.

    Args:
        text: A number followed by ns, us (or µs), ms or s; a bare number is nanoseconds.

    Returns:
        Nanoseconds, greater than 0.

    Raises:
        InvalidValueError: The text is not a positive finite duration.
        InvalidTypeError: It is neither text nor a number.
    """
    value = _parse_text(text) if isinstance(text, str) else _parse_number(text)
    if not (math.isfinite(value) and value > 0):
        raise InvalidValueError(f"duration {text!r} is not a positive finite time; write for example '100ns'")
    return value


def _parse_number(number: float) -> float:
    if isinstance(number, bool) or not isinstance(number, SupportsFloat):
        raise InvalidTypeError(f"duration {number!r} is neither text nor a number; write for example '100ns'")
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _parse_text(text: str) -> float:
    match = _DURATION.fullmatch(text)
    unit = (match[2] or "ns") if match else ""
    if match is None or unit not in _NS_PER_UNIT:
        raise InvalidValueError(f"duration {text!r} is not a number with ns, us, ms or s; write for example '100ns'")
    try:
        return float(match[1]) * _NS_PER_UNIT[unit]
    except ValueError:
        raise InvalidValueError(f"duration {text!r} does not start with a number; write for example '1.5us'") from None


def format_ns(value_ns: float | None, digits: int = 3) -> str:
    """Format a duration with its unit, to about `digits` significant digits.

    Args:
        value_ns: Nanoseconds; None means not available.
        digits: Significant digits, at least 1; digits before the point are never cut.

    Returns:
        Text such as ``"17.4 ns"``, ``"1.23 µs"``, ``"250 ms"``, or ``"n/a"``.
    """
    if value_ns is None or not math.isfinite(value_ns):
        return "n/a"
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1.0)):
        scaled = value_ns / scale
        # Rounding happens before the unit is chosen, so that 999.9 ns shows as 1.00 µs and not as 1000 ns.
        if abs(_round_significant(scaled, digits)) >= 1 or unit == "ns":
            return f"{_trim(scaled, digits)} {unit}"
    raise AssertionError("unreachable: the last unit always matches")


def _round_significant(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def _trim(value: float, digits: int) -> str:
    value = _round_significant(value, digits) if abs(value) < 10**digits else round(value)
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 1
    return f"{value:.{max(0, digits - whole)}f}"

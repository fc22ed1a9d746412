"""The layouts of CSV files of market data: which columns are where, told by a header or by the first row."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from latencykit.engine import csv_times
from latencykit.engine.ticks import TicksKind
from latencykit.errors import DataError

Row = tuple[int, list[str]]  # line number and fields

_TIME_NAMES = ("timestamp", "time", "datetime", "date", "ts", "")
_VOLUME_NAMES = ("volume", "size", "quantity", "qty", "amount")
_PRICE_NAMES: dict[TicksKind, tuple[str, ...]] = {
    "bars": ("close", "open", "high", "low"),
    "quotes": ("bid", "ask"),
    "trades": ("price",),
}
HEADERS = "a header with a time and open,high,low,close or bid,ask or price, each with or without volume"
_QUOTE_TIME = re.compile(r"\d{8} \d{9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the columns are: prices[0] is the price of a bar or trade, prices are bid and ask of a quote."""

    kind: TicksKind
    width: int
    time: int
    prices: tuple[int, ...]
    names: tuple[str, ...]
    volume: int | None


def recognise(name: str, first: Row) -> tuple[Layout, bool]:
    """Return the layout that the first row tells, and whether that row is a header.

    Args:
        name: The file's name, for messages.
        first: Its first row.

    Raises:
        DataError: The row is no header and not of a layout that needs none.
    """
    line, fields = first
    if csv_times.time_parser(fields[0].strip()) is None:
        return _from_header(name, line, fields), True
    if len(fields) not in {3, 4} or _QUOTE_TIME.fullmatch(fields[0].strip()) is None:
        fail(name, line, HEADERS, f"a row of {len(fields)} fields", "add the header that names the columns")
    volume = 3 if len(fields) == 4 else None
    return Layout("quotes", len(fields), 0, (1, 2), ("bid", "ask"), volume), False


def _from_header(name: str, line: int, fields: Sequence[str]) -> Layout:
    names = [field.strip().lower() for field in fields]
    time = _first_of(_TIME_NAMES, names)
    kind = next((kind for kind, prices in _PRICE_NAMES.items() if set(prices) <= set(names)), None)
    if time is None or kind is None:
        fail(name, line, HEADERS, repr(shortened(",".join(fields))), "add or correct the header")
    prices = _PRICE_NAMES[kind]
    indices = tuple(names.index(price) for price in prices)
    return Layout(kind, len(fields), time, indices, prices, _first_of(_VOLUME_NAMES, names))


def _first_of(candidates: Iterable[str], names: Sequence[str]) -> int | None:
    return next((names.index(candidate) for candidate in candidates if candidate in names), None)


def number(text: str) -> float:
    """Return the number that a field says; ValueError if it says none."""
    if "_" in text:  # Python reads 1_000 as a number; market data means something else by it
        raise ValueError(text)
    return float(text)


def shortened(text: str) -> str:
    """Return a text that may be of any length so that it fits a message."""
    return text if len(text) <= 60 else text[:57] + "..."


def complaint(name: str, line: int, expected: str, got: str, remedy: str) -> str:
    """Return what is wrong with a line of a file."""
    return f"{name}:{line}: expected {expected}, got {got}; {remedy}"


def fail(name: str, line: int, expected: str, got: str, remedy: str) -> NoReturn:
    """Raise what is wrong with a line of a file."""
    raise DataError(complaint(name, line, expected, got, remedy))

"""Read bars, quotes and trades from CSV files, naming file and line of whatever is wrong with them."""

import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from latencykit.engine import csv_times
from latencykit.engine.ticks import Ticks, TicksKind
from latencykit.errors import DataError

Floats = NDArray[np.float64]
Row = tuple[int, list[str]]  # line number and fields

_TIME_NAMES = ("timestamp", "time", "datetime", "date", "ts", "")
_VOLUME_NAMES = ("volume", "size", "quantity", "qty", "amount")
_PRICE_NAMES: dict[TicksKind, tuple[str, ...]] = {
    "bars": ("close", "open", "high", "low"),
    "quotes": ("bid", "ask"),
    "trades": ("price",),
}
_HEADERS = "a header with a time and open,high,low,close or bid,ask or price, each with or without volume"
_QUOTE_TIME = re.compile(r"\d{8} \d{9}", re.ASCII)
# Rows are converted in chunks: the arrays of a large file fit into memory where its strings would not.
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the columns are: prices[0] is the price of a bar or trade, prices are bid and ask of a quote."""

    kind: TicksKind
    width: int
    time: int
    prices: tuple[int, ...]
    names: tuple[str, ...]
    volume: int | None


@dataclass(frozen=True, slots=True)
class _Chunk:
    lines: NDArray[np.int64]
    timestamp_ns: NDArray[np.int64]
    prices: Floats  # one row per price column
    volume: Floats


def read_ticks(path: str | os.PathLike[str]) -> Ticks:
    """Read a CSV file of bars, quotes or trades.

    Bars have a header with open, high, low and close, as Yahoo's daily files do (their Adj Close is
    ignored); quotes have a header with bid and ask, or no header and the columns
    ``YYYYMMDD HHMMSSmmm,bid,ask[,volume]``; trades have a header with price and one of size, quantity, qty,
    volume and amount. The time column is named timestamp, time, datetime, date, ts or not at all; the case of
    names is free and other columns are ignored. A time is ISO 8601 with or without an offset, or an integer
    epoch in s, ms, us or ns; without an offset it is taken as UTC. Rows may share a timestamp. A file whose
    last number alone was cut short cannot be told from a whole one.

    Args:
        path: The file, comma-separated, UTF-8.

    Returns:
        The ticks in the order of the file; the price of a quote is the middle between bid and ask.

    Raises:
        DataError: The file cannot be read, its layout is not one of these, or a row is damaged: fields
            missing, a price that is not a positive number, a negative volume, a crossed quote, time running
            backwards.
    """
    name = os.fsdecode(path)
    try:
        # Bytes that are not text stay visible as escapes, so that the row they spoil can be named.
        with Path(name).open(encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
            return _read(name, _rows(name, file))
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{name}: cannot be read ({reason}); pass the path of a readable CSV file") from error


def _read(name: str, rows: Iterator[Row]) -> Ticks:
    first = next(rows, None)
    if first is None:
        raise DataError(f"{name}:1: expected {_HEADERS}, got an empty file; pass a file with ticks")
    layout, data = _recognise(name, first, rows)
    start = next(data, None)
    if start is None:
        raise DataError(
            f"{name}:{first[0] + 1}: expected a row of {layout.kind} after the header, "
            "got the end of the file; pass a file with ticks"
        )
    parse_time = _time_parser(name, layout, start)
    data = chain([start], data)
    chunks = [_convert(name, layout, parse_time, chunk) for chunk in iter(lambda: list(islice(data, _CHUNK)), [])]
    return _assemble(name, layout, chunks)


def _rows(name: str, file: Iterable[str]) -> Iterator[Row]:
    reader = csv.reader(file, strict=True)
    try:
        for fields in reader:
            if fields:
                yield reader.line_num, fields
    except csv.Error as error:
        _fail(name, reader.line_num, "comma-separated fields", str(error), "repair or remove the row")


def _recognise(name: str, first: Row, rows: Iterator[Row]) -> tuple[_Layout, Iterator[Row]]:
    """Return the layout, and the rows without the header."""
    line, fields = first
    if csv_times.time_parser(fields[0].strip()) is None:
        return _from_header(name, line, fields), rows
    if len(fields) not in {3, 4} or _QUOTE_TIME.fullmatch(fields[0].strip()) is None:
        _fail(name, line, _HEADERS, f"a row of {len(fields)} fields", "add the header that names the columns")
    volume = 3 if len(fields) == 4 else None
    return _Layout("quotes", len(fields), 0, (1, 2), ("bid", "ask"), volume), chain([first], rows)


def _from_header(name: str, line: int, fields: Sequence[str]) -> _Layout:
    names = [field.strip().lower() for field in fields]
    time = _first_of(_TIME_NAMES, names)
    kind = next((kind for kind, prices in _PRICE_NAMES.items() if set(prices) <= set(names)), None)
    if time is None or kind is None:
        _fail(name, line, _HEADERS, repr(_shortened(",".join(fields))), "add or correct the header")
    prices = _PRICE_NAMES[kind]
    indices = tuple(names.index(price) for price in prices)
    return _Layout(kind, len(fields), time, indices, prices, _first_of(_VOLUME_NAMES, names))


def _first_of(candidates: Iterable[str], names: Sequence[str]) -> int | None:
    return next((names.index(candidate) for candidate in candidates if candidate in names), None)


def _time_parser(name: str, layout: _Layout, row: Row) -> Callable[[str], int]:
    line, fields = row
    _check_width(name, layout, [row])
    text = fields[layout.time].strip()
    parse = csv_times.time_parser(text)
    if parse is None:
        _fail(name, line, csv_times.EXPECTED, repr(_shortened(text)), "repair or remove the row")
    return parse


def _convert(name: str, layout: _Layout, parse_time: Callable[[str], int], rows: Sequence[Row]) -> _Chunk:
    _check_width(name, layout, rows)
    lines = [line for line, _ in rows]
    columns = list(zip(*(fields for _, fields in rows), strict=True))
    prices = [
        _numbers(name, lines, columns[index], f"a positive {column}", _is_positive)
        for index, column in zip(layout.prices, layout.names, strict=True)
    ]
    volume = (
        np.zeros(len(rows))
        if layout.volume is None
        else _numbers(name, lines, columns[layout.volume], "a volume of at least 0", _is_volume)
    )
    times = _times(name, lines, columns[layout.time], parse_time)
    return _Chunk(np.array(lines, dtype=np.int64), times, np.array(prices), volume)


def _check_width(name: str, layout: _Layout, rows: Iterable[Row]) -> None:
    for line, fields in rows:
        if len(fields) != layout.width:
            _fail(
                name, line, f"{layout.width} fields", str(len(fields)),
                "the row is damaged or the file was cut off here: repair or remove the row",
            )  # fmt: skip


def _times(name: str, lines: Sequence[int], texts: Sequence[str], parse: Callable[[str], int]) -> NDArray[np.int64]:
    values = np.empty(len(texts), dtype=np.int64)
    for index, text in enumerate(texts):
        try:
            values[index] = parse(text.strip())
        except ValueError:
            _fail(name, lines[index], csv_times.EXPECTED, repr(_shortened(text)), "repair or remove the row")
    return values


def _numbers(
    name: str,
    lines: Sequence[int],
    texts: Sequence[str],
    expected: str,
    allowed: Callable[[Floats], NDArray[np.bool_]],
) -> Floats:
    try:
        values = np.fromiter(map(_number, texts), np.float64, len(texts))
    except ValueError:
        values = np.array([_number_or_nan(text) for text in texts])
    good = allowed(values)
    if not good.all():
        bad = int(np.argmin(good))
        _fail(name, lines[bad], expected, repr(_shortened(texts[bad])), "repair or remove the row")
    return values


def _number(text: str) -> float:
    if "_" in text:  # Python reads 1_000 as a number; market data means something else by it
        raise ValueError(text)
    return float(text)


def _number_or_nan(text: str) -> float:
    """Return the number, or for what is none NaN, which no column allows."""
    try:
        return _number(text)
    except ValueError:
        return float("nan")


def _is_positive(values: Floats) -> NDArray[np.bool_]:
    return (values > 0) & np.isfinite(values)


def _is_volume(values: Floats) -> NDArray[np.bool_]:
    return (values >= 0) & np.isfinite(values)


def _assemble(name: str, layout: _Layout, chunks: Sequence[_Chunk]) -> Ticks:
    lines = np.concatenate([chunk.lines for chunk in chunks])
    times = np.concatenate([chunk.timestamp_ns for chunk in chunks])
    volume = np.concatenate([chunk.volume for chunk in chunks])
    prices = np.concatenate([chunk.prices for chunk in chunks], axis=1)
    _check_order(name, lines, times)
    if layout.kind != "quotes":
        return Ticks(times, prices[0], volume, layout.kind, name)
    bid, ask = prices
    _check_uncrossed(name, lines, bid, ask)
    return Ticks(times, 0.5 * bid + 0.5 * ask, volume, layout.kind, name, bid, ask)


def _check_order(name: str, lines: NDArray[np.int64], times: NDArray[np.int64]) -> None:
    backwards = times[1:] < times[:-1]
    if backwards.any():
        row = int(np.argmax(backwards)) + 1
        before, now = np.datetime64(int(times[row - 1]), "ns"), np.datetime64(int(times[row]), "ns")
        _fail(name, int(lines[row]), f"a time not before {before} UTC", f"{now}", "sort the rows by time")


def _check_uncrossed(name: str, lines: NDArray[np.int64], bid: Floats, ask: Floats) -> None:
    crossed = bid > ask
    if crossed.any():
        row = int(np.argmax(crossed))
        got = f"bid {bid[row]} above ask {ask[row]}"
        _fail(name, int(lines[row]), "a bid not above the ask", got, "repair or remove the row")


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _fail(name: str, line: int, expected: str, got: str, remedy: str) -> NoReturn:
    raise DataError(f"{name}:{line}: expected {expected}, got {got}; {remedy}")

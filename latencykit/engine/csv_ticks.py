"""Read bars, quotes and trades from CSV files, naming file and line of whatever is wrong with them."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latencykit.engine import csv_times
from latencykit.engine.csv_layouts import HEADERS, Layout, Row, fail, number, recognise, shortened
from latencykit.engine.ticks import Ticks
from latencykit.errors import DataError

Floats = NDArray[np.float64]

# Rows are converted in chunks: the arrays of a large file fit into memory where its strings would not.
_CHUNK = 65_536


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
        raise DataError(f"{name}:1: expected {HEADERS}, got an empty file; pass a file with ticks")
    layout, headed = recognise(name, first)
    data = rows if headed else chain([first], rows)
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
        fail(name, reader.line_num, "comma-separated fields", str(error), "repair or remove the row")


def _time_parser(name: str, layout: Layout, row: Row) -> Callable[[str], int]:
    line, fields = row
    _check_width(name, layout, [row])
    text = fields[layout.time].strip()
    parse = csv_times.time_parser(text)
    if parse is None:
        fail(name, line, csv_times.EXPECTED, repr(shortened(text)), "repair or remove the row")
    return parse


def _convert(name: str, layout: Layout, parse_time: Callable[[str], int], rows: Sequence[Row]) -> _Chunk:
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


def _check_width(name: str, layout: Layout, rows: Iterable[Row]) -> None:
    for line, fields in rows:
        if len(fields) != layout.width:
            fail(
                name, line, f"{layout.width} fields", str(len(fields)),
                "the row is damaged or the file was cut off here: repair or remove the row",
            )  # fmt: skip


def _times(name: str, lines: Sequence[int], texts: Sequence[str], parse: Callable[[str], int]) -> NDArray[np.int64]:
    values = np.empty(len(texts), dtype=np.int64)
    for index, text in enumerate(texts):
        try:
            values[index] = parse(text.strip())
        except ValueError:
            fail(name, lines[index], csv_times.EXPECTED, repr(shortened(text)), "repair or remove the row")
    return values


def _numbers(
    name: str,
    lines: Sequence[int],
    texts: Sequence[str],
    expected: str,
    allowed: Callable[[Floats], NDArray[np.bool_]],
) -> Floats:
    try:
        values = np.fromiter(map(number, texts), np.float64, len(texts))
    except ValueError:
        values = np.array([_number_or_nan(text) for text in texts])
    good = allowed(values)
    if not good.all():
        bad = int(np.argmin(good))
        fail(name, lines[bad], expected, repr(shortened(texts[bad])), "repair or remove the row")
    return values


def _number_or_nan(text: str) -> float:
    """Return the number, or for what is none NaN, which no column allows."""
    try:
        return number(text)
    except ValueError:
        return float("nan")


def _is_positive(values: Floats) -> NDArray[np.bool_]:
    return (values > 0) & np.isfinite(values)


def _is_volume(values: Floats) -> NDArray[np.bool_]:
    return (values >= 0) & np.isfinite(values)


def _assemble(name: str, layout: Layout, chunks: Sequence[_Chunk]) -> Ticks:
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
        fail(name, int(lines[row]), f"a time not before {before} UTC", f"{now}", "sort the rows by time")


def _check_uncrossed(name: str, lines: NDArray[np.int64], bid: Floats, ask: Floats) -> None:
    crossed = bid > ask
    if crossed.any():
        row = int(np.argmax(crossed))
        got = f"bid {bid[row]} above ask {ask[row]}"
        fail(name, int(lines[row]), "a bid not above the ask", got, "repair or remove the row")

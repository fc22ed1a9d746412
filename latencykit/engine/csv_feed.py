"""A feed of a CSV file that is read in chunks and whose damaged lines are counted, not the end of it."""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count, islice
from pathlib import Path
from typing import Final, Literal, NoReturn, TextIO

import numpy as np

from latencykit.engine import csv_times
from latencykit.engine.array_feed import check_chunk_rows
from latencykit.engine.csv_layouts import HEADERS, Layout, Row, complaint, number, recognise, shortened
from latencykit.engine.feed import Damage, Records
from latencykit.engine.line_places import LinePlaces
from latencykit.engine.ticks import TICK_DTYPE
from latencykit.errors import DataError, InvalidValueError

_CHUNK_ROWS: Final = 16_384  # their strings take some 10 MB while they are converted
_LONGEST_LINE: Final = 65_536
_REPAIR: Final = "repair or remove the row"

_Tick = tuple[int, float, float, float, float]  # time, price, volume, bid, ask
_NAN: Final = float("nan")


class _DamagedLineError(ValueError):
    """A line of which no tick can be made."""

    def __init__(self, kind: str, expected: str, got: str, remedy: str = _REPAIR) -> None:
        super().__init__(expected)
        self.kind, self.expected, self.got, self.remedy = kind, expected, got, remedy


class CsvFeed:
    """Feed a CSV file of any layout that `read_ticks` knows, in memory that does not grow with the file.

    A line of which no tick can be made is damaged: fields missing or left over, as where a file was cut off; a time
    that is none, or not written as the first one; text in a number; an open, high or low of a bar that is no price.
    Such lines are counted in `damage`, and skipped or the end of the run. What is a number is handed over as it is,
    though it be NaN, a negative price, a crossed quote or a time before the last one: those are for the engine's
    rules, and `place` tells the line of a row. `read_ticks` refuses a file for any of them.

    Args:
        path: The file, comma-separated, UTF-8.
        symbol: The number that its rows get.
        on_damage: ``skip`` damaged lines, or ``halt``: hand over the rows before the first, then raise.
        chunk_rows: How many lines are read at a time, at least 1.

    Raises:
        InvalidValueError: An argument is out of its range.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        symbol: int = 0,
        on_damage: Literal["skip", "halt"] = "skip",
        chunk_rows: int = _CHUNK_ROWS,
    ) -> None:
        if on_damage not in ("skip", "halt"):
            raise InvalidValueError(f"on_damage {on_damage!r} is no policy; pass 'skip' or 'halt'")
        if not 0 <= symbol < 2**32:
            raise InvalidValueError(f"symbol {symbol} is out of range; pass 0 to {2**32 - 1}")
        check_chunk_rows(chunk_rows)
        self.source = os.fsdecode(path)
        self._symbol, self._halts, self._chunk_rows = symbol, on_damage == "halt", chunk_rows
        self._begin()

    def _begin(self) -> None:
        self._damage: dict[str, Damage] = {}
        self._places = LinePlaces()

    @property
    def damage(self) -> tuple[Damage, ...]:
        """What the last pass could not make ticks of, by kind, in the order of the first lines."""
        return tuple(sorted(self._damage.values(), key=lambda damage: damage.first_line))

    def place(self, row: int) -> str:
        """Return the file and the line of a row of the last pass."""
        return f"{self.source}:{self._places.line_of(row)}"

    def chunks(self) -> Iterator[Records]:
        """Begin a pass over the file.

        Raises:
            DataError: The file cannot be read, its layout is not known, no line of it is a tick, or a line is damaged
                and that halts.
        """
        self._begin()
        try:
            # Bytes that are not text stay visible as escapes, so that the row they spoil can be named.
            with Path(self.source).open(encoding="utf-8-sig", errors="backslashreplace") as file:
                yield from self._read(file)
        except OSError as error:
            reason = error.strerror or str(error)
            raise DataError(
                f"{self.source}: cannot be read ({reason}); pass the path of a readable CSV file"
            ) from error

    def _read(self, file: TextIO) -> Iterator[Records]:
        lines = _lines(file)
        first = next(lines, None)
        if first is None:
            raise DataError(f"{self.source}:1: expected {HEADERS}, got an empty file; pass a file with ticks")
        layout, headed = recognise(self.source, self._first_row(first))
        converter = _Converter(layout)
        lines = lines if headed else chain([first], lines)
        while chunk := list(islice(lines, self._chunk_rows)):
            records, ended = self._convert(converter, chunk)
            if len(records):
                yield records
            if ended is not None:
                raise DataError(ended)
        if not self._places.rows:
            self._refuse_all(layout, first[0])

    def _first_row(self, first: tuple[int, str]) -> Row:
        line, text = first
        try:
            return line, _fields(text)
        except _DamagedLineError as error:
            raise DataError(complaint(self.source, line, HEADERS, error.got, "add or correct the header")) from error

    def _convert(self, converter: "_Converter", lines: Sequence[tuple[int, str]]) -> tuple[Records, str | None]:
        """Return the records of a chunk, and what ended the run in it."""
        numbers, ticks, ended = [], [], None
        for line, text in lines:
            try:
                ticks.append(converter.tick(text))
                numbers.append(line)
            except _DamagedLineError as error:
                message = self._count(line, error)
                if self._halts:
                    ended = message
                    break
        self._places.add(numbers)
        return self._records(ticks), ended

    def _records(self, ticks: Sequence[_Tick]) -> Records:
        records = np.zeros(len(ticks), TICK_DTYPE)
        if ticks:
            for name, column in zip(
                ("timestamp_ns", "price", "volume", "bid", "ask"), zip(*ticks, strict=True), strict=True
            ):
                records[name] = column
        records["symbol"] = self._symbol
        return records

    def _count(self, line: int, error: _DamagedLineError) -> str:
        message = complaint(self.source, line, error.expected, error.got, error.remedy)
        before = self._damage.get(error.kind)
        self._damage[error.kind] = (
            Damage(error.kind, 1, line, line, message)
            if before is None
            else Damage(error.kind, before.count + 1, before.first_line, line, before.first_error)
        )
        return message

    def _refuse_all(self, layout: Layout, first: int) -> NoReturn:
        if not self._damage:
            raise DataError(
                f"{self.source}:{first + 1}: expected a row of {layout.kind} after the header, "
                "got the end of the file; pass a file with ticks"
            )
        lines = sum(damage.count for damage in self._damage.values())
        raise DataError(f"none of {lines:,} lines is a tick; {self.damage[0].first_error}")


class _Converter:
    """Make ticks of lines of one layout; the first time that can be read says how times are written."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._parse_time: Callable[[str], int] | None = None
        self._beside = [(layout.prices[at], layout.names[at]) for at in range(1, len(layout.prices))]

    def tick(self, text: str) -> _Tick:
        """Make the tick of a line, or say what is wrong with it."""
        fields = _fields(text)
        if len(fields) != self._layout.width:
            raise _DamagedLineError(
                "fields", f"{self._layout.width} fields", str(len(fields)),
                "the row is damaged or the file was cut off here: repair or remove the row",
            )  # fmt: skip
        timestamp_ns = self._time(fields[self._layout.time].strip())
        prices = [_value(name, fields[at]) for at, name in zip(self._layout.prices, self._layout.names, strict=True)]
        volume = 0.0 if self._layout.volume is None else _value("volume", fields[self._layout.volume])
        if self._layout.kind == "quotes":
            bid, ask = prices
            return timestamp_ns, 0.5 * bid + 0.5 * ask, volume, bid, ask
        for (at, name), price in zip(self._beside, prices[1:], strict=True):
            if not 0 < price < float("inf"):  # a tick does not have it, so that nobody else would see it
                raise _DamagedLineError("number", f"a positive {name}", repr(shortened(fields[at])))
        return timestamp_ns, prices[0], volume, _NAN, _NAN

    def _time(self, text: str) -> int:
        if self._parse_time is None:
            self._parse_time = csv_times.time_parser(text)
        try:
            if self._parse_time is not None:
                return self._parse_time(text)
        except ValueError:
            pass
        raise _DamagedLineError("time", csv_times.EXPECTED, repr(shortened(text)))


def _value(name: str, text: str) -> float:
    try:
        return number(text)
    except ValueError:
        raise _DamagedLineError("number", f"a number as {name}", repr(shortened(text))) from None


def _fields(text: str) -> list[str]:
    if len(text) >= _LONGEST_LINE:
        raise _DamagedLineError("fields", f"less than {_LONGEST_LINE:,} characters in a line", "more")
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise _DamagedLineError("fields", "comma-separated fields", str(error)) from error


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    """Give the lines that are not blank with their numbers; of one that is too long, only its beginning."""
    numbers = count(1)
    while line := file.readline(_LONGEST_LINE):
        rest = line
        while len(rest) == _LONGEST_LINE and not rest.endswith("\n"):
            rest = file.readline(_LONGEST_LINE)
        at = next(numbers)
        if not line.isspace():
            yield at, line.rstrip("\n")

"""A feed of an engine's journal: the ticks that it took, to be taken again."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TextIO, TypeAlias

import numpy as np

from latencykit.engine.array_feed import CHUNK_ROWS, check_chunk_rows
from latencykit.engine.feed import Damage, Records
from latencykit.engine.line_places import LinePlaces
from latencykit.engine.ticks import TICK_DTYPE
from latencykit.errors import DataError, InvalidValueError

JOURNAL_SCHEMA: Final = "latencykit.journal/1"
_HEAD: Final = f"# {JOURNAL_SCHEMA} "
# How many fields a line of each kind has: native/latency/journal_record.h.
_TICKS: Final = {"T": 12, "H": 8, "S": 9}
_OTHERS: Final = {"O": 9, "R": 6, "X": 3}
_NAMES: Final = ("timestamp_ns", "symbol", "price", "volume", "bid", "ask")
_NAN: Final = float("nan")

_Tick: TypeAlias = tuple[int, int, int, float, float, float, float]  # row, time, symbol, price, volume, bid, ask


def is_journal(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file begins as an engine's journal does; what cannot be read, or read but once, is none."""
    try:
        if not Path(path).is_file():  # what is read of a pipe is gone
            return False
        with Path(path).open("rb") as file:
            return file.read(len(_HEAD)) == _HEAD.encode()
    except OSError:
        return False


class JournalFeed:
    """Feed the ticks of a journal that an Engine wrote, those that it skipped and held among them.

    An engine of the same settings makes the same journal of it again, byte for byte. Orders and refusals are passed
    over: they are what came of the ticks. A line of which no tick can be made is damaged, and so is a last line
    without an end; lines that are missing, as their rows tell, are counted as damage of the kind ``missing``.

    Args:
        path: The journal.
        on_damage: ``skip`` damaged lines, or ``halt``: hand over the rows before the first, then raise.
        chunk_rows: How many ticks a chunk has at most, at least 1.

    Raises:
        InvalidValueError: An argument is out of its range.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        on_damage: Literal["skip", "halt"] = "skip",
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        if on_damage not in ("skip", "halt"):
            raise InvalidValueError(f"on_damage {on_damage!r} is no policy; pass 'skip' or 'halt'")
        check_chunk_rows(chunk_rows)
        self.source = os.fsdecode(path)
        self._halts, self._chunk_rows = on_damage == "halt", chunk_rows
        self._begin()

    def _begin(self) -> None:
        self._damage: dict[str, Damage] = {}
        self._places = LinePlaces()
        self._row = 0

    @property
    def damage(self) -> tuple[Damage, ...]:
        """What the last pass could not make ticks of, by kind, in the order of the first lines."""
        return tuple(sorted(self._damage.values(), key=lambda damage: damage.first_line))

    def place(self, row: int) -> str:
        """Return the file and the line of a row of the last pass."""
        return f"{self.source}:{self._places.line_of(row)}"

    def settings(self) -> Mapping[str, Any]:
        """Return the settings that the engine's decisions depended on, by the names in the journal's first line.

        Raises:
            DataError: The file cannot be read, or its first line is not that of a journal.
        """
        try:
            with Path(self.source).open(encoding="utf-8", errors="backslashreplace") as file:
                return self._head(file)
        except OSError as error:
            raise self._unreadable(error) from error

    def chunks(self) -> Iterator[Records]:
        """Begin a pass over the ticks.

        Raises:
            DataError: The file cannot be read or is no journal, or a line is damaged and that halts.
        """
        self._begin()
        try:
            with Path(self.source).open(encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                self._head(file)
                yield from self._read(file)
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> DataError:
        reason = error.strerror or str(error)
        return DataError(f"{self.source}: cannot be read ({reason}); pass the path of a readable journal")

    def _head(self, file: TextIO) -> Mapping[str, Any]:
        line = file.readline(65_536)
        try:
            settings = json.loads(line.removeprefix(_HEAD)) if line.startswith(_HEAD) else None
        except ValueError:
            settings = None
        if not isinstance(settings, dict):
            raise DataError(f"{self.source}:1: expected the first line of a {JOURNAL_SCHEMA}; pass an engine's journal")
        return settings

    def _read(self, file: TextIO) -> Iterator[Records]:
        lines = enumerate(file, 2)
        while chunk := list(islice(lines, self._chunk_rows)):
            records, ended = self._convert(chunk)
            if len(records):
                yield records
            if ended is not None:
                raise DataError(ended)

    def _convert(self, lines: Sequence[tuple[int, str]]) -> tuple[Records, str | None]:
        """Return the records of a chunk, and what ended the run in it."""
        ticks: list[_Tick] = []
        numbers: list[int] = []
        ended = None
        for number, text in lines:
            try:
                tick = _tick_of(text)
            except _DamagedLineError as error:
                self._row += error.had_row
                ended = self._count(error.kind, number, 1, f"expected {error}, got {text[:60].rstrip()!r}")
            else:
                if tick is None:
                    continue
                ended = self._missing(number, tick[0])
                ticks.append(tick)
                numbers.append(number)
            if ended is not None and self._halts:
                break
        self._places.add(numbers)
        return _records(ticks), ended if self._halts else None

    def _missing(self, number: int, row: int) -> str | None:
        expected, self._row = self._row, row + 1
        if row == expected:
            return None
        return self._count("missing", number, max(1, row - expected), f"expected row {expected}, got row {row}")

    def _count(self, kind: str, line: int, count: int, said: str) -> str:
        message = f"{self.source}:{line}: {said}; the journal is damaged or was cut off: take it from its source"
        before = self._damage.get(kind)
        self._damage[kind] = (
            Damage(kind, count, line, line, message)
            if before is None
            else Damage(kind, before.count + count, before.first_line, line, before.first_error)
        )
        return message


class _DamagedLineError(ValueError):
    """A line of which no tick can be made; `had_row` is 1 if a tick's row is lost with it."""

    def __init__(self, kind: str, expected: str, *, had_row: bool) -> None:
        super().__init__(expected)
        self.kind, self.had_row = kind, int(had_row)


def _tick_of(text: str) -> _Tick | None:
    """Return the tick of a line, None for a decision, or say what is wrong with it."""
    fields = text.split(",")
    kind = fields[0]
    is_tick = kind in _TICKS
    if not is_tick and kind not in _OTHERS:
        raise _DamagedLineError("fields", "a line of a journal", had_row=False)
    width = _TICKS[kind] if is_tick else _OTHERS[kind]
    if len(fields) != width or not text.endswith("\n"):
        raise _DamagedLineError("fields", f"{width} fields and the end of the line", had_row=is_tick)
    if not is_tick:
        return None
    if width == 8:
        fields[7] = fields[7].rstrip("\n")
    try:
        price, volume, bid, ask = (float(field) if field else _NAN for field in fields[4:8])
        row, timestamp_ns, symbol = (int(field) for field in fields[1:4])
    except ValueError:
        raise _DamagedLineError("number", "numbers", had_row=True) from None
    if not (-(2**63) <= timestamp_ns < 2**63 and 0 <= symbol < 2**32):
        raise _DamagedLineError("number", "a time of 64 bits and a symbol of 32", had_row=True)
    return row, timestamp_ns, symbol, price, volume, bid, ask


def _records(ticks: Sequence[_Tick]) -> Records:
    records = np.zeros(len(ticks), TICK_DTYPE)
    if ticks:
        _, *columns = zip(*ticks, strict=True)
        for name, column in zip(_NAMES, columns, strict=True):
            records[name] = column
    return records

"""Feeds of what is in memory: columns, structured arrays, and arrays that arrive one after another."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latencykit.engine.feed import Records
from latencykit.engine.ticks import TICK_DTYPE, Ticks, check_symbols
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError

CHUNK_ROWS: Final = 65_536  # 3 MiB: large beside what a chunk costs, small beside what a machine has

_NEEDED = ("timestamp_ns", "price")
_OPTIONAL = ("volume", "bid", "ask", "symbol", "reserved")
_REMEDY = f"pass {' and '.join(_NEEDED)}, and of volume, bid, ask and symbol what there is"


class ArrayFeed:
    """Feed what is in memory.

    An array of `TICK_DTYPE` is handed over as it is, without a copy; columns are put together chunk by chunk.

    Args:
        data: `Ticks`; a structured array; or a mapping of columns. Fields and columns are ``timestamp_ns`` (integers,
            or datetime64 in UTC) and ``price``, and may be ``volume`` (0 if missing), ``bid`` and ``ask`` (NaN), and
            ``symbol`` (0).
        source: Where they come from, for messages.
        chunk_rows: How many ticks a chunk has at most, at least 1.

    Raises:
        InvalidTypeError: A column does not hold numbers of its kind.
        InvalidValueError: Columns are missing, unknown, not one-dimensional or not of one length.
    """

    def __init__(
        self,
        data: Ticks | Records | Mapping[str, ArrayLike],
        *,
        source: str | None = None,
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        check_chunk_rows(chunk_rows)
        self._chunk_rows = chunk_rows
        self._whole = data if isinstance(data, np.ndarray) and data.dtype == TICK_DTYPE and data.ndim == 1 else None
        self._columns = _columns_of(data)
        self.source = source or (data.source if isinstance(data, Ticks) else "arrays")

    def __len__(self) -> int:
        return len(self._columns["timestamp_ns"])

    def chunks(self) -> Iterator[Records]:
        """Begin a pass over the ticks."""
        for start in range(0, len(self), self._chunk_rows):
            rows = slice(start, start + self._chunk_rows)
            if self._whole is not None:
                yield np.ascontiguousarray(self._whole[rows])
            else:
                yield _records({name: column[rows] for name, column in self._columns.items()})


class ChunksFeed:
    """Feed arrays that an iterable gives, of `TICK_DTYPE` or with fields as `ArrayFeed` takes them.

    Args:
        arrays: The arrays. An iterator can be used for one pass only.
        source: Where they come from, for messages.
    """

    def __init__(self, arrays: Iterable[Records], *, source: str | None = None) -> None:
        self.source = source or f"{type(arrays).__name__} of arrays"
        self._arrays = arrays
        self._begun = False

    def chunks(self) -> Iterator[Records]:
        """Begin a pass over the arrays.

        Raises:
            InvalidStateError: They came from an iterator, which has been used up by a pass before.
            InvalidTypeError: What comes is no structured array.
            InvalidValueError: Its fields are not those of a tick.
        """
        iterator = iter(self._arrays)
        if self._begun and iterator is self._arrays:
            raise InvalidStateError(f"{self.source} was used by a pass before; pass a list, or a new iterator")
        self._begun = True
        return self._checked(iterator)

    def _checked(self, arrays: Iterator[Records]) -> Iterator[Records]:
        for number, array in enumerate(arrays):
            if not isinstance(array, np.ndarray):
                raise InvalidTypeError(
                    f"{self.source}: number {number} is a {type(array).__name__}; give structured arrays of TICK_DTYPE"
                )
            if array.dtype == TICK_DTYPE and array.ndim == 1:
                yield np.ascontiguousarray(array)
            else:
                yield _records(_columns_of(array))


def check_chunk_rows(rows: int) -> None:
    """Refuse a chunk that could hold nothing."""
    if rows < 1:
        raise InvalidValueError(f"chunk_rows {rows} is below 1; pass how many ticks a chunk may have")


def _columns_of(data: Ticks | Records | Mapping[str, ArrayLike]) -> dict[str, NDArray[np.generic]]:
    if isinstance(data, Ticks):
        named: dict[str, ArrayLike | None] = {name: getattr(data, name) for name in (*_NEEDED, "volume", "bid", "ask")}
        named["symbol"] = data.symbol_id
    elif isinstance(data, np.ndarray):
        if data.dtype.names is None:
            raise InvalidTypeError(f"an array of {data.dtype} has no fields; {_REMEDY}")
        named = {name: data[name] for name in data.dtype.names}
    else:
        named = dict(data)
    columns = {name: np.asarray(column) for name, column in named.items() if column is not None}
    _check_names(columns)
    for name, column in columns.items():
        columns[name] = _converted(name, column)
        if column.shape != (len(columns["timestamp_ns"]),):
            raise InvalidValueError(
                f"column {name!r} has the shape {column.shape}; pass one-dimensional columns of one length"
            )
    return columns


def _check_names(columns: Mapping[str, NDArray[np.generic]]) -> None:
    unknown = [name for name in columns if name not in _NEEDED + _OPTIONAL]
    missing = [name for name in _NEEDED if name not in columns]
    if unknown or missing:
        said = f"{', '.join(unknown)} is no column of ticks" if unknown else f"{', '.join(missing)} is missing"
        raise InvalidValueError(f"{said}; {_REMEDY}")
    if columns["timestamp_ns"].ndim != 1:
        shape = columns["timestamp_ns"].shape
        raise InvalidValueError(
            f"column 'timestamp_ns' has the shape {shape}; pass one-dimensional columns of one length"
        )


def _converted(name: str, column: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the column as it can be assigned to a field, of the same values."""
    kind = column.dtype.kind
    if name == "timestamp_ns":
        if kind == "M":
            return column.astype("datetime64[ns]").view(np.int64)
        if kind not in "iu" and column.size:
            raise InvalidTypeError(f"timestamp_ns has the dtype {column.dtype}; pass integers or datetime64")
    elif name == "symbol":
        check_symbols(column)
    elif kind not in "iuf" and column.size:
        raise InvalidTypeError(f"column {name!r} has the dtype {column.dtype}; pass numbers")
    return column


def _records(columns: Mapping[str, NDArray[np.generic]]) -> Records:
    records = np.zeros(len(columns["timestamp_ns"]), TICK_DTYPE)
    records["bid"] = records["ask"] = np.nan
    for name, column in columns.items():
        if name != "reserved":
            records[name] = column
    return records

"""The columns of a feed, whatever it was read from."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latencykit.errors import InvalidValueError

TicksKind: TypeAlias = Literal["bars", "quotes", "trades"]

# One row of a feed as the native engine reads it in place: native/latency/tick.h has the same 48 bytes.
TICK_DTYPE: Final[np.dtype[np.void]] = np.dtype(
    [
        ("timestamp_ns", np.int64),
        ("price", np.float64),
        ("volume", np.float64),
        ("bid", np.float64),
        ("ask", np.float64),
        ("symbol", np.uint32),
        ("reserved", np.uint32),
    ],
    align=True,
)


@dataclass(frozen=True, eq=False, slots=True)
class Ticks:
    """Hold a feed as read-only columns of equal length, one row a tick (arrays are not copied).

    Args:
        timestamp_ns: UTC nanoseconds since 1970, int64.
        price: The close of a bar, the middle of a quote, the price of a trade; float64.
        volume: Traded volume, 0 where the source has none; float64.
        kind: What one row is.
        source: Where the rows come from, for messages and reports.
        bid: The bid of each quote, float64; None unless `kind` is quotes.
        ask: The ask of each quote, float64; None unless `kind` is quotes.
        panics: Indices of the rows at which a planted panic begins; empty for data that was not made.
        symbol_id: The number of each row's instrument, uint32; None if there is but one, number 0.
        decoys: Kind, first row and end of each planted decoy, in order.

    Raises:
        InvalidValueError: The columns are not one-dimensional and of one length, or a symbol's number is not one of
            0 to 2**32 - 1.
    """

    timestamp_ns: NDArray[np.int64]
    price: NDArray[np.float64]
    volume: NDArray[np.float64]
    kind: TicksKind
    source: str
    bid: NDArray[np.float64] | None = None
    ask: NDArray[np.float64] | None = None
    panics: tuple[int, ...] = ()
    symbol_id: NDArray[np.uint32] | None = None
    decoys: tuple[tuple[str, int, int], ...] = ()

    def __post_init__(self) -> None:
        self._freeze("timestamp_ns", np.int64)
        for name in ("price", "volume", "bid", "ask"):
            if getattr(self, name) is not None:
                self._freeze(name, np.float64)
        if self.symbol_id is not None:
            check_symbols(np.asarray(self.symbol_id))
            self._freeze("symbol_id", np.uint32)

    def _freeze(self, name: str, dtype: type[np.int64] | type[np.float64] | type[np.uint32]) -> None:
        column = np.ascontiguousarray(getattr(self, name), dtype=dtype).view()
        if column.shape != (len(self),):
            raise InvalidValueError(
                f"column {name!r} has the shape {column.shape}, timestamp_ns has {len(self)} rows; "
                "pass one-dimensional columns of one length"
            )
        column.flags.writeable = False
        object.__setattr__(self, name, column)

    def __len__(self) -> int:
        return len(self.timestamp_ns)

    def rows(self) -> list[tuple[int, float, float]]:
        """Return (timestamp_ns, price, volume) of each tick as plain Python numbers."""
        return list(zip(self.timestamp_ns.tolist(), self.price.tolist(), self.volume.tolist(), strict=True))

    def records(self) -> NDArray[np.void]:
        """Return the ticks as one array of `TICK_DTYPE`, a copy; bid and ask are NaN where there are none."""
        records = np.zeros(len(self), TICK_DTYPE)
        for name in ("timestamp_ns", "price", "volume"):
            records[name] = getattr(self, name)
        for name in ("bid", "ask"):
            column = getattr(self, name)
            records[name] = np.nan if column is None else column
        if self.symbol_id is not None:
            records["symbol"] = self.symbol_id
        return records


def check_symbols(numbers: NDArray[np.generic]) -> None:
    """Refuse what a conversion to uint32 would turn into another symbol's number without a word."""
    if numbers.dtype == np.uint32:
        return
    if numbers.dtype.kind not in "iu" and numbers.size:
        raise InvalidValueError(f"symbol_id has the dtype {numbers.dtype}; pass whole numbers, best as uint32")
    if numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) < 2**32:
        raise InvalidValueError(
            f"symbol_id has values from {int(numbers.min())} to {int(numbers.max())}; pass 0 to {2**32 - 1}"
        )

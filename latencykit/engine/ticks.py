"""The columns of a feed, whatever it was read from."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latencykit.errors import InvalidValueError

TicksKind: TypeAlias = Literal["bars", "quotes", "trades"]


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
        decoys: Kind, first row and end of each planted decoy, in order.

    Raises:
        InvalidValueError: The columns are not one-dimensional and of one length.
    """

    timestamp_ns: NDArray[np.int64]
    price: NDArray[np.float64]
    volume: NDArray[np.float64]
    kind: TicksKind
    source: str
    bid: NDArray[np.float64] | None = None
    ask: NDArray[np.float64] | None = None
    panics: tuple[int, ...] = ()
    decoys: tuple[tuple[str, int, int], ...] = ()

    def __post_init__(self) -> None:
        self._freeze("timestamp_ns", np.int64)
        for name in ("price", "volume", "bid", "ask"):
            if getattr(self, name) is not None:
                self._freeze(name, np.float64)

    def _freeze(self, name: str, dtype: type[np.int64] | type[np.float64]) -> None:
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

"""The market as an engine acted on it, kept from a feed so that the cost of latency can be told afterwards."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from latencykit.analysis.entry_trades import Entry
from latencykit.analysis.latency_cost import LatencyCost, latency_cost

# 20 bytes a row: 80 MB.
MOST_ROWS: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class CostFound:
    """What latency costs, or why that cannot be told.

    Attributes:
        cost: The figures, or None.
        remark: A sentence: why there are none, or what was left out; empty if there is nothing to say.
    """

    cost: LatencyCost | None
    remark: str = ""


class FeedPrices:
    """Keep time, price and symbol of a feed's rows, as long as there are not too many.

    Args:
        symbols: How many instruments the engine has; rows of others are left out.
        skipped: The kinds of ticks that the engine's rules do not accept, by the names of FeedRules.
        most_rows: How many rows are kept; of a longer feed nothing is told.
    """

    def __init__(self, symbols: int, skipped: Collection[str], most_rows: int = MOST_ROWS) -> None:
        self._symbols, self._skipped, self._most = symbols, frozenset(skipped), most_rows
        self._rows = 0
        self._chunks: list[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint32], NDArray[np.bool_]]] = []

    def add(self, chunk: NDArray[np.void]) -> None:
        """Keep what is needed of the next rows, an array of TICK_DTYPE."""
        self._rows += len(chunk)
        if self._rows > self._most:
            self._chunks = []
            return
        time, price, symbol = (chunk[name].copy() for name in ("timestamp_ns", "price", "symbol"))
        self._chunks.append((time, price, symbol, self._usable(chunk)))

    def cost(self, taken: int, entries: Sequence[tuple[int, float, float]], delays_ns: Sequence[int]) -> CostFound:
        """Return what latency costs.

        Args:
            taken: How many of the rows the engine took.
            entries: Row, take-profit and stop of each entry.
            delays_ns: The delays.
        """
        if self._rows > self._most:
            return CostFound(None, f"left out: prices are kept of feeds of up to {self._most:,} ticks")
        if not entries:
            return CostFound(None, "nothing to tell: no entry was made")
        time, price, symbol, usable = (np.concatenate(each)[:taken] for each in zip(*self._chunks, strict=True))
        rows = np.flatnonzero(usable)
        rows = rows[_in_order(time[rows], symbol[rows])]
        placed = _placed(rows, entries)
        left_out = len(entries) - len(placed)
        remark = f"{left_out:,} entries without levels to sell at, or on rows out of order, are left out"
        if not placed:
            return CostFound(None, f"nothing to tell: {remark}")
        cost = latency_cost(time[rows], price[rows], placed, symbol=symbol[rows], delays_ns=delays_ns)
        return CostFound(cost, remark if left_out else "")

    def _usable(self, chunk: NDArray[np.void]) -> NDArray[np.bool_]:
        """Tell the rows that the engine's rules accept as far as one row shows it."""
        price, volume, bid, ask = (chunk[name] for name in ("price", "volume", "bid", "ask"))
        good: NDArray[np.bool_] = (chunk["symbol"] < self._symbols) & np.isfinite(price) & (price > 0)
        good &= np.isfinite(volume) & (volume >= 0)
        quoted = ~(np.isnan(bid) & np.isnan(ask))
        good &= ~quoted | (np.isfinite(bid) & np.isfinite(ask) & (bid > 0) & (ask > 0))
        if "crossed_quote" in self._skipped:
            good &= ~(quoted & (bid > ask))
        return good


def _in_order(time: NDArray[np.int64], symbol: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Return the places of the rows that are not before an earlier row of their symbol, in their order."""
    by_symbol = np.argsort(symbol, kind="stable")
    times, symbols = time[by_symbol], symbol[by_symbol]
    kept = np.empty(len(times), np.bool_)
    edges = np.flatnonzero(np.diff(symbols)) + 1
    for start, end in zip([0, *edges.tolist()], [*edges.tolist(), len(times)], strict=True):
        kept[start:end] = times[start:end] >= np.maximum.accumulate(times[start:end])
    return np.sort(by_symbol[kept])


def _placed(rows: NDArray[np.intp], entries: Sequence[tuple[int, float, float]]) -> list[Entry]:
    """Return the entries whose rows are among these, with the rows' places."""
    placed = []
    for row, take_profit, stop in entries:
        at = int(np.searchsorted(rows, row))
        if at < len(rows) and rows[at] == row and 0 <= stop < take_profit < np.inf:
            placed.append(Entry(at, take_profit, stop))
    return placed

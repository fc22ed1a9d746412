"""What becomes of an entry into the market that is late: the trade that the rows of a feed make of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latencykit.errors import InvalidValueError

Outcome: TypeAlias = Literal["take_profit", "stop", "deadline", "end", "beyond", "below", "late"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A signal to buy.

    Attributes:
        row: The row of the feed at which it came, counted from 0.
        take_profit: The price at which the trade ends well.
        stop: The price at which it ends badly; 0 for none.
    """

    row: int
    take_profit: float
    stop: float


@dataclass(frozen=True, slots=True)
class Trade:
    """What became of one entry at one delay.

    Attributes:
        outcome: How it ended; beyond, below and late are no trades.
        waited_ns: From the signal to the row whose price was taken; None if there was none.
        bought: The price of entry; 0 without a trade.
        sold: The price of exit; 0 without a trade.
    """

    outcome: Outcome
    waited_ns: int | None
    bought: float = 0.0
    sold: float = 0.0

    @property
    def per_share(self) -> float:
        """The profit of one share, in the market's currency."""
        return self.sold - self.bought

    @property
    def percent(self) -> float:
        """The profit in % of the price of entry."""
        return 100.0 * self.per_share / self.bought if self.bought else 0.0


class SymbolRows:
    """The rows of each symbol, together.

    Args:
        timestamp_ns: The time of each row; of one symbol's rows, none before the one above it.
        price: The price of each row, finite and above 0.
        symbol: The number of each row's instrument; None if there is but one.

    Raises:
        InvalidValueError: The rows are not like that.
    """

    def __init__(self, timestamp_ns: ArrayLike, price: ArrayLike, symbol: ArrayLike | None) -> None:
        times, prices = np.asarray(timestamp_ns), np.asarray(price, np.float64)
        symbols = np.zeros(len(times), np.int64) if symbol is None else np.asarray(symbol)
        if times.dtype.kind not in "iu" or not times.shape == prices.shape == symbols.shape == (times.size,):
            raise InvalidValueError(
                f"times of {times.dtype} {times.shape}, prices {prices.shape} and symbols {symbols.shape} are no rows; "
                "pass columns of one length, the times as integers"
            )
        order = np.argsort(symbols, kind="stable")
        self.count = len(order)
        self._place = np.empty(self.count, np.int64)
        self._place[order] = np.arange(self.count)
        self._times, self._prices = times[order].astype(np.int64), prices[order]
        starts = np.flatnonzero(np.diff(symbols[order])) + 1
        self._bounds = np.concatenate([[0], starts, [self.count]]).astype(np.int64)
        self._check_rows(order)

    def _check_rows(self, order: NDArray[np.intp]) -> None:
        bad = ~((self._prices > 0) & np.isfinite(self._prices))
        if bad.any():
            row = order[bad].min()
            raise InvalidValueError(
                f"row {row} has the price {self._prices[self._place[row]]}; leave out rows without a price above 0"
            )
        back = np.flatnonzero(np.diff(self._times) < 0) + 1
        back = back[~np.isin(back, self._bounds)]
        if len(back):
            raise InvalidValueError(
                f"row {order[back].min()} is before its symbol's row above; leave out rows that go back in time"
            )

    def spacing_ns(self) -> float | None:
        """Return the median time from a row to the next of its symbol."""
        steps = np.diff(self._times)
        within = np.ones(len(steps), dtype=bool)
        ends = self._bounds[1:-1] - 1
        within[ends] = False
        return float(np.median(steps[within])) if within.any() else None

    def trades(self, entry: Entry, delays: Sequence[int], longest_holding_ns: int) -> Iterator[Trade]:
        """Give the trade of an entry at each delay, in nanoseconds."""
        first = int(self._place[entry.row])
        end = int(self._bounds[np.searchsorted(self._bounds, first, side="right")])
        times = self._times[first:end]
        signal_ns = int(times[0])
        deadline_ns = signal_ns + longest_holding_ns
        # The last row that counts: the first one at the deadline, or the last of all.
        last = min(int(np.searchsorted(times, deadline_ns)), len(times) - 1)
        window = _Window(
            entry, self._prices[first : first + last + 1], "deadline" if int(times[last]) >= deadline_ns else "end"
        )
        for delay in delays:
            at = int(np.searchsorted(times, signal_ns + delay)) if delay else 0
            yield window.trade(at, int(times[at]) - signal_ns if at < len(times) else None)


class _Window:
    """The prices from a signal to the last row that counts."""

    def __init__(self, entry: Entry, prices: NDArray[np.float64], otherwise: Outcome) -> None:
        self._entry, self._prices, self._otherwise = entry, prices, otherwise
        self._hits = np.flatnonzero((prices >= entry.take_profit) | (prices <= entry.stop))

    def trade(self, at: int, waited_ns: int | None) -> Trade:
        """Return what becomes of buying at a row."""
        # What is bought at the last row that counts is sold at once, and is no trade.
        if at >= len(self._prices) - 1:
            return Trade("late", waited_ns)
        bought = float(self._prices[at])
        if bought >= self._entry.take_profit:
            return Trade("beyond", waited_ns)
        if bought <= self._entry.stop:
            return Trade("below", waited_ns)
        return self._sold(at, bought, waited_ns)

    def _sold(self, at: int, bought: float, waited_ns: int | None) -> Trade:
        following = int(np.searchsorted(self._hits, at, side="right"))
        if following == len(self._hits):
            return Trade(self._otherwise, waited_ns, bought, float(self._prices[-1]))
        sold = float(self._prices[self._hits[following]])
        if sold >= self._entry.take_profit:
            return Trade("take_profit", waited_ns, bought, self._entry.take_profit)
        return Trade("stop", waited_ns, bought, sold)

"""Component `orderbook`: one level update, after which the ten best levels of the side are in order.

The updates are those of a market that wanders by ticks: most set a quantity near the top, every fifth inserts or
removes a level. Every variant is at the same book after the same updates.
"""

from bisect import bisect_left
from typing import TYPE_CHECKING

import latencykit as lk

from ._books import DEPTH, replayed_updates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from latencykit.suite import Operation

    Update = Callable[[int, float, int], object]

orderbook = lk.Component(
    "orderbook", baseline="naive", doc="one price-level update (side, price, quantity), ten levels a side kept sorted"
)


class NaiveBook:
    """A dict for each side, sorted again after every update."""

    def __init__(self) -> None:
        self.sides: tuple[dict[float, int], dict[float, int]] = ({}, {})
        self.best: list[list[tuple[float, int]]] = [[], []]

    def update(self, side: int, price: float, quantity: int) -> None:
        """Set a level."""
        levels = self.sides[side]
        if quantity:
            levels[price] = quantity
        else:
            levels.pop(price, None)
        self.best[side] = sorted(levels.items(), reverse=side == 0)[:DEPTH]

    def levels(self, side: int) -> list[tuple[float, int]]:
        """Return the levels, best first."""
        return self.best[side]


class BisectBook:
    """Sorted lists for each side, bids by their negative price, so that the best is first on both."""

    def __init__(self) -> None:
        self.prices: tuple[list[float], list[float]] = ([], [])
        self.quantities: tuple[list[int], list[int]] = ([], [])

    def update(self, side: int, price: float, quantity: int) -> None:
        """Set a level."""
        prices, quantities = self.prices[side], self.quantities[side]
        key = price if side else -price
        at = bisect_left(prices, key)
        if at < len(prices) and prices[at] == key:
            if quantity:
                quantities[at] = quantity
            else:
                del prices[at], quantities[at]
        elif quantity:
            prices.insert(at, key)
            quantities.insert(at, quantity)
            if len(prices) > DEPTH:
                del prices[-1], quantities[-1]

    def levels(self, side: int) -> list[tuple[float, int]]:
        """Return the levels, best first."""
        return list(zip(map(abs, self.prices[side]), self.quantities[side], strict=True))


class SortedDictBook:
    """A sorted mapping for each side, bids by their negative price."""

    def __init__(self) -> None:
        from sortedcontainers import SortedDict

        self.sides = (SortedDict(), SortedDict())

    def update(self, side: int, price: float, quantity: int) -> None:
        """Set a level."""
        levels = self.sides[side]
        key = price if side else -price
        if quantity:
            levels[key] = quantity
            if len(levels) > DEPTH:
                levels.popitem()
        else:
            levels.pop(key, None)

    def levels(self, side: int) -> list[tuple[float, int]]:
        """Return the levels, best first."""
        return [(abs(key), quantity) for key, quantity in self.sides[side].items()]


def replayed(update: "Update") -> "Operation":
    """Replay the market's updates, the first round untimed."""
    rows = replayed_updates()
    for row in rows:
        update(*row)
    return lk.replay(update, rows)


@orderbook.variant
def naive() -> "Operation":
    return replayed(NaiveBook().update)


@orderbook.variant(contrast=True)
def bisect() -> "Operation":
    return replayed(BisectBook().update)


@orderbook.variant
def seqlock() -> "Operation":
    from latencykit.engine import OrderBook

    return replayed(OrderBook("AAPL", DEPTH).update)


@orderbook.variant(contrast=True)
def seqlock_shared() -> "Iterator[Operation]":
    """Update in shared memory, where readers in other processes would see it."""
    import os

    from latencykit.engine import OrderBook

    with OrderBook.create(f"latencykit-suite-{os.getpid()}", "AAPL", DEPTH) as book:
        try:
            yield replayed(book.update)
        finally:
            book.unlink()


@orderbook.variant(peer="sortedcontainers")
def sortedcontainers() -> "Operation":
    return replayed(SortedDictBook().update)

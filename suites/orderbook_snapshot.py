"""Component `orderbook_snapshot`: a consistent copy of a book of ten levels a side."""

import threading
from typing import TYPE_CHECKING

import latencykit as lk

from ._books import DEPTH, replayed_updates

if TYPE_CHECKING:
    from latencykit.engine import OrderBook
    from latencykit.suite import Operation

    Levels = list[tuple[float, int]]

orderbook_snapshot = lk.Component(
    "orderbook_snapshot", baseline="naive", doc="a consistent copy of a book, ten levels a side"
)


class LockedBook:
    """Lists of levels behind a lock, as its writer and readers in threads would share them."""

    def __init__(self, bids: "Levels", asks: "Levels") -> None:
        self.lock = threading.Lock()
        self.bids, self.asks = bids, asks

    def snapshot(self) -> "tuple[Levels, Levels]":
        """Return copies of both sides."""
        with self.lock:
            return self.bids.copy(), self.asks.copy()


def filled_book() -> "OrderBook":
    from latencykit.engine import OrderBook

    book = OrderBook("AAPL", DEPTH)
    for row in replayed_updates():
        book.update(*row)
    return book


@orderbook_snapshot.variant
def naive() -> "Operation":
    copy = filled_book().snapshot()
    return lk.call(LockedBook(copy.bids.tolist(), copy.asks.tolist()).snapshot)


@orderbook_snapshot.variant
def seqlock() -> "Operation":
    """Refill a snapshot that was taken before."""
    book = filled_book()
    return lk.call(book.snapshot, book.snapshot())


@orderbook_snapshot.variant(contrast=True)
def seqlock_fresh() -> "Operation":
    """Make a new snapshot each time."""
    return lk.call(filled_book().snapshot)

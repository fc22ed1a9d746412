"""The ways of the order book's suites do the same work: a ratio between them means something."""

import pytest

from latencykit.engine import OrderBook
from latencykit.suites import _books, orderbook, orderbook_snapshot


def levels(book):
    snapshot = book.snapshot()
    return snapshot.bids.tolist(), snapshot.asks.tolist()


@pytest.mark.parametrize("kind", [orderbook.NaiveBook, orderbook.BisectBook, orderbook.SortedDictBook])
def test_every_way_is_at_the_same_book_after_every_update(kind):
    if kind is orderbook.SortedDictBook:
        pytest.importorskip("sortedcontainers")
    ours, other = OrderBook("AAPL", _books.DEPTH), kind()
    for row in _books.replayed_updates() * 2:
        ours.update(*row)
        other.update(*row)
        assert levels(ours) == (other.levels(0), other.levels(1))


def test_the_replayed_market_is_one():
    rows = _books.replayed_updates()
    book = OrderBook("AAPL", _books.DEPTH)
    for _ in range(2):
        for row in rows:
            book.update(*row)
            assert not book.crossed
            assert not book.locked
        assert len(levels(book)[0]) == len(levels(book)[1]) == _books.DEPTH
    removals = sum(quantity == 0 for _, _, quantity in rows)
    assert 0.05 < removals / len(rows) < 0.15
    assert rows == _books.replayed_updates()


def test_both_snapshots_hold_the_same_levels():
    locked = orderbook_snapshot.naive().function()
    snapshot = orderbook_snapshot.seqlock().function()
    assert locked == (snapshot.bids.tolist(), snapshot.asks.tolist())
    assert len(locked[0]) == len(locked[1]) == _books.DEPTH

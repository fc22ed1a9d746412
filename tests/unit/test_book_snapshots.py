"""Copies of a book, and arrays that show it as it is."""

import gc
import sys
import threading

import numpy as np
import pytest
from filled_books import filled, levels, records
from shared_names import new_name

from latencykit.engine import BOOK_LEVEL_DTYPE, BUY, SELL, BookSnapshot, OrderBook
from latencykit.errors import InvalidTypeError, InvalidValueError


@pytest.fixture
def name():
    with new_name() as made:
        yield made


def test_a_snapshot_stays_as_it_is():
    book = filled(OrderBook("AAPL"))
    snapshot = book.snapshot()
    before = levels(snapshot.bids)
    book.clear()
    assert levels(snapshot.bids) == before
    assert (snapshot.version, book.version) == (6, 7)
    assert type(snapshot) is BookSnapshot
    assert repr(snapshot) == "<BookSnapshot 'AAPL' version=6 bids=3 asks=3 best_bid=100.0 best_ask=101.0>"


def test_a_snapshot_is_refilled_in_place():
    book = filled(OrderBook("AAPL", depth=4))
    snapshot = book.snapshot()
    rows = snapshot.bids
    book.update(BUY, 100.0, 0)
    book.update(BUY, 99.0, 0)
    assert book.snapshot(snapshot) is book.snapshot(into=snapshot) is snapshot
    assert levels(snapshot.bids) == [(98.0, 12)]
    assert rows["quantity"].tolist() == [12, 0, 0]  # what was taken before shows the same memory
    assert np.isnan(rows["price"][1:]).all()
    assert type(book.snapshot(into=None)) is BookSnapshot


def test_a_snapshot_of_one_book_can_hold_another():
    one, other = filled(OrderBook("AAPL")), OrderBook("MSFT")
    snapshot = one.snapshot()
    other.snapshot(snapshot)
    assert (snapshot.symbol, len(snapshot.bids), snapshot.version) == ("MSFT", 0, 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda book: book.snapshot(1), InvalidTypeError, "into must be a BookSnapshot"),
        (lambda book: book.snapshot(book), InvalidTypeError, "into must be a BookSnapshot"),
        (lambda book: book.snapshot(to=None), InvalidTypeError, r"snapshot\(\) takes one argument at most, into"),
        (lambda book: book.snapshot(None, into=None), InvalidTypeError, "one argument at most"),
        (
            lambda book: book.snapshot(OrderBook("AAPL", 3).snapshot()),
            InvalidValueError,
            "into has depth 3 and the book 10",
        ),
    ],
)
def test_a_snapshot_goes_into_snapshots_only(call, error, message):
    with pytest.raises(error, match=message):
        call(OrderBook("AAPL"))


def test_snapshots_are_made_by_books():
    with pytest.raises(TypeError, match="cannot create"):
        BookSnapshot()


def test_live_arrays_follow_the_book():
    book = OrderBook("AAPL", depth=3)
    bids = book.bids
    assert bids.dtype == BOOK_LEVEL_DTYPE
    assert bids["quantity"].tolist() == [0, 0, 0]
    assert np.isnan(bids["price"]).all()
    book.update(BUY, 10.0, 1)
    book.update(BUY, 11.0, 2)
    assert bids["quantity"].tolist() == [2, 1, 0]
    book.update(BUY, 11.0, 0)
    assert levels(bids[bids["quantity"] > 0]) == [(10.0, 1)]
    assert np.isnan(bids["price"][1:]).all()


def test_no_array_can_be_written():
    book = filled(OrderBook("AAPL"))
    for rows in (book.bids, book.asks, book.snapshot().bids, book.snapshot().asks):
        with pytest.raises(ValueError, match="read-only"):
            rows["price"] = 1.0
        with pytest.raises(ValueError, match="WRITEABLE"):
            rows.flags.writeable = True


def test_arrays_outlive_their_book_and_snapshot(name):
    book = filled(OrderBook("AAPL"))
    shared = filled(OrderBook.create(name, "AAPL"))
    kept = [book.bids, book.snapshot().bids, shared.bids, shared.snapshot().bids]
    shared.close()
    shared.unlink()
    del book, shared
    gc.collect()
    for rows in kept:
        assert levels(rows[:3]) == [(100.0, 10), (99.0, 11), (98.0, 12)]


def test_threads_never_see_half_a_change():
    book = OrderBook("AAPL")
    done, failures = threading.Event(), []

    def read():
        snapshot = book.snapshot()
        while not done.is_set():
            book.snapshot(snapshot)
            quantities = {int(q) for q in snapshot.bids["quantity"]} | {int(q) for q in snapshot.asks["quantity"]}
            if len(quantities) > 1:
                failures.append(quantities)

    threads = [threading.Thread(target=read) for _ in range(3)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for version in range(1, 3_000):
            book.apply(records(*((side, float(i), version) for side in (BUY, SELL) for i in range(10))))
    finally:
        done.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    assert not failures

"""References and memory of the book's types: nothing leaks, and the hot path asks for nothing."""

import gc
import subprocess
import sys

import numpy as np
import pytest
from leaks import blocks_after, mappings, open_files
from shared_names import file_of, new_name

from latencykit._core import AllocationCounter
from latencykit.engine import BOOK_UPDATE_DTYPE, BUY, SELL, BookSnapshot, OrderBook
from latencykit.errors import LatencykitError


@pytest.fixture
def name():
    with new_name() as made:
        yield made


def filled(book):
    for i in range(10):
        book.update(BUY, 100.0 - i, 10 + i)
        book.update(SELL, 101.0 + i, 20 + i)
    return book


def references():
    return sys.getrefcount(OrderBook), sys.getrefcount(BookSnapshot)


def test_objects_give_back_their_types_and_names(name):
    before = references()
    symbol = "a symbol of its own"
    held = sys.getrefcount(symbol), sys.getrefcount(name)
    for _ in range(20):
        kept = [OrderBook(symbol), OrderBook.create(name, symbol)]
        kept.append(OrderBook.attach(name))
        kept += [book.snapshot() for book in kept]
        kept[0].snapshot(kept[-1])
        kept += [book.bids for book in kept] + [book.asks for book in kept]
        del kept
    assert references() == before
    assert (sys.getrefcount(symbol), sys.getrefcount(name)) == held


def test_an_array_holds_what_it_shows(name):
    book = filled(OrderBook.create(name, "AAPL"))
    snapshot = book.snapshot()
    held = sys.getrefcount(snapshot), sys.getrefcount(book)
    column = snapshot.bids["price"]
    live = book.bids
    assert (sys.getrefcount(snapshot), sys.getrefcount(book)) == (held[0] + 1, held[1])
    del book, snapshot
    gc.collect()
    assert mappings(name) == 1  # The live array holds the memory, not the book.
    assert (column[0], live["price"][0]) == (100.0, 100.0)
    del column, live
    assert mappings(name) == 0


def test_books_give_back_files_and_mappings(name):
    files = open_files()
    for _ in range(50):
        book = OrderBook.create(name, "AAPL")
        reader = OrderBook.attach(name)
        for refused in (lambda: OrderBook.create(name, "AAPL"), lambda: OrderBook.create(name, "AAPL", 3)):
            with pytest.raises(LatencykitError):
                refused()
        assert open_files() == files + 3  # The writer's file, its claim, and the reader's file.
        del book, reader
        assert open_files() == files
        assert mappings(name) == 0


def test_the_hot_path_allocates_nothing():
    book = filled(OrderBook("AAPL"))
    snapshot = book.snapshot()
    update, copy = book.update, book.snapshot
    with AllocationCounter() as counter:
        for _ in range(1_000):
            update(BUY, 100.0, 7)
            update(BUY, 100.5, 7)
            update(BUY, 100.5, 0)
            copy(snapshot)
    counts = counter.counts
    assert counts is not None
    assert {domain: n for domain, n in counts.items() if n and n >= 1_000} == {}


def test_calls_leak_nothing(name):
    book = filled(OrderBook("AAPL"))
    records = np.zeros(5, BOOK_UPDATE_DTYPE)
    records["price"], records["quantity"] = 1.0, 1
    loose = records[["side", "quantity", "price"]][::2]

    def use():
        book.update(np.uint8(0), np.float32(1.5), 2**40)
        book.apply(records)
        book.apply(loose)
        snapshot = book.snapshot()
        book.snapshot(into=snapshot)
        repr(book), repr(snapshot), snapshot.bids, book.asks, snapshot.micro_price, book.imbalance(levels=3)

    assert blocks_after(use, 900, first=50) <= 10


def test_shared_books_leak_nothing(name):
    def live_and_die():
        with OrderBook.create(name, "AAPL", 3) as book:
            reader = OrderBook.attach(name)
            book.update(BUY, 1.0, 1)
            rows = reader.bids
            assert rows["quantity"][0] == 1
            book.unlink()

    assert blocks_after(live_and_die, 300, first=50) <= 10


def test_errors_leak_nothing(name):
    book = filled(OrderBook("AAPL"))
    closed = OrderBook("AAPL")
    closed.close()
    other = OrderBook("MSFT", 3).snapshot()
    file_of(name).write_bytes(b"something else")
    bad = np.zeros(2, BOOK_UPDATE_DTYPE)
    bad["side"] = 9
    calls = [
        lambda: book.update(2, 1.0, 1),
        lambda: book.update(BUY, "x", 1),
        lambda: book.update(BUY, 1.0, 2**70),
        lambda: book.apply(bad),
        lambda: book.apply(np.zeros(2, [("side", "u1"), ("price", "f8"), ("quantity", "f8")])),
        lambda: book.apply(None),
        lambda: book.snapshot(1),
        lambda: book.snapshot(other),
        lambda: book.imbalance(0),
        lambda: closed.update(BUY, 1.0, 1),
        lambda: closed.bids,
        lambda: closed.snapshot(other),
        lambda: OrderBook("AAPL", 0),
        lambda: OrderBook(1),
        lambda: OrderBook.create(name, "AAPL"),
        lambda: OrderBook.attach(name),
        lambda: OrderBook.attach("a/b"),
    ]
    held = references(), sys.getrefcount(other), sys.getrefcount(book), open_files()

    def fail():
        for call in calls:
            with pytest.raises(LatencykitError):
                call()

    assert blocks_after(fail, 1_000, first=50) <= 200  # what is leaked by one kind of error would be 1,000
    assert (references(), sys.getrefcount(other), sys.getrefcount(book), open_files()) == held


def test_books_are_usable_until_the_interpreter_ends(name, tmp_path):
    script = f"""
import builtins
from latencykit.engine import BUY, OrderBook
class AtTheEnd:
    def __init__(self):
        self.own, self.shared = OrderBook("AAPL"), OrderBook.create({name!r}, "AAPL")
        self.kept = [self.own.bids, self.own.snapshot().asks, OrderBook.attach({name!r}).bids]
    def __del__(self):
        self.own.update(BUY, 1.0, 1)
        self.shared.update(BUY, 1.0, 1)
        self.own.snapshot().bids
builtins.keep = AtTheEnd()
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")

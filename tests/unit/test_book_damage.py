"""Books in shared memory that somebody damaged, cut short, or left in the middle of an update."""

import os
import struct
import threading

import numpy as np
import pytest
from filled_books import filled, levels
from shared_names import file_of, new_name, overwrite

from latencykit.engine import BOOK_UPDATE_DTYPE, BUY, SELL, OrderBook
from latencykit.errors import DataError, InvalidStateError

# Where the block has what a test damages; native/latency/order_book.h.
MAGIC, LAYOUT, DEPTH, BYTES, SYMBOL, NUMBER, BID_COUNT = 0, 8, 12, 16, 64, 128, 136


@pytest.fixture
def name():
    with new_name() as made:
        yield made


@pytest.mark.parametrize(
    ("offset", "content", "message"),
    [
        (MAGIC, b"x", "holds something else than an order book"),
        (LAYOUT, struct.pack("I", 2), "holds an order book of another version"),
        (DEPTH, struct.pack("I", 0), "damaged or cut short"),
        (DEPTH, struct.pack("I", 1_000_000), "damaged or cut short"),
        (DEPTH, struct.pack("I", 9_000), "damaged or cut short"),
        (BYTES, struct.pack("Q", 2**63), "damaged or cut short"),
        (SYMBOL, b"\0", "damaged or cut short"),
        (SYMBOL, b"x" * 64, "damaged or cut short"),
    ],
)
def test_a_damaged_book_is_refused_and_left_alone(offset, content, message, name):
    OrderBook.create(name, "AAPL").close()
    overwrite(name, offset, content)
    before = file_of(name).read_bytes()
    for call in (lambda: OrderBook.attach(name), lambda: OrderBook.create(name, "AAPL")):
        with pytest.raises(DataError, match=f"{message}.*OrderBook.remove"):
            call()
    assert file_of(name).read_bytes() == before


@pytest.mark.parametrize("size", [1, 8, 191, 192, 300, 511])
def test_a_book_cut_short_is_refused(size, name):
    OrderBook.create(name, "AAPL").close()
    with file_of(name).open("r+b") as file:
        file.truncate(size)
    for call in (lambda: OrderBook.attach(name), lambda: OrderBook.create(name, "AAPL")):
        with pytest.raises(DataError):
            call()


def test_an_empty_file_is_no_book_yet(name):
    file_of(name).touch()
    with pytest.raises(DataError, match="holds something else"):
        OrderBook.attach(name)
    with OrderBook.create(name, "AAPL") as book:
        assert book.best_bid_quantity == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_book_and_nobody_waits_for_its_other_end(name):
    os.mkfifo(file_of(name))
    for call in (lambda: OrderBook.attach(name), lambda: OrderBook.create(name, "AAPL")):
        with pytest.raises(DataError, match="holds something else"):
            call()
    assert file_of(name).is_fifo()


def test_a_file_of_another_user_is_refused(name):
    file_of(name).touch(mode=0o000)
    try:
        file_of(name).open("rb").close()
    except PermissionError:
        with pytest.raises(InvalidStateError, match="belongs to another user"):
            OrderBook.attach(name)
    else:
        pytest.skip("this user may open every file")


def test_counts_from_nowhere_are_reported_and_not_followed(name):
    with filled(OrderBook.create(name, "AAPL")) as book:
        reader = OrderBook.attach(name)
        snapshot = reader.snapshot()
        overwrite(name, BID_COUNT, struct.pack("Q", 2**40))
        with pytest.raises(DataError, match="more levels than its depth of 10"):
            reader.snapshot(snapshot)
        assert (len(snapshot.bids), snapshot.version) == (0, 0)
        for field in ("best_bid", "mid"):
            with pytest.raises(DataError):
                getattr(reader, field)
        book.update(BUY, 100.0, 0)  # The writer follows its own count.
        assert levels(reader.snapshot(snapshot).bids) == [(99.0, 11), (98.0, 12)]


def test_a_writer_that_died_in_an_update_is_told_and_can_be_followed(name):
    filled(OrderBook.create(name, "AAPL")).close()
    overwrite(name, NUMBER, struct.pack("Q", 13))  # As SIGKILL leaves it.
    reader = OrderBook.attach(name)
    snapshot = filled(OrderBook("AAPL")).snapshot()
    assert not reader.has_writer
    for call in (reader.snapshot, reader.imbalance, lambda: reader.best_bid, lambda: reader.snapshot(snapshot)):
        with pytest.raises(InvalidStateError, match=r"died in the middle of an update; .* OrderBook.create"):
            call()
    assert len(snapshot.bids) == 0
    with OrderBook.create(name, "AAPL") as book:
        assert len(reader.snapshot(snapshot).bids) == 0
        book.update(BUY, 1.0, 1)
        assert reader.best_bid == 1.0
        assert reader.version == 9


def test_a_writer_that_stands_still_in_an_update_is_not_waited_for_for_ever(name):
    with filled(OrderBook.create(name, "AAPL")):
        reader = OrderBook.attach(name)
        overwrite(name, NUMBER, struct.pack("Q", 13))
        with pytest.raises(InvalidStateError, match=r"no consistent view .* in a second: .* is stopped in the middle"):
            reader.snapshot()


def test_a_waiting_reader_lets_the_writer_of_its_own_process_run(name):
    with filled(OrderBook.create(name, "AAPL")) as book:
        reader = OrderBook.attach(name)
        overwrite(name, NUMBER, struct.pack("Q", 13))
        found = []
        thread = threading.Thread(target=lambda: found.append(reader.snapshot().best_bid))
        thread.start()
        book.update(BUY, 200.0, 1)  # Needs the interpreter's lock, which the reader must give up.
        thread.join()
        assert found == [200.0]


def test_a_reader_whose_book_is_closed_while_it_waits_is_told(name):
    with filled(OrderBook.create(name, "AAPL")):
        reader = OrderBook.attach(name)
        overwrite(name, NUMBER, struct.pack("Q", 13))
        errors = []

        def read():
            with pytest.raises(InvalidStateError) as raised:
                reader.snapshot()
            errors.append(str(raised.value))

        thread = threading.Thread(target=read)
        thread.start()
        reader.close()
        thread.join()
        assert errors == ["the book of 'AAPL' is closed; attach to it or create it again"]


WRITES = {
    "update": lambda book: book.update(BUY, 0.5, 1),
    "apply": lambda book: book.apply(np.array([(0.5, 1, BUY)], BOOK_UPDATE_DTYPE)),
    "clear": OrderBook.clear,
}
READS = {
    "snapshot": OrderBook.snapshot,
    "imbalance": lambda book: book.imbalance(1000),
    "best_bid": lambda book: book.best_bid,
    "best_ask": lambda book: book.best_ask,
    "version": lambda book: book.version,
    "updates": lambda book: book.updates,
}


@pytest.mark.parametrize("call", [*WRITES, *READS])
@pytest.mark.parametrize("writes", [True, False], ids=["writer", "reader"])
def test_a_file_cut_short_under_a_book_is_an_error_and_no_crash(name, writes, call):
    if call in WRITES and not writes:
        pytest.skip("a reader does not write")
    with OrderBook.create(name, "AAPL", 1000) as book:
        for i in range(1, 1001):
            book.update(BUY, i, 1)
        met = book if writes else OrderBook.attach(name)
        os.truncate(file_of(name), 0)
        with pytest.raises(DataError, match=rf"'AAPL' has lost its memory.*'{name}'.*OrderBook.remove"):
            {**WRITES, **READS}[call](met)
        calls = {**(WRITES if writes else {}), **READS, "bids": lambda book: book.bids}
        for again in calls.values():
            with pytest.raises(DataError, match="lost its memory"):
                again(met)
        assert met.has_writer
        met.close()
        with pytest.raises(InvalidStateError, match="is closed"):
            met.snapshot()
    assert OrderBook.remove(name)
    with OrderBook.create(name, "AAPL") as book:
        book.update(BUY, 1.0, 1)
        assert book.best_bid == 1.0


def test_only_an_access_to_what_is_gone_is_an_error(name):
    with OrderBook.create(name, "AAPL", 1000) as book:
        reader = OrderBook.attach(name)
        snapshot, rows = reader.snapshot(), reader.asks
        os.truncate(file_of(name), 4096)  # The first levels of the bids are left.
        book.update(BUY, 2.0, 3)
        assert (reader.best_bid, reader.best_bid_quantity) == (2.0, 3)
        assert len(reader.snapshot(snapshot).bids) == 1
        with pytest.raises(DataError, match="lost its memory"):
            book.update(SELL, 3.0, 1)
        with pytest.raises(DataError, match="lost its memory"):
            reader.snapshot(snapshot)
        assert (len(snapshot.bids), snapshot.version) == (0, 0)
        assert not rows["price"].any()

"""How books are made: symbols, depths and names, and books in shared memory as one process sees them."""

import numpy as np
import pytest
from filled_books import filled, levels, records
from shared_names import file_of, new_name

from latencykit.engine import BOOK_UPDATE_DTYPE, BUY, SELL, OrderBook
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError


@pytest.fixture
def name():
    with new_name() as made:
        yield made


# ---- making one


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("AAPL", 0), InvalidValueError, r"depth 0 is out of range; use 1 to 10000 levels a side"),
        (("AAPL", -1), InvalidValueError, "depth -1 is out of range"),
        (("AAPL", 10_001), InvalidValueError, "depth 10001 is out of range"),
        (("AAPL", 10**30), InvalidValueError, "is out of range"),
        (("AAPL", "5"), InvalidTypeError, "depth must be an int, not '5'"),
        (("AAPL", 5.0), InvalidTypeError, "depth must be an int, not 5.0"),
        (("AAPL", None), InvalidTypeError, "depth must be an int, not None"),
        ((1,), InvalidTypeError, "symbol must be a str, not 1"),
        ((b"AAPL",), InvalidTypeError, "symbol must be a str"),
        (("",), InvalidValueError, "symbol '' cannot be used"),
        (("A\0B",), InvalidValueError, "cannot be used"),
        (("é" * 32,), InvalidValueError, "give 1 to 63 bytes of UTF-8"),
        (("\ud800",), InvalidValueError, "cannot be encoded"),
    ],
)
def test_a_book_that_cannot_be_is_refused(arguments, error, message, name):
    with pytest.raises(error, match=message):
        OrderBook(*arguments)
    with pytest.raises(error, match=message):
        OrderBook.create(name, *arguments)
    assert not file_of(name).exists()


@pytest.mark.parametrize("symbol", ["X", "é" * 31, "BRK.B US Equity", "x" * 63])
def test_symbols_are_kept(symbol, name):
    assert OrderBook(symbol).snapshot().symbol == symbol
    with OrderBook.create(name, symbol, 1) as book:
        assert book.symbol == OrderBook.attach(name).symbol == symbol


@pytest.mark.parametrize("wrong", ["", "/book", "a/b", ".", "..", "x" * 251, "a\0b", "é" * 126])
def test_a_name_that_cannot_be_is_refused(wrong):
    for call in (
        lambda: OrderBook.create(wrong, "AAPL"),
        lambda: OrderBook.attach(wrong),
        lambda: OrderBook.remove(wrong),
    ):
        with pytest.raises(InvalidValueError, match="cannot name shared memory; give 1 to 250 bytes without a slash"):
            call()


def test_a_name_is_a_str():
    for call in (lambda: OrderBook.create(1, "AAPL"), lambda: OrderBook.attach(None), lambda: OrderBook.remove(b"x")):
        with pytest.raises(InvalidTypeError, match="name must be a str"):
            call()


def test_the_deepest_book_works():
    book = OrderBook("AAPL", depth=10_000)
    rows = np.zeros(12_000, BOOK_UPDATE_DTYPE)
    rows["price"], rows["quantity"] = np.arange(12_000), 1
    book.apply(rows)
    snapshot = book.snapshot()
    assert len(snapshot.bids) == 10_000
    assert (snapshot.bids["price"] == np.arange(11_999, 1_999, -1)).all()


def test_repr_says_what_it_is(name):
    assert repr(OrderBook("AAPL", 3)) == "<OrderBook 'AAPL' depth=3>"
    with OrderBook.create(name, "AAPL") as book:
        assert repr(book) == f"<OrderBook 'AAPL' depth=10 name={name!r}>"
        assert repr(OrderBook.attach(name)) == f"<OrderBook 'AAPL' depth=10 name={name!r} read-only>"
    assert repr(book) == f"<OrderBook 'AAPL' depth=10 name={name!r} closed>"


# ---- shared memory, seen from one process


def test_readers_of_shared_memory_see_the_writer(name):
    with OrderBook.create(name, "AAPL", depth=4) as book:
        reader = OrderBook.attach(name)
        assert (reader.name, reader.depth, reader.writable, book.writable) == (name, 4, False, True)
        assert reader.has_writer
        filled(book)
        assert levels(reader.snapshot().asks) == levels(book.snapshot().asks) == [(101.0, 20), (102.0, 21), (103.0, 22)]
        assert (reader.version, reader.updates, reader.micro_price) == (6, 6, book.micro_price)
        for write in (lambda: reader.update(BUY, 1.0, 1), reader.clear, lambda: reader.apply(records((BUY, 1.0, 1)))):
            with pytest.raises(InvalidStateError, match="attached for reading; only its creator writes"):
                write()
    assert not reader.has_writer
    assert reader.best_bid == 100.0


def test_one_writer_at_a_time(name):
    with OrderBook.create(name, "AAPL") as book:
        filled(book)
        with pytest.raises(InvalidStateError, match=r"has a writer already; OrderBook\.attach"):
            OrderBook.create(name, "AAPL")
        with pytest.raises(InvalidStateError, match="has a writer; let it call unlink"):
            OrderBook.remove(name)
        OrderBook.attach(name).close()  # must not end the writer's claim
        with pytest.raises(InvalidStateError, match="has a writer already"):
            OrderBook.create(name, "AAPL")
        assert book.best_bid == 100.0


def test_the_next_writer_begins_with_an_empty_book(name):
    filled(OrderBook.create(name, "AAPL")).close()
    reader = OrderBook.attach(name)
    assert len(reader.snapshot().bids) == 3
    with OrderBook.create(name, "AAPL") as book:
        assert len(reader.snapshot().bids) == 0
        assert reader.version == 7
        book.update(SELL, 5.0, 1)
        assert (reader.best_ask, reader.updates) == (5.0, 7)


@pytest.mark.parametrize(("symbol", "depth"), [("AAPL", 9), ("AAPLE", 10), ("AAP", 10)])
def test_another_book_is_not_taken_over(symbol, depth, name):
    filled(OrderBook.create(name, "AAPL")).close()
    with pytest.raises(InvalidValueError, match=r"holds the book of 'AAPL' with depth 10; .*OrderBook\.remove"):
        OrderBook.create(name, symbol, depth)
    assert OrderBook.attach(name).best_bid == 100.0


def test_names_are_removed(name):
    book = OrderBook.create(name, "AAPL")
    book.unlink()
    book.unlink()
    assert not file_of(name).exists()
    book.update(BUY, 1.0, 1)  # Who has it open keeps it.
    other = OrderBook.create(name, "MSFT")
    book.unlink()  # Not its name any more.
    assert OrderBook.attach(name).symbol == "MSFT"
    other.close()
    other.unlink()
    other.unlink()
    assert OrderBook.remove(name) is False
    OrderBook.create(name, "AAPL").close()
    assert OrderBook.remove(name) is True
    with pytest.raises(InvalidStateError, match="not in shared memory and has no name"):
        OrderBook("AAPL").unlink()


def test_what_is_not_there_cannot_be_attached(name):
    with pytest.raises(
        InvalidValueError, match=r"there is no shared memory .*; its writer makes it with OrderBook\.create"
    ):
        OrderBook.attach(name)


def test_a_closed_book_says_so(name):
    for book in (OrderBook("AAPL"), OrderBook.create(name, "AAPL")):
        snapshot = book.snapshot()
        book.close()
        book.close()
        assert (book.closed, book.writable, book.has_writer, book.symbol, book.depth) == (
            True,
            False,
            False,
            "AAPL",
            10,
        )
        for call in (
            lambda book=book: book.update(BUY, 1.0, 1),
            lambda book=book: book.apply(records((BUY, 1.0, 1))),
            book.clear,
            book.snapshot,
            lambda book=book, into=snapshot: book.snapshot(into),
            book.imbalance,
            book.__enter__,
            *(
                lambda book=book, field=field: getattr(book, field)
                for field in ("bids", "asks", "version", "updates", "mid")
            ),
        ):
            with pytest.raises(
                InvalidStateError, match="the book of 'AAPL' is closed; attach to it or create it again"
            ):
                call()


def test_a_with_block_closes_the_book_and_keeps_the_name(name):
    with pytest.raises(KeyError), OrderBook.create(name, "AAPL") as book:
        raise KeyError
    assert book.closed
    assert OrderBook.attach(name).depth == 10

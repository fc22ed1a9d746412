import gc
import math
import os
import struct
import sys
import threading

import numpy as np
import pytest
from shared_names import file_of, new_name, overwrite

from latencykit.engine import BOOK_LEVEL_DTYPE, BOOK_UPDATE_DTYPE, BUY, SELL, BookSnapshot, OrderBook
from latencykit.errors import DataError, InvalidStateError, InvalidTypeError, InvalidValueError

# Where the block has what a test damages; native/latency/order_book.h.
MAGIC, LAYOUT, DEPTH, BYTES, SYMBOL, NUMBER, BID_COUNT = 0, 8, 12, 16, 64, 128, 136


@pytest.fixture
def name():
    with new_name() as made:
        yield made


def filled(book):
    for i in range(3):
        book.update(BUY, 100.0 - i, 10 + i)
        book.update(SELL, 101.0 + i, 20 + i)
    return book


def levels(rows):
    return [(float(row["price"]), int(row["quantity"])) for row in rows]


# ---- updates


def test_levels_are_sorted_best_first():
    book = OrderBook("AAPL", depth=5)
    for price in (99.0, 101.0, 100.0):
        book.update(BUY, price, 1)
        book.update(SELL, price + 10, 2)
    snapshot = book.snapshot()
    assert levels(snapshot.bids) == [(101.0, 1), (100.0, 1), (99.0, 1)]
    assert levels(snapshot.asks) == [(109.0, 2), (110.0, 2), (111.0, 2)]


def test_an_update_says_what_the_level_is_now():
    book = filled(OrderBook("AAPL"))
    book.update(BUY, 99.0, 5)
    book.update(BUY, 100.0, 0)
    assert levels(book.snapshot().bids) == [(99.0, 5), (98.0, 12)]


def test_what_is_pushed_beyond_the_depth_is_forgotten():
    book = OrderBook("AAPL", depth=2)
    for price in (10.0, 9.0, 8.0, 11.0):
        book.update(BUY, price, 1)
    assert levels(book.snapshot().bids) == [(11.0, 1), (10.0, 1)]
    book.update(BUY, 11.0, 0)
    assert levels(book.snapshot().bids) == [(10.0, 1)]


def test_only_what_changes_the_book_is_a_version():
    book = OrderBook("AAPL", depth=1)
    assert (book.version, book.updates) == (0, 0)
    book.update(BUY, 10.0, 1)
    book.update(BUY, 9.0, 1)  # beyond the depth
    book.update(SELL, 11.0, 0)  # not there
    assert (book.version, book.updates) == (1, 3)
    assert book.snapshot().version == 1
    book.clear()
    assert (book.version, book.updates) == (2, 3)
    assert len(book.snapshot().bids) == 0


@pytest.mark.parametrize("price", [-37.63, 0.0, 5e-324, sys.float_info.max, -sys.float_info.max, 7, np.float32(0.5)])
def test_any_finite_price_is_taken_exactly(price):
    book = OrderBook("POWER")
    book.update(BUY, price, 2**63 - 1)
    assert levels(book.snapshot().bids) == [(price, 2**63 - 1)]
    book.update(np.uint8(0), price, np.int32(0))
    assert levels(book.snapshot().bids) == []


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ((2, 1.0, 1), InvalidValueError, r"side 2 is unknown; use BUY \(0\) for a bid or SELL"),
        ((-1, 1.0, 1), InvalidValueError, "side -1 is unknown"),
        ((2**70, 1.0, 1), InvalidValueError, "side 1180591620717411303424 does not fit"),
        (("buy", 1.0, 1), InvalidTypeError, "side must be an int, not 'buy'"),
        ((BUY, float("nan"), 1), InvalidValueError, "price nan is not finite"),
        ((BUY, float("inf"), 1), InvalidValueError, "price inf is not finite"),
        ((BUY, float("-inf"), 0), InvalidValueError, "price -inf is not finite"),
        ((BUY, 10**400, 1), InvalidValueError, "price is an int too large for a float"),
        ((BUY, "1.0", 1), InvalidTypeError, "price must be a number, not '1.0'"),
        ((BUY, 1.0, -1), InvalidValueError, "quantity -1 is negative; .* 0 to remove it"),
        ((BUY, 1.0, 1.5), InvalidTypeError, "quantity must be an int, not 1.5"),
        ((BUY, 1.0, 2**63), InvalidValueError, "quantity 9223372036854775808 does not fit in 64 bits"),
        ((BUY, 1.0), InvalidTypeError, "takes side, price and quantity, not 2 arguments"),
        ((), InvalidTypeError, "not 0 arguments"),
    ],
)
def test_a_bad_update_is_refused_and_changes_nothing(fields, error, message):
    book = filled(OrderBook("AAPL"))
    with pytest.raises(error, match=message):
        book.update(*fields)
    assert (book.version, book.updates) == (6, 6)


def test_an_argument_that_closes_the_book_is_met_by_a_closed_book():
    book = OrderBook("AAPL")

    class Closes:
        def __index__(self):
            book.close()
            return 1

    with pytest.raises(InvalidStateError, match="the book of 'AAPL' is closed"):
        book.update(BUY, 1.0, Closes())


# ---- batches


def records(*rows):
    made = np.zeros(len(rows), BOOK_UPDATE_DTYPE)
    for i, (side, price, quantity) in enumerate(rows):
        made[i] = (price, quantity, side)
    return made


def test_a_batch_is_one_version():
    book = OrderBook("AAPL")
    book.apply(records((BUY, 10.0, 1), (BUY, 11.0, 2), (SELL, 12.0, 3), (BUY, 10.0, 0)))
    snapshot = book.snapshot()
    assert levels(snapshot.bids) == [(11.0, 2)]
    assert levels(snapshot.asks) == [(12.0, 3)]
    assert (book.version, book.updates) == (1, 4)
    book.apply(records())
    assert (book.version, book.updates) == (1, 4)


@pytest.mark.parametrize(
    "dtype",
    [
        [("side", "?"), ("price", "f4"), ("quantity", "u4")],
        [("quantity", ">i2"), ("price", ">f8"), ("side", "i8")],
        {"names": ["price", "side", "quantity"], "formats": ["i4", "u1", "i4"], "offsets": [7, 3, 17], "itemsize": 25},
        [("time", "M8[ns]"), ("side", "i1"), ("price", "f8"), ("quantity", "i8")],
    ],
)
def test_records_may_have_any_layout_that_loses_nothing(dtype):
    rows = np.zeros(6, dtype)[::2]
    rows["side"], rows["price"], rows["quantity"] = [0, 1, 0], [10, 12, 11], [1, 2, 3]
    book = OrderBook("AAPL")
    book.apply(rows)
    assert levels(book.snapshot().bids) == [(11.0, 3), (10.0, 1)]
    assert levels(book.snapshot().asks) == [(12.0, 2)]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ((2, 1.0, 1), r"records\[1\]: side 2 is unknown; .*; no record was applied"),
        ((BUY, math.nan, 1), r"records\[1\]: price nan is not finite"),
        ((SELL, math.inf, 1), r"records\[1\]: price inf is not finite"),
        ((BUY, 1.0, -3), r"records\[1\]: quantity -3 is negative"),
    ],
)
def test_a_bad_record_keeps_all_from_being_applied(bad, message):
    book = filled(OrderBook("AAPL"))
    before = levels(book.snapshot().bids)
    with pytest.raises(InvalidValueError, match=message):
        book.apply(records((BUY, 50.0, 1), bad))
    assert levels(book.snapshot().bids) == before
    assert book.version == 6


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (None, "takes a structured array"),
        ([(0, 1.0, 1)], "takes a structured array"),
        (np.zeros(3), "takes a structured array"),
        (np.zeros(3, [("side", "u1"), ("price", "f8")]), "with the fields side, price and quantity"),
        (np.zeros((2, 2), BOOK_UPDATE_DTYPE), "of one dimension"),
        (np.zeros((), BOOK_UPDATE_DTYPE), "of one dimension"),
        (
            np.zeros(2, [("side", "u1"), ("price", "f8"), ("quantity", "f8")]),
            "quantity .* has dtype float64, which int64",
        ),
        (np.zeros(2, [("side", "u1"), ("price", "f8"), ("quantity", "u8")]), "quantity .* has dtype uint64"),
        (np.zeros(2, [("side", "u1"), ("price", "U8"), ("quantity", "i8")]), "price .* has dtype <U8"),
        (np.zeros(2, [("side", "O"), ("price", "f8"), ("quantity", "i8")]), "side .* has dtype object"),
        (np.zeros(2, [("side", "u1"), ("price", "f8", 2), ("quantity", "i8")]), "price .* is an array itself"),
    ],
)
def test_what_is_no_array_of_updates_is_refused(wrong, message):
    with pytest.raises(InvalidTypeError, match=message):
        OrderBook("AAPL").apply(wrong)


class OtherColumns(np.ndarray):
    """An array whose columns are something else than what it holds."""

    columns: object = 5

    def __getitem__(self, key):
        return self.columns


@pytest.mark.parametrize("columns", [5, None, np.zeros(0), np.zeros(1), np.zeros((3, 3))])
def test_the_records_are_read_and_not_what_a_subclass_makes_of_them(columns):
    rows = records((BUY, 10.0, 1), (BUY, 11.0, 2), (SELL, 12.0, 3)).view(OtherColumns)
    rows.columns = columns
    book = OrderBook("AAPL")
    book.apply(rows)
    assert levels(book.snapshot().bids) == [(11.0, 2), (10.0, 1)]


# ---- figures


def test_figures_of_the_top():
    book = OrderBook("AAPL")
    book.update(BUY, 100.0, 30)
    book.update(BUY, 99.0, 10)
    book.update(SELL, 101.0, 10)
    for shown in (book, book.snapshot()):
        assert (shown.best_bid, shown.best_bid_quantity) == (100.0, 30)
        assert (shown.best_ask, shown.best_ask_quantity) == (101.0, 10)
        assert (shown.spread, shown.mid, shown.micro_price) == (1.0, 100.5, 100.75)
        assert (shown.crossed, shown.locked) == (False, False)
        assert shown.imbalance() == shown.imbalance(1) == shown.imbalance(levels=1) == 0.5
        assert shown.imbalance(2) == shown.imbalance(levels=10**30) == 0.6
        assert (shown.symbol, shown.depth, shown.version) == ("AAPL", 10, 3)


@pytest.mark.parametrize("side", [BUY, SELL])
def test_figures_without_a_side(side):
    book = OrderBook("AAPL")
    for shown in (book, book.snapshot()):
        figures = (shown.best_bid, shown.best_ask, shown.spread, shown.mid, shown.micro_price, shown.imbalance(3))
        assert all(math.isnan(figure) for figure in figures)
        assert (shown.best_bid_quantity, shown.best_ask_quantity) == (0, 0)
    book.update(side, 10.0, 7)
    for shown in (book, book.snapshot()):
        assert sorted((shown.best_bid_quantity, shown.best_ask_quantity)) == [0, 7]
        assert all(math.isnan(figure) for figure in (shown.spread, shown.mid, shown.micro_price))
        assert shown.imbalance() == (1.0 if side == BUY else -1.0)
        assert (shown.crossed, shown.locked) == (False, False)


def test_a_feed_may_lock_and_cross_the_book():
    book = OrderBook("AAPL")
    book.update(BUY, 101.0, 1)
    book.update(SELL, 101.0, 1)
    assert (book.locked, book.crossed, book.spread) == (True, False, 0.0)
    book.update(BUY, 102.0, 1)
    snapshot = book.snapshot()
    assert (snapshot.locked, snapshot.crossed, snapshot.spread, snapshot.mid) == (False, True, -1.0, 101.5)


def test_extreme_figures_stay_finite_or_say_so():
    book = OrderBook("AAPL")
    book.update(BUY, -sys.float_info.max, 2**63 - 1)
    book.update(SELL, sys.float_info.max, 2**63 - 1)
    assert (book.mid, book.spread, book.imbalance()) == (0.0, math.inf, 0.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda book: book.imbalance(0), InvalidValueError, "levels 0 is too few"),
        (lambda book: book.imbalance(-1), InvalidValueError, "levels -1 is too few"),
        (lambda book: book.imbalance(1.5), InvalidTypeError, "levels must be an int, not 1.5"),
        (lambda book: book.imbalance(1, 2), InvalidTypeError, r"imbalance\(\) takes one argument at most, levels"),
        (lambda book: book.imbalance(level=1), InvalidTypeError, r"imbalance\(\) takes one argument at most, levels"),
    ],
)
def test_bad_levels_are_refused(call, error, message):
    book = filled(OrderBook("AAPL"))
    for shown in (book, book.snapshot()):
        with pytest.raises(error, match=message):
            call(shown)


# ---- snapshots and live arrays


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


# ---- damaged shared memory


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

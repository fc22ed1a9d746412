"""A book of one process: what updates and batches make of it, and the figures of its top."""

import math
import sys

import numpy as np
import pytest
from filled_books import filled, levels, records

from latencykit.engine import BOOK_UPDATE_DTYPE, BUY, SELL, OrderBook
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError

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

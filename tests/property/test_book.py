"""A book against a plain-Python one of dictionaries, and shared memory that anyone may have scribbled on."""

import math
import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from shared_names import file_of, new_name, overwrite

from latencykit.engine import BOOK_UPDATE_DTYPE, BUY, SELL, OrderBook
from latencykit.errors import LatencykitError

sides = st.sampled_from([BUY, SELL])
any_prices = st.floats(allow_nan=False, allow_infinity=False)
close_prices = st.integers(-6, 6).map(float)
quantities = st.one_of(st.just(0), st.integers(1, 3), st.integers(0, 2**63 - 1))
updates = st.tuples(sides, st.one_of(close_prices, any_prices), quantities)


class PlainBook:
    """What a fixed-depth book is, as one would first write it down."""

    def __init__(self, depth):
        self.depth = depth
        self.sides = ({}, {})

    def update(self, side, price, quantity):
        """Return whether the book changed or a level was written again."""
        levels = self.sides[side]
        if quantity == 0:
            return levels.pop(price, None) is not None
        levels[price] = quantity
        if len(levels) <= self.depth:
            return True
        worst = min(levels) if side == BUY else max(levels)
        del levels[worst]
        return worst != price

    def levels(self, side):
        return sorted(self.sides[side].items(), reverse=side == BUY)


def shown(rows):
    return [(float(price), int(quantity)) for price, quantity in rows.tolist()]


class BookMachine(RuleBasedStateMachine):
    @initialize(depth=st.integers(1, 6), shared=st.booleans())
    def build(self, depth, shared):
        self.plain = PlainBook(depth)
        self.names = new_name()
        name = self.names.__enter__()
        self.book = OrderBook.create(name, "AAPL", depth) if shared else OrderBook("AAPL", depth)
        self.reader = OrderBook.attach(name) if shared else self.book
        self.version = self.updates = 0
        self.kept = []
        self.refilled = self.reader.snapshot()

    @rule(update=updates)
    def update(self, update):
        self.book.update(*update)
        self.version += self.plain.update(*update)
        self.updates += 1

    @rule(batch=st.lists(updates, min_size=1, max_size=8))
    def apply(self, batch):
        self.book.apply(np.array([(price, quantity, side) for side, price, quantity in batch], BOOK_UPDATE_DTYPE))
        for update in batch:
            self.plain.update(*update)
        self.version += 1
        self.updates += len(batch)

    @rule()
    def clear(self):
        self.book.clear()
        self.plain = PlainBook(self.plain.depth)
        self.version += 1

    @rule(bad=st.sampled_from([(2, 1.0, 1), (BUY, math.nan, 1), (SELL, math.inf, 1), (BUY, 1.0, -1)]))
    def update_wrongly(self, bad):
        try:
            self.book.update(*bad)
        except LatencykitError:
            return
        raise AssertionError(bad)

    @rule()
    def keep_a_snapshot(self):
        snapshot = self.reader.snapshot()
        self.kept.append((snapshot.bids, self.plain.levels(BUY)))
        self.kept.append((snapshot.asks, self.plain.levels(SELL)))

    @invariant()
    def snapshots_show_the_plain_book(self):
        bids, asks = self.plain.levels(BUY), self.plain.levels(SELL)
        for snapshot in (self.reader.snapshot(), self.reader.snapshot(self.refilled)):
            assert (shown(snapshot.bids), shown(snapshot.asks)) == (bids, asks)
            assert snapshot.version == self.version
        for side, rows in ((bids, self.reader.bids), (asks, self.reader.asks)):
            assert shown(rows[: len(side)]) == side
            assert np.isnan(rows["price"][len(side) :]).all()
            assert not rows["quantity"][len(side) :].any()
        assert (self.book.version, self.book.updates) == (self.version, self.updates)

    @invariant()
    def figures_agree_with_the_plain_book(self):
        bids, asks = self.plain.levels(BUY), self.plain.levels(SELL)
        for book in (self.reader, self.reader.snapshot(self.refilled)):
            assert (book.best_bid_quantity, book.best_ask_quantity) == (
                bids[0][1] if bids else 0,
                asks[0][1] if asks else 0,
            )
            for figure, side in ((book.best_bid, bids), (book.best_ask, asks)):
                assert figure == side[0][0] if side else math.isnan(figure)
            assert book.crossed == bool(bids and asks and bids[0][0] > asks[0][0])
            assert book.locked == bool(bids and asks and bids[0][0] == asks[0][0])
            for levels in (1, 2, 100):
                held, offered = (math.fsum(q for _, q in side[:levels]) for side in (bids, asks))
                expected = (held - offered) / (held + offered) if bids or asks else math.nan
                assert math.isclose(book.imbalance(levels), expected, abs_tol=1e-12) or (not bids and not asks)

    @invariant()
    def what_was_kept_has_not_changed(self):
        for rows, levels in self.kept:
            assert shown(rows) == levels

    def teardown(self):
        if hasattr(self, "book"):
            self.book.close()
            self.names.__exit__(None, None, None)
            self.what_was_kept_has_not_changed()


TestBook = BookMachine.TestCase
TestBook.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.floats(0.01, 1e6), st.floats(0, 1e3), st.integers(1, 10**12), st.integers(1, 10**12))
def test_the_micro_price_is_the_mid_weighted_by_the_other_side(bid, spread, bid_quantity, ask_quantity):
    book = OrderBook("AAPL")
    book.update(BUY, bid, bid_quantity)
    book.update(SELL, bid + spread, ask_quantity)
    ask = book.best_ask
    expected = (bid * ask_quantity + ask * bid_quantity) / (bid_quantity + ask_quantity)
    assert math.isclose(book.micro_price, expected, rel_tol=1e-12)
    assert bid <= book.micro_price <= ask or math.isclose(book.micro_price, ask, rel_tol=1e-15)
    assert math.isclose(book.micro_price, book.mid + book.imbalance() * book.spread / 2, abs_tol=1e-12 * ask)


def use(name):
    """Do with a name what one may do with any; what comes back or is raised is ours."""
    for call in (lambda: OrderBook.attach(name), lambda: OrderBook.create(name, "AAPL", 2)):
        try:
            with call() as book:
                for rows in (book.snapshot().bids, book.snapshot().asks):
                    assert len(rows) <= book.depth
                book.imbalance(5), book.mid, repr(book), book.bids.tolist(), book.has_writer
                if book.writable:
                    book.update(BUY, 1.0, 1)
                    assert shown(book.snapshot().bids) == [(1.0, 1)]
        except LatencykitError:
            continue


@given(st.binary(max_size=1_000))
@settings(deadline=None, max_examples=50)
def test_no_file_makes_a_reader_crash(content):
    with new_name() as name:
        file_of(name).write_bytes(content or b"\0")
        use(name)


offsets = st.one_of(st.sampled_from([0, 8, 12, 16, 24, 64, 128, 136, 144, 152, 192, 200, 256]), st.integers(0, 319))
words = st.one_of(st.sampled_from([b"\0" * 8, b"\xff" * 8, struct.pack("Q", 3)]), st.binary(min_size=1, max_size=16))


@given(st.lists(st.tuples(offsets, words), min_size=1, max_size=6), st.integers(0, 400))
@settings(deadline=None, max_examples=60)
def test_no_damage_makes_a_user_crash(damages, size):
    with new_name() as name:
        book = OrderBook.create(name, "AAPL", 2)
        book.update(BUY, 1.0, 1)
        if size < 320:
            book.close()
            with file_of(name).open("r+b") as file:
                file.truncate(size or 1)
        book.close()
        for offset, word in damages:
            overwrite(name, offset, word)
        use(name)


@given(st.lists(st.tuples(offsets, words), min_size=1, max_size=6))
@settings(deadline=None, max_examples=60)
def test_no_damage_under_a_mapping_makes_its_user_crash(damages):
    with new_name() as name:
        book, reader = OrderBook.create(name, "AAPL", 2), OrderBook.attach(name)
        book.update(BUY, 1.0, 1)
        for offset, word in damages:
            # A number left odd while the writer lives is waited for; unit tests see to that.
            overwrite(name, offset, b"\0" * len(word) if 112 < offset < 136 else word)
            book.update(SELL, 2.0, 1)
            book.update(BUY, 1.5, 2)
            book.update(BUY, 1.25, 0)
            for call in (reader.snapshot, reader.imbalance, lambda: reader.micro_price):
                try:
                    call()
                except LatencykitError:
                    continue
        book.clear()
        assert len(reader.snapshot().bids) == 0

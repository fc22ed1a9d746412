"""An arena against a plain-Python model of it: dictionaries and lists, no slots and no generations."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from latencykit.engine import BUY, SELL, OrderArena
from latencykit.errors import CapacityError, InvalidStateError, InvalidValueError

symbols = st.integers(0, 2**32 - 1)
sides = st.sampled_from([BUY, SELL])
quantities = st.integers(1, 2**63 - 1)
prices = st.floats(min_value=0, exclude_min=True, allow_infinity=False)


@given(symbols, sides, quantities, prices)
def test_what_goes_in_comes_out(symbol_id, side, quantity, price):
    arena = OrderArena(1)
    order = arena.create(symbol_id, side, quantity, price)
    assert (order.symbol_id, order.side, order.quantity, order.price) == (symbol_id, side, quantity, price)
    assert arena.orders.tolist() == [(order.handle, price, quantity, symbol_id, side, True)]


@given(st.integers())
def test_no_number_is_a_handle_by_chance(number):
    arena = OrderArena(3)
    issued = [arena.create(1, BUY, 1, 1.0).handle for _ in range(2)]
    if number in issued:
        assert arena.view(number).handle == number
    else:
        with pytest.raises(InvalidValueError):
            arena.view(number)


class ArenaMachine(RuleBasedStateMachine):
    """Orders, views kept and dropped, releases and stale uses, in any order.

    The model keeps the fields of the orders in use by handle, oldest first, and every handle ever issued.
    """

    views = Bundle("views")

    @initialize(
        capacity=st.integers(1, 5),
        policy=st.sampled_from(["raise", "grow", "recycle"]),
        prefault=st.booleans(),
        poison=st.booleans(),
    )
    def build(self, capacity, policy, prefault, poison):
        self.arena = OrderArena(capacity, on_exhausted=policy, prefault=prefault, poison=poison)
        self.foreign = OrderArena(1)
        self.capacity, self.policy = capacity, policy
        self.live = {}
        self.issued = set()
        self.most = 0
        self.rows = []

    @rule(target=views, fields=st.tuples(symbols, sides, quantities, prices))
    def create(self, fields):
        if len(self.live) == self.capacity and self.policy == "raise":
            with pytest.raises(CapacityError):
                self.arena.create(*fields)
            return None, 0
        order = self.arena.create(*fields)
        if len(self.live) == self.capacity and self.policy == "recycle":
            self.live.pop(next(iter(self.live)))
        assert order.handle not in self.issued
        self.issued.add(order.handle)
        self.live[order.handle] = fields
        self.most = max(self.most, len(self.live))
        return order, order.handle

    @rule(target=views, view=views)
    def view_again(self, view):
        _, handle = view
        if handle in self.live:
            order = self.arena.view(handle)
            assert order.handle == handle
            return order, handle
        with pytest.raises(InvalidStateError if handle in self.issued else InvalidValueError):
            self.arena.view(handle)
        return None, handle

    @rule(view=consumes(views))
    def drop(self, view):
        """Drop a view, which keeps its order."""

    @rule(view=views)
    def release(self, view):
        order, handle = view
        if order is None:
            return
        if handle in self.live:
            self.arena.release(order)
            del self.live[handle]
        else:
            with pytest.raises(InvalidStateError):
                self.arena.release(order)

    @rule(view=views)
    def read(self, view):
        order, handle = view
        if order is None:
            return
        assert order.handle == handle
        assert order.alive == (handle in self.live)
        if order.alive:
            assert (order.symbol_id, order.side, order.quantity, order.price) == self.live[handle]
        else:
            with pytest.raises(InvalidStateError):
                order.price  # noqa: B018 - the read is what raises

    @rule()
    def keep_the_array(self):
        self.rows.append(self.arena.orders)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def release_by_handle(self, data):
        handle = data.draw(st.sampled_from(sorted(self.live)))
        self.arena.release(self.arena.view(handle))
        del self.live[handle]

    @rule(bad=st.sampled_from([(-1, 0, 1, 1.0), (1, 2, 1, 1.0), (1, 0, 0, 1.0), (1, 0, 1, float("nan"))]))
    def create_wrongly(self, bad):
        with pytest.raises(InvalidValueError):
            self.arena.create(*bad)

    @rule()
    def release_an_order_of_another_arena(self):
        order = self.foreign.create(1, BUY, 1, 1.0)
        with pytest.raises(InvalidValueError, match="belongs to another arena"):
            self.arena.release(order)
        self.foreign.release(order)

    @rule(wrong=st.one_of(st.integers(), st.sampled_from([0, -1, 2**63, 2**64, 2**70])))
    def look_up_a_wrong_handle(self, wrong):
        if wrong in self.issued:
            return
        with pytest.raises(InvalidValueError, match="was never issued"):
            self.arena.view(wrong)

    @invariant()
    def free_slots_are_untouched(self):
        if self.arena.poison:
            assert self.arena.verify() == self.arena.capacity - len(self.live)

    @invariant()
    def the_array_shows_the_model(self):
        for rows in [*self.rows, self.arena.orders]:
            shown = {int(row["handle"]): row for row in rows[rows["in_use"]]}
            if len(rows) == self.arena.capacity:
                assert shown.keys() == self.live.keys()
            for handle, row in shown.items():
                assert (row["symbol_id"], row["side"], row["quantity"], row["price"]) == self.live[handle]

    @invariant()
    def the_counts_agree(self):
        assert self.arena.in_use == len(self.live)
        assert self.arena.high_water == self.most
        assert self.arena.capacity >= self.capacity
        assert self.arena.capacity == self.capacity or self.policy == "grow"

    def teardown(self):
        """Every view still held must be usable, or over, without its arena's name."""
        self.arena = None


TestArena = ArenaMachine.TestCase
TestArena.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


class LongRun:
    """An arena and its model: the fields of the orders in use by handle, oldest first."""

    CAPACITY = 500

    def __init__(self, policy, seed):
        self.random = random.Random(seed)
        self.policy = policy
        self.arena = OrderArena(1 if policy == "grow" else self.CAPACITY, on_exhausted=policy)
        self.live = {}
        self.views = []  # Of orders in use or over.
        self.most = 0

    def create(self):
        draw = self.random.getrandbits
        fields = (draw(32), draw(1), draw(62) + 1, self.random.random() + 0.5)
        full = len(self.live) == self.CAPACITY
        if full and self.policy == "raise":
            with pytest.raises(CapacityError):
                self.arena.create(*fields)
            return
        if full and self.policy == "grow":
            return
        order = self.arena.create(*fields)
        if full:
            del self.live[next(iter(self.live))]
        handle = order.handle
        assert handle not in self.live
        self.live[handle] = fields
        self.most = max(self.most, len(self.live))
        if len(self.views) < 2_000:
            self.views.append((handle, order))

    def release(self, at):
        handle, order = self.views[at]
        if handle in self.live:
            self.arena.release(order)
            del self.live[handle]
            return
        try:
            self.arena.release(order)
        except InvalidStateError:
            return
        raise AssertionError(f"{handle} was released twice")

    def look_up(self, at):
        handle, order = self.views[at]
        try:
            again = self.arena.view(handle)
        except InvalidStateError:
            assert handle not in self.live
            assert not order.alive
            return
        assert (again.symbol_id, again.side, again.quantity, again.price) == self.live[handle]
        assert again == order

    def drop(self, at):
        self.views[at] = self.views[-1]
        self.views.pop()

    def step(self):
        # More releases than creations for a while, then the other way round: full, empty and between.
        dice = self.random.random()
        if dice < self.bias or not self.views:
            return self.create()
        at = self.random.randrange(len(self.views))
        return (self.release if dice < 0.8 else self.look_up if dice < 0.9 else self.drop)(at)

    def check(self):
        rows = self.arena.orders
        rows = rows[rows["in_use"]]
        shown = dict(
            zip(
                rows["handle"].tolist(),
                zip(*(rows[name].tolist() for name in ("symbol_id", "side", "quantity", "price")), strict=True),
                strict=True,
            )
        )
        assert shown == self.live
        assert (self.arena.in_use, self.arena.high_water) == (len(self.live), self.most)

    def run(self, operations):
        for block in range(operations // 1_000):
            self.bias = (0.6, 0.3, 0.45)[block // 7 % 3]
            for _ in range(1_000):
                self.step()
            self.check()


@pytest.mark.parametrize(("policy", "operations"), [("raise", 400_000), ("grow", 200_000), ("recycle", 400_000)])
def test_a_million_random_operations_agree_with_the_model(policy, operations):
    run = LongRun(policy, seed=2024)
    run.run(operations)
    assert run.most == LongRun.CAPACITY  # It was full at times.

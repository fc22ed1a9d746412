import copy
import gc
import os
import pickle
import random
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

from latencykit.engine import BUY, ORDER_DTYPE, SELL, Order, OrderArena
from latencykit.errors import CapacityError, InvalidStateError, InvalidTypeError, InvalidValueError

ORDER = (7, SELL, 100, 101.5)


def in_use(arena):
    rows = arena.orders
    return rows[rows["in_use"]]


def test_an_order_has_the_fields_it_was_created_with():
    order = OrderArena(1).create(7, SELL, 100, 101.5)
    assert (order.symbol_id, order.side, order.quantity, order.price) == (7, SELL, 100, 101.5)
    assert type(order) is Order
    assert order.alive


@pytest.mark.parametrize(
    "fields",
    [
        (0, BUY, 1, 5e-324),
        (2**32 - 1, SELL, 2**63 - 1, sys.float_info.max),
        (2**30, 1, 2**30 - 1, 1.0),
        (np.uint32(5), np.int8(1), np.int64(2**40), np.float64(2.5)),
        (True, False, True, True),
        (1, BUY, 2, 3),
    ],
)
def test_every_number_in_range_is_taken_exactly(fields):
    order = OrderArena(1).create(*fields)
    assert (order.symbol_id, order.side, order.quantity, order.price) == fields


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ((-1, BUY, 1, 1.0), InvalidValueError, "symbol_id -1 is out of range"),
        ((2**32, BUY, 1, 1.0), InvalidValueError, "symbol_id 4294967296 is out of range"),
        ((2**64, BUY, 1, 1.0), InvalidValueError, "symbol_id 18446744073709551616 does not fit"),
        ((1, 2, 1, 1.0), InvalidValueError, "side 2 is unknown; use BUY"),
        ((1, -1, 1, 1.0), InvalidValueError, "side -1 is unknown"),
        ((1, "buy", 1, 1.0), InvalidTypeError, "side must be an int, not 'buy'"),
        ((1, BUY, 0, 1.0), InvalidValueError, "quantity 0 is not positive"),
        ((1, BUY, -5, 1.0), InvalidValueError, "quantity -5 is not positive"),
        ((1, BUY, -(2**80), 1.0), InvalidValueError, "does not fit in 64 bits"),
        ((1, BUY, 1.5, 1.0), InvalidTypeError, "quantity must be an int, not 1.5"),
        ((1, BUY, 1, float("nan")), InvalidValueError, "price nan is not a finite number above 0"),
        ((1, BUY, 1, float("inf")), InvalidValueError, "price inf"),
        ((1, BUY, 1, 0.0), InvalidValueError, r"price 0\.0"),
        ((1, BUY, 1, -2), InvalidValueError, "price -2"),
        ((1, BUY, 1, 10**400), InvalidValueError, "too large for a float"),
        ((1, BUY, 1, "1.0"), InvalidTypeError, "price must be a number, not '1.0'"),
        ((1, BUY, 1, None), InvalidTypeError, "price must be a number"),
        ((1, BUY, 1), InvalidTypeError, "not 3 arguments"),
        ((1, BUY, 1, 1.0, 1), InvalidTypeError, "not 5 arguments"),
        ((), InvalidTypeError, "not 0 arguments"),
    ],
)
def test_a_bad_order_is_refused_and_takes_no_slot(fields, error, message):
    arena = OrderArena(1)
    with pytest.raises(error, match=message):
        arena.create(*fields)
    assert arena.in_use == 0
    assert arena.create(*ORDER).alive


def test_the_fields_may_be_named():
    arena = OrderArena(10)
    for order in (
        arena.create(symbol_id=7, side=SELL, quantity=100, price=101.5),
        arena.create(price=101.5, quantity=100, side=SELL, symbol_id=7),
        arena.create(7, SELL, price=101.5, quantity=100),
        arena.create(*ORDER[:3], price=np.float64(101.5)),
        arena.create(7, side=np.int8(SELL), quantity=2**40 - 2**40 + 100, price=101.5),
    ):
        assert (order.symbol_id, order.side, order.quantity, order.price) == ORDER


@pytest.mark.parametrize(
    ("fields", "named", "message"),
    [
        ((7, SELL, 100), {"cost": 1.0}, "create() has no parameter 'cost'"),
        ((7, SELL, 100), {"quantity": 1}, "create() was given quantity twice"),
        ((7, SELL, 100), {"prix\u00e9": 1.0}, "create() has no parameter"),
        ((), {"symbol_id": 7, "side": SELL}, "not 2 arguments"),
        ((7, SELL, 100, 1.0), {"price": 1.0}, "not 5 arguments"),
        ((), {"symbol_id": 7, "side": SELL, "quantity": 1, "cost": 1.0}, "no parameter 'cost'"),
    ],
)
def test_a_wrong_name_is_refused(fields, named, message):
    arena = OrderArena(1)
    with pytest.raises(InvalidTypeError, match=re.escape(message)):
        arena.create(*fields, **named)
    assert arena.in_use == 0


def test_a_bad_named_field_is_shown_as_it_was_given():
    with pytest.raises(InvalidValueError, match="quantity -5 is not positive"):
        OrderArena(1).create(quantity=-5, price=1.0, side=BUY, symbol_id=1)


def test_an_argument_that_raises_keeps_its_exception():
    class Broken:
        def __index__(self):
            raise ZeroDivisionError

        __float__ = __index__

    arena = OrderArena(1)
    for fields in [(Broken(), BUY, 1, 1.0), (1, BUY, Broken(), 1.0), (1, BUY, 1, Broken())]:
        with pytest.raises(ZeroDivisionError):
            arena.create(*fields)
    with pytest.raises(ZeroDivisionError):
        arena.view(Broken())
    assert arena.in_use == 0


def test_an_argument_may_use_the_arena_while_it_is_read():
    arena = OrderArena(2)
    inner = []

    class Nested:
        def __float__(self):
            inner.append(arena.create(*ORDER))
            return 2.0

    outer = arena.create(1, BUY, 3, Nested())
    assert (outer.price, inner[0].price, arena.in_use) == (2.0, 101.5, 2)
    assert outer.handle != inner[0].handle


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0,), InvalidValueError, "capacity 0 is out of range"),
        ((-3,), InvalidValueError, "capacity -3"),
        ((2**32 + 1,), InvalidValueError, "capacity 4294967297"),
        ((2**100,), InvalidValueError, "out of range"),
        (("ten",), InvalidTypeError, "capacity must be an int, not 'ten'"),
        ((1.0,), InvalidTypeError, "capacity must be an int"),
        (
            (1, "explode"),
            InvalidValueError,
            "on_exhausted='explode' is unknown; use 'raise', 'grow' or 'recycle'",
        ),
        ((1, None), InvalidValueError, "on_exhausted=None"),
    ],
)
def test_a_bad_arena_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        OrderArena(*arguments)


def test_orders_come_from_an_arena_only():
    with pytest.raises(TypeError, match="cannot create"):
        Order()


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, pickle.dumps, lambda part: object.__new__(type(part))])
def test_orders_and_arenas_are_not_copied_behind_their_back(make):
    arena = OrderArena(1)
    for part in (arena, arena.create(*ORDER)):
        with pytest.raises(TypeError):
            make(part)
    assert arena.in_use == 1


def test_memory_that_the_system_refuses_is_an_error_of_ours(tmp_path):
    script = """
import resource
from latencykit.engine import BUY, OrderArena
from latencykit.errors import CapacityError
pages_now = int(open("/proc/self/statm").read().split()[0])
limit = pages_now * resource.getpagesize() + (256 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    OrderArena(2**30)
except CapacityError as error:
    assert "an arena of 1073741824 orders" in str(error), error
else:
    raise SystemExit("an arena of 64 GiB in 256 MiB of address space")
arena = OrderArena(100_000, on_exhausted="grow")  # Would like 6.4 GB of address space; takes what there is.
try:
    while True:
        handle = arena.create(1, BUY, 1, 1.0).handle
except CapacityError as error:
    assert "cannot grow" in str(error), error
assert arena.view(handle).alive and arena.in_use == arena.capacity >= 200_000, arena
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr


def test_raise_refuses_the_order_that_has_no_slot():
    arena = OrderArena(2)
    kept = [arena.create(*ORDER), arena.create(*ORDER)]
    with pytest.raises(CapacityError, match="all 2 slots of the arena are in use; release orders"):
        arena.create(*ORDER)
    arena.release(kept[0])
    assert arena.create(*ORDER).alive
    assert not kept[0].alive


def test_grow_moves_nothing():
    arena = OrderArena(1, on_exhausted="grow")
    first = arena.create(1, BUY, 1, 1.0)
    before = arena.orders
    more = [arena.create(i, SELL, i, float(i)) for i in range(2, 1025)]
    assert (arena.capacity, arena.in_use, arena.high_water) == (1024, 1024, 1024)
    assert arena.allocations >= 10
    assert first.alive
    assert before[0]["quantity"] == first.quantity == 1
    assert arena.orders["quantity"].tolist() == list(range(1, 1025))
    assert before.ctypes.data == arena.orders.ctypes.data
    with pytest.raises(CapacityError, match="arena of 1024 slots cannot grow"):
        arena.create(*ORDER)
    assert all(order.alive for order in more)


def test_recycle_ends_the_order_created_first():
    arena = OrderArena(3, on_exhausted="recycle")
    first, second, third = (arena.create(i, BUY, 1, 1.0) for i in range(3))
    arena.release(second)
    fourth = arena.create(3, BUY, 1, 1.0)
    assert [order.alive for order in (first, second, third, fourth)] == [True, False, True, True]
    fifth, sixth = arena.create(4, BUY, 1, 1.0), arena.create(5, BUY, 1, 1.0)
    assert [order.alive for order in (first, third, fourth, fifth, sixth)] == [False, False, True, True, True]
    assert arena.in_use == arena.capacity == 3
    with pytest.raises(InvalidStateError, match="recycled"):
        arena.release(first)


def test_recycle_walks_the_arena_round_and_round_without_allocating():
    arena = OrderArena(100, on_exhausted="recycle")
    for i in range(10_000):
        arena.create(i, BUY, 1, 1.0)
    assert sorted(arena.orders["symbol_id"].tolist()) == list(range(9_900, 10_000))
    assert arena.allocations == 0


@pytest.mark.parametrize("field", ["symbol_id", "side", "quantity", "price"])
def test_an_order_that_is_over_shows_no_field(field):
    arena = OrderArena(1)
    old = arena.create(*ORDER)
    handle = old.handle
    arena.release(old)
    new = arena.create(*ORDER)
    with pytest.raises(InvalidStateError, match=f"order {handle} is over"):
        getattr(old, field)
    assert not old.alive
    assert old.handle == handle != new.handle
    assert new.alive


def test_a_second_release_is_an_error_and_changes_nothing():
    arena = OrderArena(2)
    order = arena.create(*ORDER)
    arena.release(order)
    with pytest.raises(InvalidStateError, match="is over"):
        arena.release(order)
    reused = arena.create(*ORDER)
    with pytest.raises(InvalidStateError):
        arena.release(order)
    assert reused.alive
    assert arena.in_use == 1


def test_release_takes_orders_of_this_arena():
    arena, other = OrderArena(1), OrderArena(1)
    order = other.create(*ORDER)
    assert order.handle == arena.create(*ORDER).handle
    with pytest.raises(InvalidValueError, match="belongs to another arena"):
        arena.release(order)
    with pytest.raises(InvalidTypeError, match=r"release\(\) takes an order, not 1"):
        arena.release(1)
    assert order.alive
    assert arena.in_use == 1


def test_a_handle_may_be_a_numpy_int():
    arena = OrderArena(1)
    order = arena.create(*ORDER)
    assert arena.view(np.uint64(order.handle)) == order
    assert arena.view(arena.orders["handle"][0]) == order


def test_a_handle_finds_its_order():
    arena = OrderArena(4)
    handle = arena.create(*ORDER).handle
    assert 0 < handle < 2**63
    order = arena.view(handle)
    assert (order.symbol_id, order.handle) == (7, handle)
    assert order == arena.view(handle)
    assert hash(order) == hash(arena.view(handle))
    assert order != arena.create(*ORDER)
    assert order != handle
    assert len({order, arena.view(handle)}) == 1
    arena.release(arena.view(handle))
    assert not order.alive
    with pytest.raises(InvalidStateError, match=f"order of handle {handle} is over"):
        arena.view(handle)


def test_orders_of_different_arenas_differ():
    first, second = OrderArena(1), OrderArena(1)
    assert first.create(*ORDER) != second.create(*ORDER)


@pytest.mark.parametrize("wrong", [0, -1, 1, 2**63 - 1, 2**63, 2**64 - 1, 2**200, -(2**200)])
def test_a_handle_that_was_never_issued_is_refused(wrong):
    arena = OrderArena(4)
    arena.create(*ORDER)
    with pytest.raises(InvalidValueError, match="was never issued by this arena"):
        arena.view(wrong)


def test_the_next_handle_of_a_free_slot_cannot_be_guessed_into_an_order():
    arena = OrderArena(1)
    arena.release(arena.create(*ORDER))
    with pytest.raises(InvalidValueError, match="was never issued"):
        arena.view(int(arena.orders["handle"][0]))


@pytest.mark.parametrize("wrong", [None, "1", 1.0, [], float("nan"), np.float64(1.0), b"1"])
def test_a_handle_is_an_int(wrong):
    with pytest.raises(InvalidTypeError, match="a handle is an int"):
        OrderArena(1).view(wrong)


def test_dropping_a_view_keeps_the_order():
    arena = OrderArena(1)
    handle = arena.create(*ORDER).handle
    gc.collect()
    assert arena.in_use == 1
    assert arena.view(handle).quantity == 100


def test_repr_shows_the_order_or_that_it_is_over():
    arena = OrderArena(1)
    order = arena.create(7, SELL, 100, 101.5)
    handle = order.handle
    assert repr(order) == f"<Order handle={handle} symbol_id=7 side=SELL quantity=100 price=101.5>"
    assert repr(arena) == "<OrderArena capacity=1 in_use=1 on_exhausted='raise'>"
    arena.release(order)
    assert repr(order) == f"<Order handle={handle}, over>"


def test_high_water_is_the_most_at_once():
    arena = OrderArena(10)
    for count in (3, 7, 2):
        for order in [arena.create(*ORDER) for _ in range(count)]:
            arena.release(order)
    assert (arena.in_use, arena.high_water, arena.capacity, arena.allocations) == (0, 7, 10, 0)


def test_the_array_follows_the_arena_without_a_copy():
    arena = OrderArena(3)
    rows = arena.orders
    assert rows.dtype == ORDER_DTYPE
    assert rows.dtype.itemsize == 64
    assert rows.dtype.names == ("handle", "price", "quantity", "symbol_id", "side", "in_use")
    assert rows.base is arena
    assert not rows["in_use"].any()
    order = arena.create(7, SELL, 100, 101.5)
    assert in_use(arena).tolist() == [(order.handle, 101.5, 100, 7, SELL, True)]
    arena.release(order)
    assert not rows["in_use"].any()


def test_the_array_cannot_be_written():
    rows = OrderArena(1).orders
    with pytest.raises(ValueError, match="read-only"):
        rows["price"] = 1.0
    with pytest.raises(ValueError, match="WRITEABLE"):
        rows.flags.writeable = True


def test_views_and_arrays_outlive_the_name_of_their_arena():
    arena = OrderArena(2)
    order, rows = arena.create(*ORDER), arena.orders
    del arena
    gc.collect()
    assert (order.quantity, rows["quantity"][0], rows["handle"][0]) == (100, 100, order.handle)
    del order
    gc.collect()
    assert rows["price"][0] == 101.5


def test_orders_cannot_be_changed():
    order = OrderArena(1).create(*ORDER)
    for field in ("price", "quantity", "handle", "alive"):
        with pytest.raises(AttributeError):
            setattr(order, field, 1)
    with pytest.raises(AttributeError):
        order.note = "x"
    with pytest.raises(TypeError):
        order < order  # noqa: B015 - the comparison is what raises


@pytest.mark.parametrize("policy", ["raise", "grow"])
def test_threads_share_an_arena(policy):
    """Each keeps its own model of its own orders; together they must be what the arena shows at the end."""
    arena = OrderArena(256 if policy == "raise" else 1, on_exhausted=policy)
    failures, kept = [], []
    start = threading.Barrier(4)

    def work(number):
        choose = random.Random(number)
        mine = {}
        start.wait()
        for i in range(1, 15_000):
            if len(mine) < 50 and choose.random() < 0.55:
                order = arena.create(number, i & 1, i, float(i))
                mine[order.handle] = (order, (number, i & 1, i, float(i)))
            elif mine:
                order, fields = mine.pop(choose.choice(list(mine)))
                if (order.symbol_id, order.side, order.quantity, order.price) != fields:
                    failures.append((order, fields))
                arena.release(order)
                try:
                    arena.release(order)
                except InvalidStateError:
                    continue
                failures.append((order, "released twice"))
        kept.append(mine)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failures
    expected = {handle: fields for mine in kept for handle, (_, fields) in mine.items()}
    rows = in_use(arena)
    shown = {
        int(row["handle"]): (int(row["symbol_id"]), int(row["side"]), int(row["quantity"]), float(row["price"]))
        for row in rows
    }
    assert shown == expected
    assert arena.in_use == len(expected) <= arena.high_water <= 200


def test_threads_recycle_one_arena():
    arena = OrderArena(16, on_exhausted="recycle")
    start = threading.Barrier(4)
    failures = []

    def work(number):
        start.wait()
        for i in range(1, 10_000):
            order = arena.create(number, BUY, i, float(i))
            try:
                if (order.symbol_id, order.quantity) != (number, i):
                    failures.append(order)
                arena.release(order)
            except InvalidStateError:  # Another thread's orders took its slot meanwhile.
                if order.alive:
                    failures.append(order)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failures
    assert arena.in_use == len(in_use(arena)) <= 16

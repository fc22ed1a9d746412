"""The suites of orders: every variant makes the same order, or touches the same pages, and ours allocate nothing."""

import gc

import pytest

from latencykit._core import Operation
from latencykit.suite import as_operation
from latencykit.suites import orders, orders_allocation

FIELDS = ("symbol_id", "side", "quantity", "price")
MADE = (orders.SYMBOL_ID, orders.SIDE, orders.QUANTITY, orders.PRICE)


def prepared(component, name, **parameters):
    variant = component.variants[name]
    if variant.peer is not None:
        pytest.importorskip(variant.peer, reason=f"{variant.peer}, a peer, is not installed")
    return as_operation(variant.setup(**parameters))


def allocations(operation, calls):
    gc.disable()  # callbacks of a collection allocate, and a test run may have some
    try:
        counts = Operation(operation.function, tuple(operation.rows)).count_allocations(calls)
    finally:
        gc.enable()
    return sum(count or 0 for count in counts.values())


@pytest.mark.parametrize("name", [name for name in orders.orders.variants if name != "arena_reuse"])
def test_every_variant_makes_the_same_order(name):
    operation = prepared(orders.orders, name)
    order = operation.function(*operation.rows[0])
    made = tuple(order[field] if isinstance(order, dict) else getattr(order, field) for field in FIELDS)
    assert made == MADE


@pytest.mark.parametrize("name", ["arena", "arena_hot", "arena_reuse"])
def test_the_arena_asks_for_no_memory_however_long_it_runs(name):
    # Several laps of the arena each time; what other threads of a test run ask for meanwhile does not come every time.
    operation = prepared(orders.orders, name)
    assert min(allocations(operation, 25_000) for _ in range(5)) == 0


def test_the_usual_ways_do_allocate():
    assert allocations(prepared(orders.orders, "naive"), 1_000) >= 1_000
    assert allocations(prepared(orders_allocation.component, "fresh", size_bytes=4096), 1_000) >= 1_000


@pytest.mark.parametrize("size_bytes", orders_allocation.component.parameters["size_bytes"])
def test_every_size_is_touched_and_only_fresh_ones_are_allocated(size_bytes):
    for name in orders_allocation.component.variants:
        operation = prepared(orders_allocation.component, name, size_bytes=size_bytes)
        assert operation.function() is None
        assert (allocations(operation, 20) == 0) == (name == "preallocated")

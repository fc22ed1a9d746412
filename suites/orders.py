"""Orders: what it costs to create one, from the class that one writes first to a slot of an arena."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import latencykit as lk

from .targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

SYMBOL_ID, SIDE, QUANTITY, PRICE = 1, 0, 100, 101.5
CAPACITY = 10_000

orders = lk.Component(
    "orders",
    baseline="naive",
    target=TARGETS["orders"],
    doc="create one order: symbol, side, quantity, price",
)


@orders.variant
def naive() -> "Operation":
    @dataclass
    class Order:
        symbol_id: int
        side: int
        quantity: int
        price: float

    return lk.call(Order, SYMBOL_ID, SIDE, QUANTITY, PRICE)


@orders.variant(contrast=True)
def slots() -> "Operation":
    @dataclass(slots=True)
    class Order:
        symbol_id: int
        side: int
        quantity: int
        price: float

    return lk.call(Order, SYMBOL_ID, SIDE, QUANTITY, PRICE)


@orders.variant(name="namedtuple", contrast=True)
def named_tuple() -> "Operation":
    class Order(NamedTuple):
        symbol_id: int
        side: int
        quantity: int
        price: float

    return lk.call(Order, SYMBOL_ID, SIDE, QUANTITY, PRICE)


@orders.variant(name="dict", contrast=True)
def mapping() -> "Callable[[], object]":
    symbol_id, side, quantity, price = SYMBOL_ID, SIDE, QUANTITY, PRICE

    # A dict display has no function to call, so its Python frame is taken off as the floor.
    def create() -> dict[str, object]:
        return {"symbol_id": symbol_id, "side": side, "quantity": quantity, "price": price}

    return create


@orders.variant(name="msgspec", contrast=True)
def msgspec_struct() -> "Operation":
    import msgspec

    class Order(msgspec.Struct, gc=False):
        symbol_id: int
        side: int
        quantity: int
        price: float

    return lk.call(Order, SYMBOL_ID, SIDE, QUANTITY, PRICE)


@orders.variant(peer="recordclass")
def recordclass() -> "Operation":
    from recordclass import dataobject

    class Order(dataobject):  # type: ignore[misc]  # the package has no types
        symbol_id: int
        side: int
        quantity: int
        price: float

    return lk.call(Order, SYMBOL_ID, SIDE, QUANTITY, PRICE)


@orders.variant
def arena() -> "Operation":
    """Walk all slots: no order is released, so each creation takes the slot that was used longest ago."""
    from latencykit.engine import OrderArena

    return lk.call(OrderArena(CAPACITY, on_exhausted="recycle").create, SYMBOL_ID, SIDE, QUANTITY, PRICE)


@orders.variant
def arena_hot() -> "Operation":
    """Use one slot again and again: each creation ends the order before it."""
    from latencykit.engine import OrderArena

    return lk.call(OrderArena(1, on_exhausted="recycle").create, SYMBOL_ID, SIDE, QUANTITY, PRICE)


@orders.variant
def arena_reuse() -> "Callable[[], object]":
    """Create an order and release it: one slot that never leaves the cache."""
    from latencykit.engine import OrderArena

    reused = OrderArena(CAPACITY)
    create, release = reused.create, reused.release

    def create_and_release() -> None:
        release(create(SYMBOL_ID, SIDE, QUANTITY, PRICE))

    return create_and_release

"""What not to do on a hot path, beside what to do instead: here, to allocate.

A new object for each order, or a slot of an arena that is there already. The other three are comparisons of their own:
`antipatterns_lock`, `antipatterns_print` and `antipatterns_branch`.
"""

from typing import TYPE_CHECKING

import latencykit as lk

if TYPE_CHECKING:
    from latencykit.suite import Operation

SYMBOL_ID, SIDE, QUANTITY, PRICE = 1, 0, 100, 101.5
CAPACITY = 10_000

allocation = lk.Component(
    "antipatterns",
    baseline="allocate",
    doc="one order: symbol, side, quantity, price",
    on_request=True,
)


@allocation.variant
def allocate() -> "Operation":
    from dataclasses import dataclass

    @dataclass
    class Order:
        symbol_id: int
        side: int
        quantity: int
        price: float

    return lk.call(Order, SYMBOL_ID, SIDE, QUANTITY, PRICE)


@allocation.variant
def arena() -> "Operation":
    from latencykit.engine import OrderArena

    return lk.call(OrderArena(CAPACITY, on_exhausted="recycle").create, SYMBOL_ID, SIDE, QUANTITY, PRICE)

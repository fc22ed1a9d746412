"""Orders in preallocated slots: created, looked up and released without an allocation.

An `OrderArena` owns the slots; `arena.create(...)` returns an `Order`, a view of one slot. To know:

* Dropping an `Order` does not end the order. Its slot stays in use until ``arena.release(order)``, or, under
  ``on_exhausted="recycle"``, until it is the oldest and a new order needs the slot. Keep `order.handle` to
  find it again with ``arena.view(handle)``.
* Once an order is over, its views and its handle never come to mean another order: reading a field,
  releasing it again or looking it up raises `InvalidStateError`. `order.alive`, `order.handle` and ``repr``
  still work.
* An arena has memory for one view of each slot, and for what else fits into the last page. Whoever holds more views,
  for example of orders that are over, makes it allocate, which `arena.allocations` counts.
* Memory: by default all of it is touched at the start, so that no order meets a page fault, and an arena that this
  machine or its control group has no room for is refused with `CapacityError` before that. ``prefault``,
  ``huge_pages`` and ``numa_node`` choose otherwise; the properties of the same names say what is in force.
* With ``poison=True`` a free slot's fields are a pattern (the price is NaN), and `create` raises
  `InvalidStateError` if somebody wrote into the slot meanwhile through an address that he kept;
  ``arena.verify()`` looks at all free slots at once. The arena then creates no more orders, and the slot
  stays as it was found.
* An arena belongs to one interpreter and relies on its lock: any thread may call it.

`ORDER_DTYPE` is the layout of `arena.orders`, one row for each slot of 64 bytes:

========== ========= =====================================================================
field      type      meaning
========== ========= =====================================================================
handle     uint64    of the order in the slot; while it is free, of its next order; 0 before its first use
price      float64   limit price, finite and above 0
quantity   int64     units, above 0
symbol_id  uint32    the instrument's number
side       uint8     `BUY` (0) or `SELL` (1)
in_use     bool      whether there is an order; if not, the other fields are leftovers
========== ========= =====================================================================

So ``rows = arena.orders; rows[rows["in_use"]]`` are the orders that exist now. The array is read-only,
follows the arena without copying, and stays valid for as long as anyone holds it, also after the arena has
grown: then it shows the slots that there were when it was made.
"""

from latencykit._core import BUY, ORDER_DTYPE, SELL, Order, OrderArena

__all__ = ["BUY", "ORDER_DTYPE", "SELL", "Order", "OrderArena"]

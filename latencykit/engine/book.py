"""The best price levels of one symbol: one writer, and readers in any thread or process without a lock.

An `OrderBook` holds at most `depth` levels a side, best first. ``OrderBook(symbol)`` lives in this process;
``OrderBook.create(name, symbol)`` in shared memory, where other processes read it with ``OrderBook.attach(name)``.
``book.snapshot()`` is a copy that was the book at one moment; ``book.snapshot(into=earlier)`` refills one without
allocating. To know:

* `update` says what a level *is* now, not by how much it changes; quantity 0 removes it. Quantities are whole
  units, as those of orders: where a venue trades fractions, count in its step size.
* A level that is pushed beyond the depth is forgotten. After a removal the side shows one level less until the
  feed sends the level that moves up, as feeds of fixed depth do.
* Prices may be zero or negative (power, spreads between contracts). Nothing is checked between the sides: feeds
  cross for moments, and `crossed` and `locked` tell.
* What needs a price of an empty side is NaN: `best_bid`, `best_ask`, `spread`, `mid`, `micro_price`, and
  `imbalance` if both sides are empty. Its quantity is 0.
* `snapshot`, `best_bid` and all other figures come from one consistent state. ``book.bids`` and ``book.asks`` do
  not: they are the live rows, all `depth` of them, empty ones with price NaN and quantity 0, and may change while
  they are read. ``snapshot.bids`` has the levels that there are, and stays as it is until the snapshot is
  refilled. All these arrays are read-only, copy nothing, and stay valid for as long as anyone holds them.
* The writer never waits. A reader in another process tries again while it meets an update; it gives up with
  `InvalidStateError` after a second, or at once if the writer died in the middle of an update. Until a new writer
  takes the name over with `create`, such a book cannot be read; one whose writer died between updates can, and
  `has_writer` tells. Taking over empties the book, since its prices are of before the crash.
* A book in shared memory has one writer, over all processes; the kernel ends its claim when it closes the book or
  dies. A forked child reads, its parent goes on writing. The name stays until ``unlink()`` or ``remove(name)``.
  The memory is open to this user alone. If a process of this user cuts its file short, every call that meets it
  raises `DataError`, and live rows read as zeros. The first book in shared memory, or ring, of a process installs a
  handler of SIGBUS for that, which leaves every other SIGBUS to the handler before it; one that is installed later
  and does not call it takes this protection away.
* In its own process any thread may use a book, one at a time by the interpreter's lock.

`BOOK_LEVEL_DTYPE` is a row of the arrays: `price` (float64) and `quantity` (int64). `BOOK_UPDATE_DTYPE` is a
record for `apply`: `price`, `quantity` and `side` (`BUY` for a bid, `SELL` for an ask).
"""

from typing import Final

import numpy as np

from latencykit._core import BOOK_LEVEL_DTYPE, BookSnapshot, OrderBook

__all__ = ["BOOK_LEVEL_DTYPE", "BOOK_UPDATE_DTYPE", "BookSnapshot", "OrderBook"]

BOOK_UPDATE_DTYPE: Final[np.dtype[np.void]] = np.dtype(
    [("price", np.float64), ("quantity", np.int64), ("side", np.uint8)], align=True
)

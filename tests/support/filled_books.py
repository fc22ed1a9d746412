"""Order books for tests: one with known levels, records of updates, and levels as pairs."""

import numpy as np

from latencykit.engine import BOOK_UPDATE_DTYPE, BUY, SELL


def filled(book):
    for i in range(3):
        book.update(BUY, 100.0 - i, 10 + i)
        book.update(SELL, 101.0 + i, 20 + i)
    return book


def levels(rows):
    return [(float(row["price"]), int(row["quantity"])) for row in rows]


def records(*rows):
    made = np.zeros(len(rows), BOOK_UPDATE_DTYPE)
    for i, (side, price, quantity) in enumerate(rows):
        made[i] = (price, quantity, side)
    return made

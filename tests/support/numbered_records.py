"""Records for tests of shared rings, and a thread beside."""

import threading

import numpy as np

RECORD = np.dtype([("number", "<u8"), ("price", "<f8"), ("tags", "S4", (3,)), ("at", "<M8[ns]")])


def numbered(first, count):
    records = np.zeros(count, RECORD)
    records["number"] = np.arange(first, first + count)
    records["price"] = records["number"] / 4
    return records


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread

"""A book in shared memory with a writer in one process, readers in others, and a writer that is killed."""

import os
import signal
import subprocess
import sys

import pytest
from shared_names import new_name

from latencykit.engine import BUY, OrderBook
from latencykit.errors import InvalidStateError

# Version v of the book is known: every update inserts a new best level and so moves all others of its side.
WRITER = """
import itertools, sys
from latencykit.engine import BUY, SELL, OrderBook
book = OrderBook.create(sys.argv[1], "AAPL", depth=10)
update = book.update
for v in range(1, 41):
    update(v & 1, -float(v) if v & 1 else float(v), 3 * v)
print("ready", flush=True)
for v in itertools.count(41):
    update(v & 1, -float(v) if v & 1 else float(v), 3 * v)
"""

READER = """
import sys
import numpy as np
from latencykit.engine import OrderBook
book = OrderBook.attach(sys.argv[1])
snapshot = book.snapshot()
steps = 2 * np.arange(10)
versions, torn, taken = set(), 0, 0
while taken < 2_000 or len(versions) < 20:
    v = book.snapshot(snapshot).version
    newest_bid, newest_ask = v - (v & 1), v - 1 + (v & 1)
    bids, asks = snapshot.bids, snapshot.asks
    torn += not (
        len(bids) == len(asks) == 10
        and (bids["price"] == newest_bid - steps).all() and (bids["quantity"] == 3 * (newest_bid - steps)).all()
        and (asks["price"] == steps - newest_ask).all() and (asks["quantity"] == 3 * (newest_ask - steps)).all()
        and snapshot.best_bid == newest_bid and snapshot.best_ask == -newest_ask
    )
    torn += bool(versions) and v < last
    last = v
    versions.add(v)
    taken += 1
print(torn, taken, len(versions))
"""

# Nearly always inside a batch, and at the end of each one a whole book of one quantity.
BATCH_WRITER = """
import itertools, sys
import numpy as np
from latencykit.engine import BOOK_UPDATE_DTYPE, OrderBook
book = OrderBook.create(sys.argv[1], "AAPL", depth=100)
records = np.zeros(20_000, BOOK_UPDATE_DTYPE)
records["price"] = np.arange(20_000) % 100
records["side"] = np.arange(20_000) // 100 % 2
for v in itertools.count(1):
    records["quantity"] = v
    book.apply(records)
    if v == 3:
        print("ready", flush=True)
"""

FORKER = """
import os, sys
from latencykit.engine import BUY, OrderBook
from latencykit.errors import InvalidStateError
name = sys.argv[1]
book = OrderBook.create(name, "AAPL")
own = OrderBook("MSFT")
book.update(BUY, 1.0, 1)
child = os.fork()
if child == 0:
    said = []
    for call in (lambda: book.update(BUY, 2.0, 1), book.clear):
        try:
            call()
        except InvalidStateError as error:
            said.append("inherited by a fork" in str(error))
    own.update(BUY, 3.0, 1)
    seen = (said, book.writable, book.has_writer, book.best_bid, own.best_bid)
    book.close()  # must not end the parent's claim
    print(seen, flush=True)
    os._exit(0)
os.waitpid(child, 0)
book.update(BUY, 5.0, 1)
print(book.writable, OrderBook.attach(name).has_writer, own.best_bid_quantity)
"""


@pytest.fixture
def name():
    with new_name() as made:
        yield made


@pytest.fixture
def start(name, tmp_path):
    running = []

    def run(script):
        process = subprocess.Popen(
            [sys.executable, "-c", script, name], stdout=subprocess.PIPE, text=True, cwd=tmp_path
        )
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_processes_never_see_a_torn_book(name, start):
    assert start(WRITER).stdout.readline() == "ready\n"
    readers = [start(READER), start(READER)]
    for reader in readers:
        output, _ = reader.communicate()
        torn, taken, versions = map(int, output.split())
        assert reader.returncode == 0
        assert torn == 0
        assert taken >= 2_000
        assert versions >= 20


def copied_or_said(reader):
    """Copy a book and check that it is whole, or return why it could not be copied."""
    try:
        snapshot = reader.snapshot()
    except InvalidStateError as error:
        return str(error)
    assert len({*snapshot.bids["quantity"].tolist(), *snapshot.asks["quantity"].tolist()}) == 1
    assert len(snapshot.bids) == 100
    return ""


def test_a_killed_writer_leaves_a_whole_book_or_one_that_says_so(name, start):
    abandoned = 0
    version = 0
    for _ in range(20):
        writer = start(BATCH_WRITER)
        assert writer.stdout.readline() == "ready\n"
        reader = OrderBook.attach(name)
        assert reader.has_writer
        kill(writer)
        assert not reader.has_writer
        said = copied_or_said(reader)
        abandoned += f"process {writer.pid}) died in the middle of an update" in said
        assert said == "" or abandoned
        assert reader.version > version
        version = reader.version
        with OrderBook.create(name, "AAPL", depth=100) as heir:
            assert len(reader.snapshot().bids) == 0
            heir.update(BUY, 7.0, 7)
            assert reader.best_bid == 7.0
        if abandoned:
            return
    pytest.fail("no writer was killed in the middle of an update in 20 rounds")


def test_a_stopped_writer_keeps_its_part(name, start):
    writer = start(WRITER)
    assert writer.stdout.readline() == "ready\n"
    writer.send_signal(signal.SIGSTOP)
    os.waitpid(writer.pid, os.WUNTRACED)
    with pytest.raises(InvalidStateError, match="has a writer already"):
        OrderBook.create(name, "AAPL")
    with pytest.raises(InvalidStateError, match="has a writer; let it call unlink"):
        OrderBook.remove(name)
    assert OrderBook.attach(name).has_writer


def test_a_forked_child_reads_and_its_parent_writes_on(name, start):
    forker = start(FORKER)
    output, _ = forker.communicate()
    assert forker.returncode == 0
    child, parent = output.splitlines()
    assert child == "([True, True], False, True, 1.0, 3.0)"
    assert parent == "True True 0"
    reader = OrderBook.attach(name)
    assert (reader.best_bid, reader.has_writer) == (5.0, False)

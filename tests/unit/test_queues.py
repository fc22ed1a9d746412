"""The queues of the engine: what they do, one call at a time and between threads."""

import itertools
import os
import queue
import subprocess
import sys

import numpy as np
import pytest
from made_queues import BOUNDED, KINDS, LONG, OF_OBJECTS, TICK, Waiting, item, made, number_of

from latencykit.engine import RecordQueue, SpscQueue, UnboundedQueue
from latencykit.engine.queues import ClosedError, Echo
from latencykit.errors import InvalidStateError, InvalidValueError


@KINDS
def test_what_is_pushed_comes_out_in_order(kind):
    shared = made(kind)
    for lap in range(5):
        for i in range(3):
            assert shared.try_push(item(kind, lap + i)) is True
        assert len(shared) == 3
        assert [number_of(shared.try_pop()) for _ in range(3)] == [lap, lap + 1, lap + 2]
    assert len(shared) == 0
    assert shared.try_pop() is None
    assert shared.try_pop("nothing") == shared.try_pop(default="nothing") == "nothing"


@BOUNDED
@pytest.mark.parametrize("capacity", [1, 2, 3, 5, 8, 100])
def test_a_capacity_is_exactly_what_was_asked_for(kind, capacity):
    shared = made(kind, capacity)
    assert shared.capacity == capacity
    for _ in range(3):
        assert [shared.try_push(item(kind, i)) for i in range(capacity + 2)] == [True] * capacity + [False] * 2
        assert len(shared) == capacity
        assert [number_of(shared.pop()) for _ in range(capacity)] == list(range(capacity))


def test_the_unbounded_queue_has_no_capacity_and_takes_all():
    shared = UnboundedQueue()
    assert shared.capacity is None
    assert shared.push_many(range(10_000)) == 10_000
    assert shared.pop_many() == list(range(10_000))


@OF_OBJECTS
def test_objects_are_the_same_and_may_be_none(kind):
    shared = made(kind)
    thing = object()
    shared.push(thing)
    shared.push(None)
    assert shared.pop() is thing
    assert shared.try_pop("nothing") is None


@OF_OBJECTS
def test_many_at_once(kind):
    shared = made(kind, 4)
    assert shared.push_many([]) == 0
    assert shared.push_many(i for i in range(3)) == 3
    fitting = shared.push_many((3, 4, 5))
    assert fitting == (3 if kind == "unbounded" else 1)
    assert shared.pop_many(0) == []
    assert shared.pop_many(2) == [0, 1]
    assert shared.pop_many(max_items=100) == [2, 3, 4, 5][: 1 + fitting]
    assert shared.pop_many() == []


def test_records_are_copies():
    shared = RecordQueue(TICK, 8)
    rows = np.array([(i, i / 2, i, b"X") for i in range(6)], TICK)
    assert shared.dtype == TICK
    assert shared.push_many(rows[::2]) == 3  # not contiguous
    assert shared.try_push(rows[1])
    rows[:] = 0
    assert shared.pop_many().tolist() == [(0, 0.0, 0, b"X"), (2, 1.0, 2, b"X"), (4, 2.0, 4, b"X"), (1, 0.5, 1, b"X")]
    shared.push((7, 3.5, 9, b"YY"))
    one = shared.pop()
    shared.push((8, 0.0, 0, b""))
    assert one.dtype == TICK
    assert one.tolist() == (7, 3.5, 9, b"YY")


def test_records_go_round_the_end_of_the_ring():
    shared = RecordQueue(TICK, 5)
    rows = np.zeros(4, TICK)
    for start in range(0, 40, 4):
        rows["symbol"] = np.arange(start, start + 4)
        assert shared.push_many(rows) == 4
        assert shared.pop_many(3)["symbol"].tolist() == [start, start + 1, start + 2]
        assert number_of(shared.pop()) == start + 3


def test_records_pop_into_an_array():
    shared = RecordQueue(TICK, 8)
    out = np.zeros(3, TICK)
    shared.push_many(np.array([(i, 0, 0, b"") for i in range(5)], TICK))
    first = shared.pop_many(out=out)
    assert np.shares_memory(first, out)
    assert first["symbol"].tolist() == [0, 1, 2]
    assert shared.pop_many(1, out=out)["symbol"].tolist() == [3]
    assert len(shared.pop_many(out=out)) == 1
    assert len(shared.pop_many(out=out)) == 0


@pytest.mark.parametrize(
    "layout",
    [
        [("value", ">i8")],
        np.dtype([("a", "u1"), ("b", "f8")], align=True),
        [("matrix", "f4", (2, 3)), ("when", "M8[ns]")],
        [("nested", [("x", "i2"), ("y", "i2")]), ("text", "U3")],
    ],
)
def test_any_plain_layout_comes_back_as_it_was(layout):
    dtype = np.dtype(layout)
    rows = np.frombuffer(np.random.default_rng(1).bytes(dtype.itemsize * 7), np.uint8).copy()
    if "U" in str(dtype):
        rows[:] = 0  # not every pattern of bits is a character
    rows = rows.view(dtype)
    shared = RecordQueue(dtype, 7)
    assert shared.push_many(rows) == 7
    assert shared.pop_many().tobytes() == rows.tobytes()
    shared.push(rows[3])
    assert shared.pop().tobytes() == rows[3].tobytes()


# ---- waiting


@KINDS
def test_a_timeout_ends_with_the_exceptions_of_queue(kind):
    shared = made(kind, 1)
    for timeout in (0, 0.0, 0.002):
        with pytest.raises(queue.Empty, match="nothing was pushed"):
            shared.pop(timeout)
    shared.push(item(kind, 1), timeout=0)
    if kind == "unbounded":
        return
    for timeout in (0, 0.002):
        with pytest.raises(queue.Full, match="all 1 places"):
            shared.push(item(kind, 2), timeout=timeout)
    assert number_of(shared.pop(timeout=0)) == 1


@KINDS
@pytest.mark.parametrize("wait", ["spin", "yield", "park"])
def test_a_pop_waits_for_a_push(kind, wait):
    shared = made(kind, 2, wait=wait)
    waiting = Waiting(shared.pop, LONG)
    shared.push(item(kind, 7))
    assert number_of(waiting.outcome()) == 7


@BOUNDED
@pytest.mark.parametrize("wait", ["spin", "yield", "park"])
def test_a_push_waits_for_a_pop(kind, wait):
    shared = made(kind, 1, wait=wait)
    shared.push(item(kind, 1))
    waiting = Waiting(shared.push, item(kind, 2))
    assert number_of(shared.pop()) == 1
    waiting.outcome()
    assert number_of(shared.pop()) == 2


@KINDS
def test_threads_pass_everything_on_in_order(kind):
    shared = made(kind, 3)
    received = []
    count = 3_000

    def consume():
        while True:
            try:
                received.append(number_of(shared.pop()))
            except ClosedError:
                return

    consumer = Waiting(consume)
    for i in range(count):
        shared.push(item(kind, i))
    shared.close()
    consumer.outcome()
    assert received == list(range(count))


@pytest.mark.parametrize("kind", ["mpmc", "unbounded"])
def test_many_producers_and_consumers_lose_nothing(kind):
    shared = made(kind, 4)
    each, threads = 500, 3
    taken = [[] for _ in range(threads)]

    def produce(p):
        for i in range(each):
            shared.push((p, i))

    def consume(c):
        for _ in range(each):
            taken[c].append(shared.pop(LONG))

    running = [Waiting(produce, p) for p in range(threads)] + [Waiting(consume, c) for c in range(threads)]
    for thread in running:
        thread.outcome()
    assert sorted(itertools.chain(*taken)) == [(p, i) for p in range(threads) for i in range(each)]
    for got in taken:
        for p in range(threads):
            assert [i for q, i in got if q == p] == sorted(i for q, i in got if q == p)


def test_an_spsc_queue_survives_two_producers():
    shared = SpscQueue(4)
    running = [Waiting(lambda p=p: [shared.push((p, i)) for i in range(500)]) for p in range(2)]
    got = [shared.pop(LONG) for _ in range(1_000)]
    for thread in running:
        thread.outcome()
    assert sorted(got) == [(p, i) for p in range(2) for i in range(500)]


@pytest.mark.skipif(os.name != "posix", reason="signals are sent by number")
@pytest.mark.parametrize("wait", ["spin", "yield", "park"])
@pytest.mark.parametrize("call", ["queue.pop()", "queue.push(1)"])
def test_handlers_run_during_a_wait_and_may_end_it(tmp_path, wait, call):
    script = f"""
import signal
from latencykit.engine import SpscQueue
queue = SpscQueue(1, wait={wait!r})
if "push" in {call!r}:
    queue.push(0)
seen = []
def handler(*_):
    seen.append(len(queue))
    if len(seen) == 3:
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
try:
    {call}
except KeyboardInterrupt:
    signal.setitimer(signal.ITIMER_REAL, 0)
    print("interrupted", len(seen))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=LONG
    )
    assert (done.stdout, done.stderr) == ("interrupted 3\n", "")


# ---- closing


@KINDS
def test_a_closed_queue_is_drained_and_then_ends(kind):
    shared = made(kind)
    for i in range(3):
        shared.push(item(kind, i))
    assert not shared.closed
    shared.close()
    shared.close()
    assert shared.closed
    rows = np.zeros(1, TICK)
    for refused in (shared.try_push, shared.push):
        with pytest.raises(ClosedError, match="nothing can be pushed"):
            refused(item(kind, 9))
    with pytest.raises(ClosedError):
        shared.push_many(rows if kind == "records" else [1])
    assert number_of(shared.try_pop()) == 0
    assert number_of(shared.pop()) == 1
    assert [number_of(each) for each in shared.pop_many()] == [2]
    for drained in (shared.try_pop, shared.pop, shared.pop_many, lambda: shared.try_pop(None), lambda: shared.pop(0)):
        with pytest.raises(ClosedError, match="empty"):
            drained()
    assert issubclass(ClosedError, InvalidStateError)


@KINDS
@pytest.mark.parametrize("wait", ["spin", "park"])
def test_closing_wakes_who_waits_to_pop(kind, wait):
    shared = made(kind, wait=wait)
    waiting = [Waiting(shared.pop) for _ in range(3)]
    shared.close()
    for each in waiting:
        with pytest.raises(ClosedError):
            each.outcome()


@BOUNDED
def test_closing_wakes_who_waits_to_push(kind):
    shared = made(kind, 1)
    shared.push(item(kind, 1))
    waiting = Waiting(shared.push, item(kind, 2))
    shared.close()
    with pytest.raises(ClosedError):
        waiting.outcome()
    assert [number_of(each) for each in shared.pop_many()] == [1]


def test_what_a_queue_says_of_itself():
    shared = SpscQueue(4)
    shared.push(1)
    assert repr(shared) == "<SpscQueue of 4, 1 queued>"
    shared.close()
    assert repr(shared) == "<SpscQueue of 4, 1 queued, closed>"
    assert repr(UnboundedQueue()) == "<UnboundedQueue, 0 queued>"
    assert repr(RecordQueue(TICK, 3)) == "<RecordQueue of 3 records of 24 bytes, 0 queued>"
    assert SpscQueue[int].__origin__ is SpscQueue


# ---- the echo, for measuring

two_cpus = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this machine lends us one CPU only")


@two_cpus
@pytest.mark.parametrize("kind", ["cache_line", "spsc", "mpmc", "unbounded", "mutex", "condition"])
def test_an_echo_answers_until_it_is_closed(kind):
    echo = Echo(kind)
    assert echo.cpu in os.sched_getaffinity(0)
    for _ in range(50):
        echo.trip()
    echo.close()
    echo.close()
    with pytest.raises(ClosedError):
        echo.trip()
    Echo(kind)  # ends with its last reference


def test_an_echo_needs_a_known_kind_and_a_cpu():
    with pytest.raises(InvalidValueError, match="kind 'x'"):
        Echo("x")
    for cpu in (-1, 10**6, 10**30):
        with pytest.raises((InvalidValueError, OverflowError)):
            Echo("spsc", cpu)

"""What the queues of the engine refuse: capacities, timeouts, layouts and arrays that cannot be."""

import math
import queue

import numpy as np
import pytest
from made_queues import BOUNDED, KINDS, TICK, item, made, number_of

from latencykit.engine import RecordQueue
from latencykit.engine.queues import ClosedError
from latencykit.errors import CapacityError, InvalidTypeError, InvalidValueError


@BOUNDED
@pytest.mark.parametrize("capacity", [0, -1, -(2**70), 2**33, 2**70])
def test_capacities_out_of_range_are_refused(kind, capacity):
    with pytest.raises(InvalidValueError, match="capacity"):
        made(kind, capacity)


@BOUNDED
@pytest.mark.parametrize("capacity", [math.nan, 1.0, "4", None])
def test_capacities_that_are_no_int_are_refused(kind, capacity):
    with pytest.raises(InvalidTypeError, match="capacity must be an int"):
        made(kind, capacity)


@KINDS
def test_ways_of_waiting_are_known_by_name(kind):
    with pytest.raises(InvalidValueError, match="'spin', 'yield' or 'park'"):
        made(kind, wait="sleep")


@KINDS
def test_timeouts_that_make_no_sense_are_refused(kind):
    shared = made(kind, 1)
    for wrong in (-1, -0.001, math.nan, -math.inf, 10**400):
        with pytest.raises(InvalidValueError, match="timeout"):
            shared.pop(wrong)
    with pytest.raises(InvalidTypeError, match="timeout must be seconds"):
        shared.pop("1")
    shared.push(item(kind, 1), math.inf)
    if kind != "unbounded":
        with pytest.raises(InvalidValueError, match="timeout"):
            shared.push(item(kind, 1), timeout=-1)


@KINDS
@pytest.mark.parametrize(
    ("wrong", "error"), [(math.nan, InvalidValueError), (-1, InvalidValueError), ("x", InvalidTypeError)]
)
def test_a_wrong_timeout_is_refused_also_where_nothing_has_to_wait(kind, wrong, error):
    shared = made(kind)
    with pytest.raises(error, match="timeout"):
        shared.push(item(kind, 1), wrong)
    assert len(shared) == 0
    shared.push(item(kind, 1))
    with pytest.raises(error, match="timeout"):
        shared.pop(timeout=wrong)
    assert len(shared) == 1
    shared.close()
    with pytest.raises(error, match="timeout"):
        shared.push(item(kind, 2), timeout=wrong)


@KINDS
def test_the_code_of_a_timeout_may_use_the_queue(kind):
    shared = made(kind, 1)

    class Timeout:
        def __init__(self, work):
            self.work = work

        def __float__(self):
            self.work()
            return 0.0

    shared.push(item(kind, 1))
    shared.push(item(kind, 2), Timeout(shared.pop))
    assert number_of(shared.pop(Timeout(lambda: None))) == 2
    with pytest.raises(queue.Empty):
        shared.pop(Timeout(lambda: (shared.push(item(kind, 3)), shared.pop())))
    with pytest.raises(ClosedError):
        shared.push(item(kind, 4), Timeout(shared.close))


@KINDS
def test_wrong_arguments_are_refused(kind):
    shared = made(kind)
    with pytest.raises(InvalidTypeError, match="at most 1 argument"):
        shared.try_pop(1, 2)
    with pytest.raises(InvalidTypeError, match="no argument"):
        shared.try_pop(otherwise=1)
    with pytest.raises(InvalidTypeError, match="takes the"):
        shared.push()
    with pytest.raises(InvalidValueError, match="negative"):
        shared.pop_many(-1)
    with pytest.raises(InvalidTypeError, match="max_items"):
        shared.pop_many(1.5)
    with pytest.raises(InvalidTypeError, match="push_many"):
        shared.push_many(5)
    with pytest.raises(TypeError):
        type("Sub", (type(shared),), {})


@pytest.mark.parametrize(
    ("dtype", "words"),
    [
        ("f8", "has no fields"),
        ([("x", "O")], "holds Python objects"),
        ([("x", [("y", "O")])], "holds Python objects"),
        ("nonsense", "unknown to NumPy"),
        ([], "has no fields"),
    ],
)
def test_dtypes_that_cannot_be_copied_are_refused(dtype, words):
    with pytest.raises(InvalidTypeError, match=words):
        RecordQueue(dtype, 4)


def test_records_of_another_layout_are_refused():
    shared = RecordQueue(TICK, 4)
    other = np.zeros(3, [("symbol", "u8"), ("price", "f8"), ("size", "i8"), ("venue", "S4")])
    for refused in (lambda: shared.push(other[0]), lambda: shared.push_many(other)):
        with pytest.raises(InvalidTypeError, match=r"astype\(queue.dtype\)"):
            refused()
    with pytest.raises(InvalidValueError, match="2 dimensions"):
        shared.push_many(np.zeros((2, 2), TICK))
    for record in ([1, 2.0, 3, b""], 5, None, np.float64(1)):
        with pytest.raises(InvalidTypeError, match="not a record"):
            shared.push(record)
    for record in ((1, 2.0), (1, "x", 3, b""), (-(10**30), 0, 0, b"")):
        with pytest.raises(InvalidValueError, match="does not fit"):
            shared.push(record)
    assert len(shared) == 0


def test_arrays_that_cannot_be_popped_into_are_refused():
    shared = RecordQueue(TICK, 4)
    shared.push((1, 0, 0, b""))
    fixed = np.zeros(2, TICK)
    fixed.flags.writeable = False
    for out in (np.zeros(4, TICK)[::2], np.zeros((2, 2), TICK), fixed):
        with pytest.raises(InvalidValueError, match="out must be writable"):
            shared.pop_many(out=out)
    with pytest.raises(InvalidTypeError, match="dtype"):
        shared.pop_many(out=np.zeros(2))
    with pytest.raises(InvalidTypeError, match="out must be an array"):
        shared.pop_many(out=[])
    assert len(shared) == 1


def test_memory_that_there_is_not_is_refused():
    with pytest.raises(CapacityError, match="refused the memory"):
        RecordQueue([("x", "S1000000")], 2**32)

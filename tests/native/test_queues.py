"""References and memory of the queues: what they hold is theirs, and what they let go is gone."""

import gc
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from leaks import blocks_after

from latencykit import _core
from latencykit.engine import MpmcQueue, RecordQueue, SpscQueue, UnboundedQueue
from latencykit.errors import InvalidTypeError, InvalidValueError

BOUNDED = [SpscQueue, MpmcQueue]
MAKERS = [SpscQueue, MpmcQueue, lambda _capacity: UnboundedQueue()]
IDS = ["spsc", "mpmc", "unbounded"]
TICK = np.dtype([("number", "i8"), ("price", "f8")])
kinds = pytest.mark.parametrize("make", MAKERS, ids=IDS)


class Thing:
    """Something that can be watched as it goes."""


@kinds
def test_each_place_holds_one_reference(make):
    shared, thing = make(8), Thing()
    held = sys.getrefcount(thing)
    shared.push(thing)
    shared.try_push(thing)
    shared.push_many([thing, thing])
    assert sys.getrefcount(thing) == held + 4
    assert shared.try_pop() is thing
    assert shared.pop() is thing
    assert sys.getrefcount(thing) == held + 2
    got = shared.pop_many()
    assert sys.getrefcount(thing) == held + 2
    del got
    assert sys.getrefcount(thing) == held


@pytest.mark.parametrize("make", BOUNDED)
def test_what_is_not_pushed_is_not_held(make):
    shared, thing = make(1), Thing()
    held = sys.getrefcount(thing)
    shared.push(None)
    assert not shared.try_push(thing)
    assert shared.push_many([thing]) == 0
    with pytest.raises(Exception, match="places"):
        shared.push(thing, timeout=0)
    shared.close()
    with pytest.raises(RuntimeError):
        shared.try_push(thing)
    with pytest.raises(RuntimeError):
        shared.push_many([thing])
    assert sys.getrefcount(thing) == held


@kinds
def test_a_default_is_handed_back_as_it_is(make):
    shared, thing = make(1), Thing()
    held = sys.getrefcount(thing)
    assert shared.try_pop(thing) is thing
    assert shared.try_pop(default=thing) is thing
    assert sys.getrefcount(thing) == held


@kinds
def test_ten_thousand_objects_go_with_a_dropped_queue(make):
    shared = make(10_000)
    things = [Thing() for _ in range(10_000)]
    watched = [weakref.ref(thing) for thing in things]
    assert shared.push_many(things) == 10_000
    del things
    assert all(watch() is not None for watch in watched)
    del shared
    assert not any(watch() is not None for watch in watched)


@kinds
def test_the_collector_sees_what_a_queue_holds(make):
    shared, thing = make(4), Thing()
    for _ in range(3):  # not at the ring's beginning
        shared.push(0)
        shared.pop()
    shared.push(thing)
    shared.push(thing)
    assert gc.is_tracked(shared)
    assert gc.get_referents(shared).count(thing) == 2


@kinds
def test_a_cycle_through_a_queue_is_collected(make):
    gc.collect()
    shared, thing = make(2_000), Thing()
    thing.queue = shared
    for _ in range(1_500):  # several segments
        shared.push(thing)
    watch = weakref.ref(thing)
    del shared, thing
    gc.collect()
    assert watch() is None


@kinds
def test_an_object_may_use_the_queue_as_it_goes(make):
    seen = []

    class Returning:
        def __init__(self, queue, number):
            self.queue, self.number = queue, number

        def __del__(self):
            seen.append(self.number)
            self.queue.try_push("from the end")
            self.queue.try_pop()
            len(self.queue)

    shared = make(8)
    for number in range(5):
        shared.push(Returning(shared, number))
    shared.pop()
    del shared
    gc.collect()
    gc.collect()
    assert sorted(seen) == [0, 1, 2, 3, 4]


@kinds
def test_a_collection_in_the_middle_of_anything_changes_nothing(make):
    """Every allocation may run the collector, and that may run code that uses the queue."""
    shared = make(64)

    class Meddling:
        def __init__(self):
            self.itself = self

        def __del__(self):
            shared.try_pop()
            shared.try_push("meddled")

    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for lap in range(300):
            Meddling()
            shared.push_many([[lap] for _ in range(10)])
            got = shared.pop_many(8)
            assert all(isinstance(each, list) or each == "meddled" for each in got)
            while shared.try_pop() is not None:
                pass
    finally:
        gc.set_threshold(*thresholds)


@kinds
def test_a_deep_nest_of_queues_is_freed(make):
    outer = None
    for _ in range(50_000 if make is not MAKERS[2] else 2_000):
        holder = make(1)
        holder.push(outer)
        outer = holder
    del holder
    del outer


@kinds
def test_pushing_and_popping_asks_for_no_memory(make):
    shared = make(16)

    def through():
        shared.try_push(None)
        shared.try_pop()
        shared.push(None)
        shared.pop()
        shared.try_pop(None)

    assert blocks_after(through, 3_000) <= 2


def test_an_unbounded_queue_of_bounded_length_stops_allocating():
    shared = UnboundedQueue()
    counter = _core.Operation(lambda: (shared.push_many(range(200)), shared.pop_many()), ((),))
    counter.run(50)
    first, second = counter.count_allocations(100), counter.count_allocations(100)
    assert first == second  # the lists, and nothing of the queue's


def test_records_ask_for_their_scalar_only_and_leak_nothing():
    shared = RecordQueue(TICK, 16)
    row = np.zeros(1, TICK)[0]

    def through():
        shared.try_push(row)
        shared.try_pop()
        shared.push((1, 2.0))
        shared.pop()
        shared.push_many(np.zeros(3, TICK))
        shared.pop_many()

    assert blocks_after(through, 3_000) <= 5


def test_queues_and_records_give_back_their_dtype_and_type():
    for _ in range(2):
        RecordQueue(TICK, 4).pop_many()
    before = sys.getrefcount(TICK), sys.getrefcount(RecordQueue)
    for _ in range(100):
        shared = RecordQueue(TICK, 4)
        shared.push((1, 1.0))
        shared.pop()
        shared.pop_many(out=np.zeros(2, TICK))
        assert shared.dtype is TICK
    del shared
    assert (sys.getrefcount(TICK), sys.getrefcount(RecordQueue)) == before


@pytest.mark.parametrize("kind", [SpscQueue, MpmcQueue, UnboundedQueue])
def test_queues_give_back_their_type(kind):
    before = sys.getrefcount(kind)
    for _ in range(100):
        shared = kind() if kind is UnboundedQueue else kind(4)
        shared.push(shared)
        shared.pop()
    del shared
    gc.collect()
    assert sys.getrefcount(kind) == before


def test_errors_leak_nothing():
    shared, records = SpscQueue(1), RecordQueue(TICK, 1)
    wrong = np.zeros(2, [("x", "f4")])
    out = np.zeros((2, 2), TICK)

    def fail():
        for call in (
            lambda: SpscQueue(0),
            lambda: SpscQueue(1, wait="x"),
            lambda: RecordQueue("f8", 1),
            lambda: shared.try_pop(1, 2),
            lambda: shared.pop(-1),
            lambda: shared.push_many(5),
            lambda: records.push((1,)),
            lambda: records.push(wrong[0]),
            lambda: records.push_many(wrong),
            lambda: records.pop_many(out=out),
            lambda: records.pop_many("x"),
        ):
            try:  # pytest.raises() keeps a few blocks of its own each time
                call()
            except (InvalidTypeError, InvalidValueError):
                continue
            raise AssertionError

    fail()
    held = sys.getrefcount(out), sys.getrefcount(wrong)
    assert blocks_after(fail, 2_000) <= 200  # what is leaked by one kind of error would be 2,000
    assert (sys.getrefcount(out), sys.getrefcount(wrong)) == held


def test_threads_that_wait_at_the_end_of_the_interpreter_do_no_harm(tmp_path):
    script = """
import threading
from latencykit.engine import MpmcQueue, RecordQueue
begun = threading.Barrier(5)
def wait(call):
    begun.wait()
    call()
full = MpmcQueue(1)
full.push(0)
for call in (MpmcQueue(1).pop, MpmcQueue(1, wait="spin").pop, lambda: full.push(object()),
             RecordQueue([("x", "i8")], 1).pop):
    threading.Thread(target=wait, args=(call,), daemon=True).start()
begun.wait()
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_queue_lives_as_long_as_somebody_waits_at_it():
    begun = threading.Event()
    result = []

    def wait(shared):
        begun.set()
        result.append(shared.pop(30))

    shared = MpmcQueue(2)
    thread = threading.Thread(target=wait, args=(shared,))
    thread.start()
    assert begun.wait(30)
    shared.push("last")
    del shared
    thread.join(30)
    assert result == ["last"]


def test_a_dtype_that_gives_fields_to_a_number_is_refused():
    dtype = np.dtype((np.int32, {"low": (np.int16, 0), "high": (np.int16, 2)}))
    with pytest.raises(InvalidTypeError, match="fields"):
        RecordQueue(dtype, 4)


def test_an_interrupt_in_the_code_of_a_field_is_passed_on():
    class Interrupted:
        def __float__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RecordQueue([("x", "f8")], 1).push((Interrupted(),))


# The memory that is left is small from here on.
LITTLE_MEMORY = """
import resource
from pathlib import Path
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 20),) * 2)
try:
    {call}
except {error} as error:
    print("refused")
"""


@pytest.mark.parametrize(
    ("setup", "call", "error"),
    [
        ("queue = RecordQueue([('x', 'V100000000'), ('y', 'i4')], 1)", "queue.try_push((b'', 1))", "MemoryError"),
        ("", "Echo('spsc')", "CapacityError"),
        ("", "Echo('spsc', 0)", "CapacityError"),
    ],
)
def test_too_little_memory_for_a_record_or_a_thread_is_an_exception(tmp_path, setup, call, error):
    script = f"""
from latencykit.engine.queues import Echo, RecordQueue
from latencykit.errors import CapacityError
{setup}
{LITTLE_MEMORY.format(call=call, error=error)}
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="an echo needs a second CPU")
@pytest.mark.parametrize("kind", ["cache_line", "spsc", "condition"])
def test_the_child_of_a_fork_cannot_use_an_echo_and_can_drop_it(tmp_path, kind):
    script = f"""
import os, signal
from latencykit.engine.queues import Echo
from latencykit.errors import InvalidStateError
echo = Echo({kind!r})
child = os.fork()
if child == 0:
    signal.alarm(20)  # ends a call that never comes back
    try:
        echo.trip()
    except InvalidStateError:
        echo.close()
        os._exit(7)
status = os.waitpid(child, 0)[1]
echo.trip()
echo.close()
print(status)
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert int(done.stdout) == 7 << 8

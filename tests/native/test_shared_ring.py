"""References and memory of SharedRing: nothing leaks, and what it hands out is the caller's."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from leaks import blocks_after, mappings, open_files

from latencykit import _core
from latencykit.engine import SharedRing
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError

RECORD = np.dtype([("number", "<u8"), ("price", "<f8")])


@pytest.fixture
def name():
    name = f"latencykit-native-{os.getpid()}"
    yield name
    SharedRing.remove(name)


CALLS = 500
LEAK = CALLS // 2  # one block a call would be twice that; NumPy's and Python's own caches fill up on the way


def test_pushing_and_popping_leaves_nothing(name):
    with SharedRing.create(name, RECORD, 8) as ring:
        records, out = np.zeros(5, RECORD), np.zeros(8, RECORD)

        def work():
            ring.push(records)
            ring.push(records[::2])
            ring.pop(3)
            ring.pop(8, out)
            ring.pop(timeout=0)

        held = sys.getrefcount(ring.dtype), sys.getrefcount(records), sys.getrefcount(out)
        assert blocks_after(work, CALLS, first=2 * CALLS) < LEAK
        assert (sys.getrefcount(ring.dtype), sys.getrefcount(records), sys.getrefcount(out)) == held


def test_refusals_leave_nothing(name):
    with SharedRing.create(name, RECORD, 8) as ring, SharedRing.attach(name) as other:
        ring.push(np.zeros(1, RECORD))
        wrong, kept = np.zeros(2), sys.getrefcount(RECORD)
        calls = [
            lambda: ring.push(wrong),
            lambda: ring.push(object()),
            lambda: other.push(np.zeros(1, RECORD)),
            lambda: ring.pop(1, wrong),
            lambda: ring.pop(-1),
            lambda: ring.pop(1, timeout=-1),
            lambda: ring.pop(1, never=1),
            lambda: SharedRing.create(name, RECORD, 8),
            lambda: SharedRing.create(name, object, 8),
            lambda: SharedRing.attach(name, "f8"),
            lambda: SharedRing.attach(name + "-none"),
        ]

        def work():
            for call in calls:
                with pytest.raises((InvalidTypeError, InvalidValueError, InvalidStateError)):
                    call()

        assert blocks_after(work, CALLS, first=2 * CALLS) < LEAK
        assert sys.getrefcount(RECORD) == kept


def test_rings_give_back_their_memory_files_and_types(name):
    def work():
        with SharedRing.create(name, RECORD, 8) as ring, SharedRing.attach(name, RECORD) as other:
            ring.push(np.zeros(1, RECORD))
            other.pop()
            ring.unlink()
        dropped = SharedRing.create(name, RECORD, 8)
        dropped.unlink()

    work()
    held, files = sys.getrefcount(SharedRing), open_files()
    assert blocks_after(work, CALLS, first=2 * CALLS) < LEAK
    assert (sys.getrefcount(SharedRing), open_files(), mappings(name)) == (held, files, 0)


def test_what_is_popped_outlives_the_ring(name):
    ring = SharedRing.create(name, RECORD, 8)
    ring.push(np.ones(3, RECORD))
    records = ring.pop()
    ring.unlink()
    del ring
    assert records["price"].tolist() == [1.0] * 3


def test_it_cannot_be_made_or_derived_otherwise():
    with pytest.raises(TypeError):
        SharedRing()
    with pytest.raises(TypeError):
        type("Derived", (SharedRing,), {})


def test_round_trips_refuse_what_cannot_be_driven(name):
    with SharedRing.create(name, "f8", 2) as ring, SharedRing.create(name + "-small", "f4", 2) as small:
        small.unlink()
        with pytest.raises(InvalidTypeError, match="ring to push to"):
            _core.shared_ring_echo(ring, None, 1, 0)
        with pytest.raises(InvalidValueError, match="one size"):
            _core.shared_ring_echo(ring, small, 1, 0)
        with pytest.raises(InvalidValueError, match="count"):
            _core.shared_ring_round_trips(ring, small, -1, 0)
        with SharedRing.create(name + "-back", "f8", 2) as back:
            back.unlink()
            with pytest.raises(InvalidValueError, match="CPU 100000"):
                _core.shared_ring_round_trips(ring, back, 1, 100_000)


class Hooked(np.ndarray):
    """An array that runs code when a part of it is made."""

    hook = None

    def __array_finalize__(self, _whole):
        hook, type(self).hook = type(self).hook, None
        if hook is not None:
            hook()


@pytest.mark.parametrize("meddle", ["close", "pop"])
def test_code_that_runs_when_a_part_of_out_is_made_finds_the_records_taken(name, meddle):
    ring = SharedRing.create(name, "<u8", 8)
    ring.push(np.arange(4, dtype="<u8"))
    out = np.zeros(8, "<u8").view(Hooked)
    Hooked.hook = getattr(ring, meddle)
    assert ring.pop(None, out).tolist() == [0, 1, 2, 3]
    ring.close()


def test_an_interrupt_in_the_code_of_an_element_is_passed_on(name):
    class Interrupted:
        def __float__(self):
            raise KeyboardInterrupt

    with SharedRing.create(name, "<f8", 4) as ring, pytest.raises(KeyboardInterrupt):
        ring.push([Interrupted()])


def test_a_ring_is_not_closed_nor_used_in_the_middle_of_round_trips(name):
    with SharedRing.create(name, "<u8", 8) as one, SharedRing.create(f"{name}-back", "<u8", 8) as back:
        back.unlink()
        one.push(np.zeros(1, "<u8"))
        with SharedRing.attach(name) as end:
            echo = threading.Thread(target=_core.shared_ring_echo, args=(back, end, 2, min(os.sched_getaffinity(0))))
            echo.start()
            while len(one):  # the echo has begun when it has taken the first record
                pass
            for ring in (back, end):
                with pytest.raises(InvalidStateError, match="round trips"):
                    ring.close()
                with pytest.raises(InvalidStateError, match="round trips"):
                    ring.pop()
            one.push(np.zeros(1, "<u8"))
            echo.join()


def test_a_fork_while_another_thread_attaches_leaves_the_child_no_claim(tmp_path, name):
    script = f"""
import os, threading
from latencykit.engine import SharedRing
ring = SharedRing.create({name!r}, "u8", 8)
stop = threading.Event()
def attach():
    while not stop.is_set():
        SharedRing.attach({name!r}).close()
thread = threading.Thread(target=attach)
thread.start()
most = 0
for _ in range(600):
    child = os.fork()
    if child == 0:
        found = 0
        for number in os.listdir("/proc/self/fd"):
            try:
                found += os.readlink("/proc/self/fd/" + number).endswith({name!r})
            except OSError:
                pass
        os._exit(found)
    most = max(most, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
stop.set()
thread.join()
print(most)
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert int(done.stdout) <= 2  # the mapped files of the ring and of the one being attached

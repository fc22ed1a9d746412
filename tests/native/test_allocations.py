import ctypes
import gc
import itertools
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

from latencykit._core import AllocationCounter, Histogram
from latencykit.errors import InvalidStateError

NOTHING = {"raw": 0, "mem": 0, "object": 0, "malloc": 0}
BIG = 1 << 40


def glibc():
    try:
        return bool(ctypes.CDLL(None).gnu_get_libc_version)
    except AttributeError:
        return False


sees_malloc = pytest.mark.skipif(
    not (sys.platform == "linux" and glibc()), reason="malloc is seen with glibc on Linux only"
)


def counts_of(function, *arguments):
    """Count a call's second run; the first fills caches."""
    counter = AllocationCounter()
    function(*arguments)
    counter.start()
    result = function(*arguments)
    counts = counter.stop()
    del result
    return counts


def of_python(counts):
    return counts["raw"], counts["mem"], counts["object"]


def test_nothing_allocates_nothing():
    counter = AllocationCounter()
    counter.start()
    counts = counter.stop()
    assert of_python(counts) == (0, 0, 0)
    assert counts["malloc"] in {0, None}


@sees_malloc
def test_an_empty_with_block_allocates_nothing():
    with AllocationCounter() as counter:
        pass
    assert counter.counts == NOTHING


@sees_malloc
def test_a_loop_over_what_is_there_allocates_nothing():
    histogram = Histogram()
    record, counter, i = histogram.record, AllocationCounter(), 0
    counter.start()
    while i < 250:  # small integers are never created
        record(i)
        i += 1
    counts = counter.stop()  # not inside the assert, where pytest takes the bound method first: an object
    assert counts == NOTHING


@sees_malloc
@pytest.mark.parametrize("size", [100, 1000, 100_000])
def test_bytes_of_any_size_are_one_object(size):
    # Above 512 bytes the object allocator itself asks malloc: the same request, counted once.
    assert counts_of(bytes, size) == {**NOTHING, "object": 1}


@sees_malloc
def test_a_number_that_is_not_small_is_one_object():
    assert counts_of(lambda: BIG + 1) == {**NOTHING, "object": 1}


@sees_malloc
def test_the_growth_of_a_list_is_one_request_for_memory():
    items = []
    counter = AllocationCounter()
    counter.start()
    items.append(None)
    counts = counter.stop()
    assert counts == {**NOTHING, "mem": 1}


@sees_malloc
def test_what_a_library_takes_from_malloc_is_counted():
    counts = counts_of(np.empty, 100_000)
    assert counts["malloc"] + counts["raw"] == 1  # NumPy 2.5 asks through CPython's raw domain.
    assert counts["object"] >= 1


@sees_malloc
def test_the_counts_of_a_histogram_are_one_calloc():
    assert counts_of(Histogram) == {**NOTHING, "object": 1, "malloc": 1}


@sees_malloc
def test_a_function_that_ctypes_looked_up_is_not_seen():
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    blocks = []
    assert counts_of(lambda: blocks.append(libc.malloc(100)))["malloc"] == 0
    for block in blocks:
        libc.free(block)


@sees_malloc
def test_a_library_loaded_after_the_first_count_is_seen_by_the_next():
    pytest.importorskip("sqlite3")
    script = """if True:
        import sys
        from latencykit._core import AllocationCounter
        assert "sqlite3" not in sys.modules
        with AllocationCounter():
            pass
        import sqlite3
        with AllocationCounter() as counter:
            sqlite3.connect(":memory:").execute("create table t (x)")
        print(counter.counts["malloc"])
    """
    done = subprocess.run([sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True)
    assert int(done.stdout) > 20


def allocate_when_told(told, done):
    told.acquire()
    kept = [bytes(1000) for _ in range(5000)]
    arrays = [np.empty(1000) for _ in range(100)]
    done.release()
    return kept, arrays


def test_other_threads_are_not_counted():
    told, done = threading.Lock(), threading.Lock()
    told.acquire()
    done.acquire()
    other = threading.Thread(target=allocate_when_told, args=(told, done))
    other.start()
    counter = AllocationCounter()
    counter.start()
    told.release()
    done.acquire()
    counts = counter.stop()
    other.join()
    assert sum(value or 0 for value in counts.values()) < 20


def test_threads_count_apart():
    results = {}
    both_started, both_allocated = threading.Barrier(2), threading.Barrier(2)

    def count(how_many):
        counter = AllocationCounter()
        kept = [None] * how_many
        both_started.wait()
        counter.start()
        for i in range(how_many):
            kept[i] = bytes(2000)
        results[how_many] = counter.stop()["object"]
        both_allocated.wait()

    threads = [threading.Thread(target=count, args=(n,)) for n in (300, 700)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The loop adds its iterator and the indices that are not small integers.
    assert 300 <= results[300] < 700 <= results[700] < 1300


def test_a_second_start_is_refused_and_harms_nothing():
    counter, second = AllocationCounter(), AllocationCounter()
    counter.start()
    with pytest.raises(InvalidStateError, match="this AllocationCounter is counting already"):
        counter.start()
    with pytest.raises(InvalidStateError, match="this thread is counting allocations already"):
        second.start()
    assert counter.counting
    assert not second.counting
    counter.stop()
    second.start()
    second.stop()


def test_stop_without_start():
    counter = AllocationCounter()
    with pytest.raises(InvalidStateError, match="not counting; start it first"):
        counter.stop()
    assert counter.counts is None


def test_only_the_thread_that_started_can_stop():
    counter = AllocationCounter()
    errors = []

    def stop():
        try:
            counter.stop()
        except InvalidStateError as error:
            errors.append(str(error))

    counter.start()
    thread = threading.Thread(target=stop)
    thread.start()
    thread.join()
    counter.stop()
    assert len(errors) == 1
    assert "in another thread" in errors[0]


def test_an_error_inside_the_block_comes_through_and_the_count_ends():
    counter = AllocationCounter()
    with pytest.raises(ZeroDivisionError), counter:
        1 / 0  # noqa: B018
    assert not counter.counting
    assert counter.counts is not None


def test_a_counter_that_is_dropped_while_counting_stops():
    allocators = all_allocators()
    counter = AllocationCounter()
    counter.start()
    del counter
    assert all_allocators() == allocators
    with AllocationCounter():
        pass


def test_a_counter_of_a_thread_that_is_gone_gives_its_hooks_back():
    allocators = all_allocators()
    counters = [AllocationCounter()]
    thread = threading.Thread(target=counters[0].start)
    thread.start()
    thread.join()
    assert all_allocators() != allocators
    counters.clear()
    assert all_allocators() == allocators


class Allocator(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("ctx", "malloc", "calloc", "realloc", "free")]


def all_allocators():
    """Read CPython's allocator tables: (context, four functions) of the raw, mem and object domains."""
    table = []
    for domain in range(3):
        allocator = Allocator()
        ctypes.pythonapi.PyMem_GetAllocator(domain, ctypes.byref(allocator))
        table.append(tuple(getattr(allocator, name) for name, _ in Allocator._fields_))
    return table


def test_start_and_stop_a_thousand_times():
    allocators = all_allocators()
    counter = AllocationCounter()

    def blocks_after(repeats):
        for _ in range(repeats):
            counter.start()
            counter.stop()
        gc.collect()
        return sys.getallocatedblocks()

    before = blocks_after(10)
    assert blocks_after(1000) - before < 20
    assert all_allocators() == allocators
    counter.start()
    assert all_allocators() != allocators
    counter.stop()


@sees_malloc
def test_beside_tracemalloc():
    tracemalloc.start()
    try:
        assert counts_of(bytes, 1000) == {**NOTHING, "object": 1}
        kept = bytes(100_000)
        assert tracemalloc.get_traced_memory()[0] > 100_000
        del kept
    finally:
        tracemalloc.stop()


@sees_malloc
def test_tracemalloc_laid_over_it_and_taken_off_again():
    allocators = all_allocators()
    counter = AllocationCounter()
    counter.start()
    tracemalloc.start()
    kept = bytes(1000)
    counts = counter.stop()
    assert counts["object"] >= 1
    # Ours is still under the tracer, and is used there instead of a second one on top.
    assert counts_of(bytes, 1000)["object"] == 1
    tracemalloc.stop()
    assert counts_of(bytes, 1000) == {**NOTHING, "object": 1}
    assert all_allocators() == allocators
    del kept


def test_allocators_replaced_while_counting_are_told():
    allocators = all_allocators()
    tracemalloc.start()
    counter = AllocationCounter()
    counter.start()
    tracemalloc.stop()
    with pytest.raises(InvalidStateError, match="replaced while"):
        counter.stop()
    assert not counter.counting
    assert all_allocators() == allocators
    assert counts_of(bytes, 1000)["object"] == 1
    assert all_allocators() == allocators


def test_nothing_leaks():
    def work():
        with AllocationCounter() as counter:
            bytes(1000)
        counter.counts["counter"] = counter  # a cycle
        for failing in (counter.stop, AllocationCounter().stop):
            with pytest.raises(InvalidStateError):
                failing()

    def blocks_after(repeats):
        for _ in range(repeats):
            work()
        gc.collect()
        return sys.getallocatedblocks()

    # A leak grows with every round; caches that fill, in the interpreter or in pytest, stop.
    rounds = [blocks_after(200) for _ in range(6)]
    assert min(after - before for before, after in itertools.pairwise(rounds)) < 50


def test_the_type_is_final_and_takes_no_arguments():
    with pytest.raises(TypeError):
        AllocationCounter(1)
    with pytest.raises(TypeError):
        type("Sub", (AllocationCounter,), {})


def test_a_later_thread_cannot_stop_the_count_of_one_that_ended():
    # Threads' identifiers are used again, usually at once.
    counter = AllocationCounter()
    first = threading.Thread(target=counter.start)
    first.start()
    first.join()
    errors = []

    def stop():
        try:
            counter.stop()
        except InvalidStateError as error:
            errors.append(str(error))

    second = threading.Thread(target=stop)
    second.start()
    second.join()
    assert len(errors) == 1
    assert "started in another thread" in errors[0]


def test_a_count_that_another_thread_dropped_does_not_keep_its_thread_from_counting():
    held = [AllocationCounter()]
    held[0].start()
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert counts_of(bytes, 1000)["object"] == 1

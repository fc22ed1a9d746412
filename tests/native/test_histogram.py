import contextlib
import gc
import sys
import threading
import tracemalloc
import warnings
import weakref

import numpy as np
import pytest

from latencykit import _core
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError, LatencykitError
from latencykit.histogram import Histogram, decode, encode

ARRAY = np.arange(50, dtype=np.int64)
BAD_ARRAY = np.array([1.0, -1.0])
TICKS = np.arange(50, dtype=np.uint64)
TEXT = encode(Histogram())


def use_everything():
    histogram = Histogram(1, 100_000, digits=2)
    histogram.record(5)
    histogram.record_n(2**70, 3)
    histogram.record_corrected(90_000, 1000)
    histogram.record_many(ARRAY)
    histogram.record_ticks(TICKS, 0.4)
    twin = histogram.copy()
    twin.merge(histogram)
    assert twin != histogram
    repr(twin)
    twin.iter_recorded()
    twin.decode_counts(histogram.encode_counts())
    decode(encode(twin))
    for name in (
        "count",
        "saturated",
        "min",
        "max",
        "mean",
        "stddev",
        "lowest",
        "highest",
        "digits",
        "buckets",
    ):
        getattr(twin, name)
    twin.percentile(99.9)
    twin.value_at_rank(3)
    twin.reset()
    watch = _core.DurationWatch("max", 10)
    histogram.add_watch(watch)
    histogram.record(20)
    watch.crossed()
    watch.collect()
    Histogram._from_interval(histogram)
    named = Named._from_interval(histogram)
    named.name = "x"
    named.record(5)
    Named().add_watch(watch)
    histogram.remove_watch(watch)


def fail_everywhere():
    histogram = Histogram()
    for failing in (
        lambda: Histogram(digits=9),
        lambda: histogram.record(-1),
        lambda: histogram.record(1.5),
        lambda: histogram.record_n(1),
        lambda: histogram.record_many([1]),
        lambda: histogram.record_many(BAD_ARRAY),
        lambda: histogram.record_ticks(TICKS, "x"),
        lambda: histogram.percentile(101),
        lambda: histogram.percentile(50),
        lambda: histogram.merge(1),
        lambda: histogram.decode_counts(b"\x80"),
        lambda: histogram.decode_counts(1),
        lambda: decode(TEXT[:-8]),
    ):
        with pytest.raises(LatencykitError):
            failing()


@pytest.mark.parametrize("work", [use_everything, fail_everywhere])
def test_nothing_leaks(work):
    def objects_and_bytes_after(repeats):
        for _ in range(repeats):
            work()
        gc.collect()
        return sys.getallocatedblocks(), tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        blocks, size = objects_and_bytes_after(30)
        blocks_later, size_later = objects_and_bytes_after(100)
    finally:
        tracemalloc.stop()
    assert blocks_later - blocks < 50
    assert size_later - size < 5000


def test_the_counts_are_given_back():
    def resident_pages():
        with open("/proc/self/statm") as file:  # noqa: PTH123
            return int(file.read().split()[1])

    def make_and_touch():
        histogram = Histogram(digits=4)  # about 4 MB of counts, all of them touched by reset
        histogram.reset()

    if sys.platform != "linux":
        pytest.skip("reads /proc/self/statm")
    make_and_touch()
    before = resident_pages()
    for _ in range(50):
        make_and_touch()
    assert resident_pages() - before < 10_000  # fifty of them kept would be 50,000 pages


def test_references_are_balanced():
    histogram = Histogram()
    for argument, method in (
        (10**6, histogram.record),
        (ARRAY, histogram.record_many),
        (histogram, histogram.merge),
    ):
        before = sys.getrefcount(argument)
        for _ in range(100):
            method(argument)
            histogram.reset()
        assert sys.getrefcount(argument) == before
    type_references = sys.getrefcount(Histogram)
    kept = [Histogram() for _ in range(10)]
    assert sys.getrefcount(Histogram) == type_references + len(kept)
    del kept
    assert sys.getrefcount(Histogram) == type_references


def test_the_type_is_fixed():
    with pytest.raises(TypeError):
        Histogram.extra = 1
    with pytest.raises(AttributeError):
        Histogram().count = 5
    assert Histogram is _core.Histogram


class Named(Histogram):
    __slots__ = ("__weakref__", "name")


HOT = ("record", "record_n", "record_corrected", "record_many", "record_ticks")


def test_a_subclass_has_methods_of_its_own_so_that_calls_stay_specialised():
    class Grandchild(Named):
        __slots__ = ()

    for kind in (Named, Grandchild):
        for name in HOT:
            method = vars(kind)[name]
            assert type(method) is type(str.join)
            assert method.__objclass__ is kind


def test_a_subclass_keeps_the_methods_that_it_or_its_parents_replace():
    class Doubling(Histogram):
        def record(self, ns):
            super().record(2 * ns)

    class Child(Doubling):
        pass

    class Mixin:
        def record(self, ns):
            raise AssertionError

    class Mixed(Mixin, Histogram):
        pass

    child = Child()
    child.record(5)
    assert child.max == 10
    assert "record" not in vars(Child)
    assert "record" not in vars(Mixed)
    assert "merge" in vars(Child)


def test_a_base_that_replaces_nothing_does_not_hide_what_the_next_one_replaces():
    class Plain(Histogram):
        pass

    class Doubling(Histogram):
        def record(self, ns):
            super().record(2 * ns)

    class Both(Plain, Doubling):
        pass

    class Later(Both):
        pass

    for made in (Both(), Later()):
        made.record(50)
        assert (made.max, made.count) == (100, 1)
    assert Both.record is Doubling.record
    assert Both.merge.__objclass__ is Both


def test_a_class_that_hides_its_base_is_a_histogram_all_the_same():
    class Hiding(type):
        def mro(cls):
            return [cls, object]

    class Hidden(Histogram, metaclass=Hiding):
        pass

    Hidden(1, 100_000, digits=2)
    with pytest.raises(InvalidTypeError, match="lowest is 'x'"):
        Hidden("x")
    with pytest.raises(TypeError, match="doesn't apply"):
        Histogram.record(Hidden(), 5)


@pytest.mark.parametrize(
    ("every", "error"),
    [("x", InvalidTypeError), (None, InvalidTypeError), (0, InvalidValueError), (2**70, InvalidValueError)],
)
def test_a_watch_refuses_an_interval_that_is_none(every, error):
    with pytest.raises(error, match="every_ns"):
        _core.DurationWatch("max", 10).wait(every)


def test_other_bases_take_part_in_making_a_subclass():
    class Mixin:
        def __init_subclass__(cls, *, label, **keywords):
            super().__init_subclass__(**keywords)
            cls.label = label

    class Labelled(Histogram, Mixin, label="x"):
        pass

    assert Labelled.label == "x"
    with pytest.raises(TypeError):

        class Unknown(Histogram, label="x"):
            pass


def test_a_method_of_a_subclass_refuses_another_object():
    with pytest.raises(TypeError):
        vars(Named)["record"](Histogram(), 5)


def test_errors_of_a_subclass_are_those_of_the_hierarchy():
    named = Named(1, 1000)
    for failing in (
        lambda: Named(digits=9),
        lambda: named.record(-1),
        lambda: named.record(1.5),
        lambda: named.record_many(BAD_ARRAY),
        lambda: named.percentile(50),
        lambda: named.min,
        lambda: named.merge(1),
        lambda: named.decode_counts(b"\x80"),
        lambda: named.add_watch(1),
        lambda: Named._from_interval(1),
    ):
        with pytest.raises(LatencykitError):
            failing()


def test_subclasses_compare_and_merge_with_histograms_and_their_copy_is_plain():
    named, plain = Named(), Histogram()
    for each in (named, plain):
        each.record(5)
    assert named == plain
    assert plain == named
    plain.merge(named)
    assert plain.count == 2
    assert type(named.copy()) is Histogram
    assert named.copy() == named


def test_instances_of_subclasses_are_given_back():
    gc.collect()
    references = sys.getrefcount(Named)
    kept = [Named() for _ in range(10)] + [Named._from_interval(Histogram()) for _ in range(10)]
    assert sys.getrefcount(Named) == references + len(kept)
    dead = weakref.ref(kept[0])
    for each in kept:
        each.name = each  # a cycle that only the collector ends
    del each, kept
    gc.collect()
    assert dead() is None
    assert sys.getrefcount(Named) == references


def test_a_subclass_is_given_back():
    gc.collect()
    references = sys.getrefcount(Histogram)
    for _ in range(5):

        class Passing(Histogram):
            __slots__ = ("name",)

        Passing().record(5)
    del Passing
    gc.collect()
    assert sys.getrefcount(Histogram) == references


def test_intervals_leave_the_histogram_as_it_is():
    histogram = Histogram(1, 1000)
    histogram.record(5)
    histogram.record(2000)
    first = Histogram._from_interval(histogram)
    assert first == histogram
    assert (first.count, first.saturated) == (2, 1)
    histogram.record(7)
    second = Histogram._from_interval(histogram)
    assert (second.count, second.min, second.saturated) == (1, 7, 0)
    assert histogram.count == 3
    assert Histogram._from_interval(histogram).count == 0


def test_reset_and_decoding_start_the_intervals_anew():
    histogram, other = Histogram(), Histogram()
    histogram.record_n(5, 10)
    Histogram._from_interval(histogram)
    with pytest.raises(LatencykitError):
        histogram.decode_counts(b"\x80")
    assert Histogram._from_interval(histogram).count == 0
    other.record(9)
    histogram.decode_counts(other.encode_counts())
    assert Histogram._from_interval(histogram) == other
    histogram.reset()
    histogram.record(3)
    assert Histogram._from_interval(histogram).count == 1


def test_threads_that_reset_decode_and_take_intervals_at_once_do_no_harm():
    histogram, stop = Histogram(), threading.Event()
    counts = encode_counts_of(range(1000))
    taken = []

    def take():
        for _ in range(30):
            with contextlib.suppress(InvalidStateError):
                taken.append(Histogram._from_interval(histogram).count)

    def disturb():
        while not stop.is_set():
            histogram.decode_counts(counts)
            histogram.record(5)
            histogram.reset()

    takers = [threading.Thread(target=take) for _ in range(2)]
    disturber = threading.Thread(target=disturb)
    for thread in (*takers, disturber):
        thread.start()
    for thread in takers:
        thread.join()
    stop.set()
    disturber.join()
    assert max(taken) <= 1001


def encode_counts_of(values):
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram.encode_counts()


def test_a_watch_sees_all_that_is_recorded_and_nothing_that_is_merged():
    histogram, watch = Histogram(), _core.DurationWatch("max", 99)
    histogram.add_watch(watch)
    histogram.record(100)
    histogram.record_n(200, 3)
    histogram.record_n(900, 0)
    histogram.record_corrected(500, 100)
    histogram.record_many(np.array([50, 600], np.int64))
    histogram.record_ticks(np.array([1000], np.uint64), 0.7)
    assert watch.crossed()
    assert watch.collect() == (700.0, 8, 7, 700)
    merged = Histogram()
    merged.record(5000)
    histogram.merge(merged)
    histogram.decode_counts(merged.encode_counts())
    assert not watch.crossed()
    histogram.remove_watch(watch)
    histogram.record(5000)
    assert not watch.crossed()


def test_several_watches_and_one_that_was_never_added():
    histogram = Histogram()
    low, high, other = (_core.DurationWatch("max", limit) for limit in (10.0, 1000.0, 0.0))
    histogram.add_watch(low)
    histogram.add_watch(high)
    histogram.remove_watch(other)
    histogram.record(50)
    assert low.crossed()
    assert not high.crossed()
    histogram.remove_watch(low)
    histogram.record(5000)
    assert high.crossed()
    assert low.collect()[2] == 1


def test_a_histogram_that_goes_closes_its_watches():
    histogram, watch = Histogram(), _core.DurationWatch("mean", 10)
    histogram.add_watch(watch)
    assert not watch.closed
    del histogram
    assert watch.closed
    assert not watch.wait(1)


@pytest.mark.parametrize("arguments", [("median", 5.0), ("max", -1.0), ("max", float("nan")), ("mean", float("inf"))])
def test_impossible_watches(arguments):
    with pytest.raises(InvalidValueError):
        _core.DurationWatch(*arguments)


@pytest.mark.parametrize("every_ns", [0, -1])
def test_a_watch_must_sleep(every_ns):
    with pytest.raises(InvalidValueError, match="every_ns is"):
        _core.DurationWatch("max", 1).wait(every_ns)


def test_an_array_that_changes_while_the_rate_is_read_is_refused():
    ticks = np.ones(1000, np.uint64)

    class Rate:
        def __float__(self):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                ticks.dtype = np.uint8
            return 1.0

    histogram = _core.Histogram()
    with pytest.raises(LatencykitError, match="dtype is uint8"):
        histogram.record_ticks(ticks, Rate())
    assert histogram.count == 0

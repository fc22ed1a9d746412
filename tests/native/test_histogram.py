import gc
import sys
import tracemalloc
import warnings

import numpy as np
import pytest

from latencykit import _core
from latencykit.errors import LatencykitError
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


def test_the_type_is_final_and_fixed():
    with pytest.raises(TypeError):
        type("Sub", (Histogram,), {})
    with pytest.raises(TypeError):
        Histogram.extra = 1
    with pytest.raises(AttributeError):
        Histogram().count = 5
    assert Histogram is _core.Histogram


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

"""References and memory of statistics with intervals and alarms."""

import gc
import sys
import threading
import tracemalloc

import pytest

from latencykit.engine import PerformanceStats
from latencykit.errors import LatencykitError


def use_everything():
    called = threading.Event()
    stats = PerformanceStats("x")
    alarm = stats.alert(lambda _alert: called.set(), every="100us")
    stats.alert(print, statistic="mean", above="1s", every="100us").close()
    stats.record(20_000)
    assert called.wait(30)
    alarm.close()
    stats.record_n(300, 5000)
    stats.percentile(99)
    stats.meets_targets(p50="1us", p999="1ms")
    stats.report(p99="1us")
    stats.percentile_distribution()
    interval = stats.take_interval()
    interval.copy()
    PerformanceStats.decode(interval.encode(), "y")


def fail_everywhere():
    stats = PerformanceStats()
    for failing in (
        lambda: PerformanceStats(digits=9),
        lambda: PerformanceStats(5),
        lambda: stats.percentile(50),
        lambda: stats.percentile("x"),
        lambda: stats.meets_targets(p50="1us"),
        lambda: stats.meets_targets(p100="1us"),
        lambda: stats.alert(5),
        lambda: stats.alert(print, "x"),
        lambda: PerformanceStats.decode("x"),
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
        blocks, size = objects_and_bytes_after(20)
        blocks_later, size_later = objects_and_bytes_after(60)
    finally:
        tracemalloc.stop()
    assert blocks_later - blocks < 60
    assert size_later - size < 10_000


def test_references_are_balanced():
    gc.collect()
    references = sys.getrefcount(PerformanceStats)
    kept = [PerformanceStats() for _ in range(10)]
    kept += [stats.take_interval() for stats in kept]
    assert sys.getrefcount(PerformanceStats) == references + len(kept)
    del kept
    gc.collect()
    assert sys.getrefcount(PerformanceStats) == references

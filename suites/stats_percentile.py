"""What it costs to ask for a percentile of durations that were recorded."""

from typing import TYPE_CHECKING

import latencykit as lk

from ._durations import KEPT, durations

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

stats_percentile = lk.Component("stats_percentile", baseline="naive", doc=f"p99 of {KEPT:,} recorded durations")


def filled(record: "Callable[[int], object]") -> None:
    for ns in durations():
        record(ns)


@stats_percentile.variant(name="naive")
def sorted_list() -> "Callable[[], object]":
    kept = durations()

    def p99() -> int:
        return sorted(kept)[len(kept) * 99 // 100]

    return p99


@stats_percentile.variant(name="statistics", contrast=True)
def standard_library() -> "Callable[[], object]":
    from statistics import quantiles

    kept = durations()

    def p99() -> float:
        return quantiles(kept, n=100)[98]

    return p99


@stats_percentile.variant(name="numpy", contrast=True)
def numpy_array() -> "Operation":
    import numpy as np

    return lk.call(np.percentile, np.array(durations()), 99)


@stats_percentile.variant(name="histogram")
def our_histogram() -> "Operation":
    from latencykit.engine import PerformanceStats

    kept = PerformanceStats()
    filled(kept.record)
    return lk.call(kept.percentile, 99)


@stats_percentile.variant(name="hdrhistogram", peer="hdrhistogram")
def their_histogram() -> "Operation":
    from hdrh.histogram import HdrHistogram

    kept = HdrHistogram(1, 3_600_000_000_000, 3)
    filled(kept.record_value)
    return lk.call(kept.get_value_at_percentile, 99)


@stats_percentile.variant(name="ddsketch", peer="ddsketch")
def their_sketch() -> "Operation":
    from ddsketch import DDSketch

    kept = DDSketch(0.001)
    filled(kept.add)
    return lk.call(kept.get_quantile_value, 0.99)


@stats_percentile.variant(name="tdigest", peer="fastdigest")
def their_digest() -> "Operation":
    from fastdigest import TDigest

    kept = TDigest()
    filled(kept.update)
    return lk.call(kept.percentile, 99)

"""Statistics of durations: what it costs to keep one, and what it costs to ask for a percentile.

`stats` is the hot path: one duration is recorded. A list is as cheap as that gets, and only puts off the work:
`stats_percentile` is the question asked afterwards, of 10,000 durations. The list also grows for ever, and forgets
nothing; the histogram is of one size, and exact to three digits.
"""

import random
from typing import TYPE_CHECKING

import latencykit as lk

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

KEPT = 10_000
# A list that is emptied now and then, untimed, so that a long run fits into memory.
MOST_KEPT = 1_000_000

stats = lk.Component("stats", baseline="naive", doc="record one duration")
stats_percentile = lk.Component("stats_percentile", baseline="naive", doc=f"p99 of {KEPT:,} recorded durations")


def durations() -> list[int]:
    """Return durations as a hot path has them, some hundred nanoseconds with a long tail, over many buckets."""
    source = random.Random(20)  # noqa: S311 - the same durations in every run
    return [max(1, round(source.lognormvariate(6.0, 0.8))) for _ in range(KEPT)]


def recorded(record: "Callable[[int], object]", between: "Callable[[], object] | None" = None) -> "Operation":
    return lk.replay(record, [(ns,) for ns in durations()], between=between)


def filled(record: "Callable[[int], object]") -> None:
    for ns in durations():
        record(ns)


# --- recording


@stats.variant
def naive() -> "Operation":
    kept: list[int] = []

    def empty_when_long() -> None:
        if len(kept) > MOST_KEPT:
            kept.clear()

    return recorded(kept.append, empty_when_long)


@stats.variant(name="array", contrast=True)
def typed_array() -> "Operation":
    from array import array

    kept = array("q")

    def empty_when_long() -> None:
        if len(kept) > MOST_KEPT:
            del kept[:]

    return recorded(kept.append, empty_when_long)


@stats.variant(contrast=True)
def numpy_slots() -> "Operation":
    """Write into a preallocated array, from the start again when it is full."""
    import numpy as np

    kept, position = np.zeros(KEPT, np.int64), 0

    def record(ns: int) -> None:
        nonlocal position
        kept[position] = ns
        position = (position + 1) % KEPT

    return recorded(record)


@stats.variant(contrast=True)
def sorted_window() -> "Operation":
    """Keep the last 10,000 sorted, so that every percentile is at hand."""
    from bisect import bisect_left, insort
    from collections import deque

    values = durations()
    order, ranked = deque(values), sorted(values)

    def record(ns: int) -> None:
        del ranked[bisect_left(ranked, order.popleft())]
        order.append(ns)
        insort(ranked, ns)

    return recorded(record)


@stats.variant(contrast=True)
def counter() -> "Operation":
    """Count durations in a dict, by their leading ten bits."""
    from collections import Counter

    counts: Counter[int] = Counter()

    def record(ns: int) -> None:
        shift = max(ns.bit_length() - 10, 0)
        counts[ns >> shift << shift] += 1

    return recorded(record)


@stats.variant
def histogram() -> "Operation":
    from latencykit.engine import PerformanceStats

    return recorded(PerformanceStats().record)


@stats.variant
def histogram_with_alarm() -> "Operation":
    """Record while an alarm for durations above 10 µs is armed; none is raised."""
    from latencykit.engine import PerformanceStats

    watched = PerformanceStats()
    watched.alert(lambda _alert: None)
    return recorded(watched.record)


@stats.variant(contrast=True)
def histogram_corrected() -> "Operation":
    from latencykit.engine import PerformanceStats

    record = PerformanceStats().record_corrected
    return lk.replay(record, [(ns, 1_000) for ns in durations()])


@stats.variant(peer="hdrhistogram")
def hdrhistogram() -> "Operation":
    from hdrh.histogram import HdrHistogram

    return recorded(HdrHistogram(1, 3_600_000_000_000, 3).record_value)


@stats.variant(peer="ddsketch")
def ddsketch() -> "Operation":
    from ddsketch import DDSketch

    return recorded(DDSketch(0.001).add)


@stats.variant(peer="fastdigest")
def tdigest() -> "Operation":
    from fastdigest import TDigest

    return recorded(TDigest().update)


# --- asking for a percentile


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

"""Statistics of durations: what it costs to record one.

A list is as cheap as that gets, and puts off the work: `stats_percentile` is the question asked afterwards. The list
also grows for ever; the histogram stays of one size, and knows durations to three digits.
"""

from typing import TYPE_CHECKING

import latencykit as lk

from ._durations import KEPT, durations

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.suite import Operation

# A list that is emptied now and then, untimed, so that a long run fits into memory.
MOST_KEPT = 1_000_000

stats = lk.Component("stats", baseline="naive", doc="record one duration")


def recorded(record: "Callable[[int], object]", between: "Callable[[], object] | None" = None) -> "Operation":
    return lk.replay(record, [(ns,) for ns in durations()], between=between)


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

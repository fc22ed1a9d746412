import math
import threading

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from latencykit.engine import PerformanceStats
from latencykit.errors import DataError, InvalidStateError, InvalidValueError
from latencykit.histogram import Histogram, encode
from latencykit.histogram_log import parse_histogram_log
from latencykit.percentile_distribution import percentile_distribution

HOUR_NS = 3_600_000_000_000
durations = st.integers(0, 41).flatmap(lambda bits: st.integers(0, min(2**bits, HOUR_NS)))
layouts = st.tuples(st.integers(1, 70), st.integers(140, 10**6), st.integers(1, 3))


def of(values, **settings):
    stats = PerformanceStats(**settings)
    stats.record_many(np.array(values, np.int64))
    return stats


@given(st.lists(durations, min_size=1, max_size=400), st.floats(0, 100))
def test_a_percentile_is_that_of_the_sorted_durations_or_refused(values, q):
    stats, ordered = of(values), sorted(values)
    tail = max(q, 100 - q) / 100
    if 0 < q < 100 and tail ** len(values) > 0.025:
        with pytest.raises(InvalidStateError, match=f"there are {len(values)};"):
            stats.percentile(q)
    else:
        exact = ordered[min(max(math.floor(q * len(values) / 100 + 0.5), 1), len(values)) - 1]
        assert exact * 0.999 <= stats.percentile(q) <= exact * 1.001


@given(layouts, st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**6)), max_size=30))
def test_encoding_is_that_of_the_reference_both_ways(layout, records):
    lowest, highest, digits = layout
    ours, theirs = PerformanceStats(lowest=lowest, highest=highest, digits=digits), HdrHistogram(*layout)
    for value, count in records:
        ours.record_n(min(value, highest), count)
        theirs.record_value(min(value, highest), count)
    assert ours.encode() == theirs.encode().decode()
    assert PerformanceStats.decode(theirs.encode()) == ours
    assert HdrHistogram.decode(ours.encode()).get_total_count() == ours.count


@given(st.lists(st.lists(durations, max_size=20), min_size=1, max_size=6))
def test_intervals_add_up_to_the_whole(chunks):
    stats, total = PerformanceStats(), PerformanceStats()
    for chunk in chunks:
        stats.record_many(np.array(chunk, np.int64))
        interval = stats.take_interval()
        assert interval == of(chunk)
        total.merge(interval)
    assert total == stats
    assert stats.take_interval().count == 0


def test_intervals_taken_beside_a_thread_that_records_add_up_to_the_whole():
    stats, total, done = PerformanceStats(highest=50_000), PerformanceStats(highest=50_000), threading.Event()
    values = np.random.default_rng(7).lognormal(8, 2, 40_000).astype(int).tolist()

    def record_all():
        for value in values:
            stats.record(value)
        done.set()

    recorder = threading.Thread(target=record_all)
    recorder.start()
    while not done.is_set():
        total.merge(stats.take_interval())
    recorder.join()
    total.merge(stats.take_interval())
    assert total == stats
    assert stats.count == len(values)
    assert total.saturated == stats.saturated > 0


@given(st.lists(durations, max_size=30), st.lists(durations, max_size=30))
def test_merging_is_recording_both(left, right):
    merged = of(left)
    merged.merge(of(right))
    assert merged == of(left + right)


@given(st.lists(durations, min_size=400, max_size=420), st.floats(1, 1e13), st.sampled_from([50, 90, 99]))
def test_a_target_is_met_exactly_below_its_limit(values, limit_ns, q):
    stats = of(values)
    assert stats.meets_targets(**{f"p{q}": limit_ns}) == (stats.percentile(q) < limit_ns)
    assert stats.meets_targets(max=limit_ns) == (stats.max < limit_ns)


@given(st.lists(durations, max_size=400), st.text(max_size=100))
def test_the_report_fits_eighty_columns(values, name):
    report = of(values, name=name).report(p50="1us", p999="10us", max="1ms", mean="3s")
    assert all(len(line) <= 80 for line in report.split("\n"))


@settings(max_examples=50)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=300), st.integers(1, 20))
def test_the_distribution_rises_and_ends_at_the_maximum(values, ticks):
    histogram = Histogram(1, 10**6, 3)
    histogram.record_many(np.array(values))
    lines = percentile_distribution(histogram, unit="ns", ticks_per_half_distance=ticks).splitlines()
    rows = [tuple(map(float, line.split()[:3])) for line in lines[2:-3]]
    assert rows == sorted(rows)
    assert rows[-1] == (histogram.max, 1.0, len(values))


@given(st.text() | st.tuples(st.sampled_from(["1,2,3,", "Tag=x,1,2,3,", "#[StartTime: "]), st.text()).map("".join))
def test_any_line_is_an_interval_a_comment_or_refused(line):
    try:
        list(parse_histogram_log([line, f"1,1,1,{encode(Histogram())}"], "x"))
    except DataError as error:
        where = str(error)[: len("x, line 1: ")]
    else:
        where = "x, line 1: "
    assert where == "x, line 1: "


@given(st.text(max_size=6))
def test_any_name_is_a_statistic_or_refused(name):
    try:
        of([5] * 10).report(**{name: 1})
    except InvalidValueError:
        assert name not in ("min", "mean", "max", "p50")

import gc
import random
import weakref

import pytest
from hdrh.histogram import HdrHistogram

from latencykit.engine import PerformanceStats
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError
from latencykit.histogram import Histogram, encode

HOUR_NS = 3_600_000_000_000


class Clock:
    def __init__(self, *times):
        self.times = iter(times)

    def now_ns(self):
        return next(self.times)


def of(*values, name="", **settings):
    stats = PerformanceStats(name, **settings)
    for value in values:
        stats.record(value)
    return stats


def lognormal(count, seed=1):
    source = random.Random(seed)
    return of(*(int(source.lognormvariate(6, 1)) for _ in range(count)), name="signals")


def test_it_is_a_histogram_with_a_name():
    stats = of(5, 7, name="orders")
    assert isinstance(stats, Histogram)
    assert (stats.name, stats.count, stats.min, stats.max, stats.mean) == ("orders", 2, 5, 7, 6.0)
    assert (stats.lowest, stats.highest, stats.digits) == (1, HOUR_NS, 3)
    assert repr(stats) == "PerformanceStats('orders', count=2)"
    assert PerformanceStats().name == ""


def test_the_layout_can_be_chosen():
    stats = PerformanceStats("x", lowest=10, highest=10_000, digits=2)
    assert (stats.lowest, stats.highest, stats.digits) == (10, 10_000, 2)


def test_corrected_recording_adds_what_waiting_calls_would_have_seen():
    stats = PerformanceStats()
    stats.record_corrected(400, 100)
    assert stats == of(400, 300, 200, 100)


@pytest.mark.parametrize(
    ("q", "enough"), [(50, 6), (90, 36), (10, 36), (99, 368), (1, 368), (99.9, 3688), (0, 1), (100, 1), (0.0, 1)]
)
def test_a_percentile_needs_so_many_durations(q, enough):
    stats = PerformanceStats()
    stats.record_n(5, enough - 1)
    assert not stats.supports(q)
    with pytest.raises(InvalidStateError):
        stats.percentile(q)
    stats.record(5)
    assert stats.supports(q)
    assert stats.percentile(q) == 5


@pytest.mark.parametrize(
    ("count", "q", "message"),
    [
        (
            1000,
            99.9,
            "percentile 99.9 needs 3,688 durations and there are 1,000; ask for 99.63 or less, or for 100, the greatest"
            " seen",
        ),
        (
            1000,
            0.1,
            "percentile 0.1 needs 3,688 durations and there are 1,000; ask for 0.37 or more, or for 0, the least seen",
        ),
        (
            5,
            50,
            "percentile 50 needs 6 durations and there are 5; ask for percentile 0 or 100, the least and the greatest"
            " seen",
        ),
    ],
)
def test_the_refusal_says_what_it_takes_and_what_there_is(count, q, message):
    stats = PerformanceStats()
    stats.record_n(5, count)
    with pytest.raises(InvalidStateError) as raised:
        stats.percentile(q)
    assert str(raised.value) == message


def test_what_a_refusal_offers_is_granted():
    stats = lognormal(1000)
    assert stats.percentile(99.63) >= stats.percentile(0.37)


@pytest.mark.parametrize("q", [-0.1, 100.1, float("nan"), float("inf")])
def test_what_is_no_percentile(q):
    with pytest.raises(InvalidValueError, match=r"not in 0\.\.100"):
        of(5).percentile(q)


def test_a_percentile_that_is_no_number():
    with pytest.raises(InvalidTypeError, match="'p99', not a number"):
        of(5).percentile("p99")


def test_the_histogram_below_answers_as_hdrhistogram_does():
    assert Histogram.percentile(of(5, 9), 99.9) == 9


def test_bad_durations_are_refused_with_the_value():
    stats = PerformanceStats()
    with pytest.raises(InvalidValueError, match="ns is -3, which is negative"):
        stats.record(-3)
    with pytest.raises(InvalidTypeError, match=r"ns is 1\.5, not a whole number"):
        stats.record(1.5)
    with pytest.raises(InvalidTypeError, match="not dict"):
        stats.merge({})
    assert stats.count == 0


def test_bad_settings_are_refused():
    with pytest.raises(InvalidTypeError, match="name 5 is not text"):
        PerformanceStats(5)
    with pytest.raises(InvalidTypeError, match="clock 5 has no now_ns"):
        PerformanceStats(clock=5)
    with pytest.raises(InvalidValueError, match="digits is 9"):
        PerformanceStats(digits=9)


def test_it_merges_with_any_histogram():
    stats, plain = of(5), Histogram()
    plain.record(9)
    stats.merge(plain)
    stats.merge(of(7))
    plain.merge(stats)
    assert stats == of(5, 7, 9)
    assert plain.count == 4


def test_a_copy_is_independent_and_has_name_clock_and_start():
    stats = of(5, 10**15, name="x", clock=Clock(7, 8), digits=2)
    twin = stats.copy()
    stats.record(6)
    assert type(twin) is PerformanceStats
    assert (twin.name, twin.count, twin.saturated, twin.digits, twin.start_ns) == ("x", 2, 1, 2, 7)
    assert twin.take_interval().end_ns == 8


def test_a_subclass_records_by_a_method_of_its_own():
    class Traced(PerformanceStats):
        __slots__ = ("colour",)

    traced = Traced("t")
    traced.colour = "red"
    traced.record(5)
    assert vars(Traced)["record"].__objclass__ is Traced
    assert vars(PerformanceStats)["record"].__objclass__ is PerformanceStats
    assert type(traced.take_interval()) is PerformanceStats
    assert Traced.decode(traced.encode(), "u").count == 1


def test_no_attribute_can_be_added_by_mistake():
    with pytest.raises(AttributeError):
        PerformanceStats().nane = "x"


# --- intervals


def test_intervals_hold_what_was_recorded_since_the_last():
    stats = of(1, 2, name="x", clock=Clock(100, 200, 300, 400))
    first = stats.take_interval()
    stats.record(3)
    second = stats.take_interval()
    third = stats.take_interval()
    assert (first, second, third) == (of(1, 2), of(3), of())
    assert [(i.name, i.start_ns, i.end_ns) for i in (first, second, third)] == [
        ("x", 100, 200),
        ("x", 200, 300),
        ("x", 300, 400),
    ]
    assert (stats.count, stats.start_ns, stats.end_ns) == (3, 100, None)


def test_an_interval_is_of_its_own():
    stats = of(1, 2)
    interval = stats.take_interval()
    interval.record(5)
    assert stats.count == 2
    assert interval.take_interval().count == 3


def test_what_is_merged_comes_in_the_next_interval_and_what_is_reset_in_none():
    stats = of(1)
    stats.take_interval()
    stats.merge(of(2, 3))
    assert stats.take_interval() == of(2, 3)
    stats.record(4)
    stats.reset()
    stats.record(5)
    assert stats.take_interval() == of(5)


def test_a_function_is_a_clock_too():
    times = iter([5, 6])
    stats = PerformanceStats(clock=lambda: next(times))
    assert (stats.start_ns, stats.take_interval().end_ns) == (5, 6)


def test_the_default_clock_is_that_of_the_wall():
    assert PerformanceStats().start_ns > 1_600_000_000 * 10**9


# --- encoding


def test_encoding_is_that_of_the_reference_both_ways():
    stats, theirs = lognormal(500), HdrHistogram(1, HOUR_NS, 3)
    for value, count in stats.iter_recorded():
        theirs.record_value(value, count)
    assert stats.encode() == theirs.encode().decode() == encode(stats)
    again = PerformanceStats.decode(theirs.encode(), "again")
    assert again == stats
    assert type(again) is PerformanceStats
    assert again.name == "again"


def test_decoding_keeps_the_layout():
    stats = of(5, 9000, lowest=2, highest=10_000, digits=2)
    assert PerformanceStats.decode(stats.encode()) == stats


def test_a_damaged_text_is_refused():
    with pytest.raises(InvalidValueError, match="not base64"):
        PerformanceStats.decode("HISTF%%")
    with pytest.raises(InvalidTypeError, match="not int"):
        PerformanceStats.decode(5)


# --- limits and the report


def test_targets_are_met_below_their_limits_only():
    stats = PerformanceStats()
    stats.record_n(1000, 400)
    assert stats.meets_targets(p50="1.001us", p99=1001, min="2us", mean="1.5 us", max="1ms")
    assert not stats.meets_targets(p50="1us")
    assert not stats.meets_targets(p50="2us", max=1000)


def test_a_target_that_cannot_be_known_is_not_said_to_be_met():
    stats = lognormal(400)
    assert stats.meets_targets(p99="1s")
    with pytest.raises(InvalidStateError, match=r"percentile 99.9 needs 3,688 durations and there are 400"):
        stats.meets_targets(p50="1s", p999="1s")
    assert not stats.meets_targets(p50="1ns", p999="1s")
    with pytest.raises(InvalidStateError, match="max needs a duration"):
        PerformanceStats().meets_targets(max="1s")


@pytest.mark.parametrize("name", ["p100", "p0", "p999999999", "p00", "p990", "median", "p", "p99_9", "stddev", "P50"])
def test_an_unknown_statistic(name):
    with pytest.raises(InvalidValueError, match=f"statistic '{name}' is unknown; use min, mean, max or"):
        of(5).meets_targets(**{name: "1us"})


def test_limits_that_are_none():
    with pytest.raises(InvalidValueError, match="no limit"):
        of(5).meets_targets()
    with pytest.raises(InvalidValueError, match="duration 'fast'"):
        of(5).meets_targets(p50="fast")
    with pytest.raises(InvalidValueError, match="duration -1"):
        of(5).report(max=-1)


def test_the_report():
    stats = PerformanceStats("signals")
    stats.record_n(230, 990)
    stats.record_n(9_000, 9)
    stats.record(2 * HOUR_NS)
    assert stats.report(p50="1us", p99="200ns", p9999="10us", max="1ms").splitlines() == [
        "signals: 1,000 durations",
        "  1 of them was above 3600 s and counted as that",
        "  min           230 ns",
        "  p50           230 ns   target < 1.00 µs  met",
        "  p90           230 ns",
        "  p99           230 ns   target < 200 ns   missed",
        "  p99.9            n/a   needs 3,688 durations",
        "  p99.99           n/a   target < 10.0 µs  n/a      needs 36,887 durations",
        "  max           3601 s   target < 1.00 ms  missed",
        "  mean          3.60 s",
    ]


def test_the_report_of_nothing():
    assert PerformanceStats().report(p50="1us").splitlines() == [
        "0 durations",
        "  min              n/a",
        "  p50              n/a   target < 1.00 µs  n/a",
        *(f"  {name:<6}           n/a" for name in ("p90", "p99", "p99.9", "max", "mean")),
    ]


def test_the_report_fits_eighty_columns():
    stats = PerformanceStats("a name that goes on\nand on " * 9)
    stats.record_n(HOUR_NS, 2**62)
    stats.reset()
    stats.record_n(2**62, 10**17)
    report = stats.report(p99999999="123.456 ms", p50=1)
    assert max(map(len, report.splitlines())) <= 80
    assert report.startswith("a name that goes on and on a name")


# --- lifetime


def test_statistics_in_a_cycle_are_collected():
    stats = PerformanceStats("x")
    stats.name = stats  # any object will do; the collector must look into the slots
    dead = weakref.ref(stats)
    del stats
    gc.collect()
    assert dead() is None


@pytest.mark.parametrize("q", [-1, 100.5, float("nan")])
def test_support_of_what_is_no_percentile_is_refused_as_the_percentile_is(q):
    with pytest.raises(InvalidValueError, match=r"percentile is .*, which is not in 0\.\.100"):
        of(1).supports(q)


@pytest.mark.parametrize("q", ["99", None])
def test_support_takes_numbers(q):
    with pytest.raises(InvalidTypeError, match=r"percentile is .*, not a number"):
        of(1).supports(q)


@pytest.mark.parametrize("reading", [1.5, "now", True, None])
def test_a_clock_that_tells_no_whole_nanoseconds_is_refused_at_once(reading):
    with pytest.raises(InvalidTypeError, match=r"not a whole number of nanoseconds; pass time\.time_ns"):
        PerformanceStats(clock=lambda: reading)


def test_a_limit_that_is_no_duration_is_refused():
    with pytest.raises(InvalidTypeError, match="duration None is neither text nor a number"):
        of(1).meets_targets(p50=None)


def test_a_long_limit_stays_apart_from_its_verdict():
    assert "target < 99999999 s n/a" in PerformanceStats().report(p99="99999999s")

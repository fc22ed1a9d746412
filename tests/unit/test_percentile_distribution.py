import io
import math
import random

import pytest
from hdrh.histogram import HdrHistogram

from latencykit.engine import PerformanceStats
from latencykit.errors import InvalidTypeError, InvalidValueError
from latencykit.histogram import Histogram
from latencykit.percentile_distribution import percentile_distribution


def both(values, *layout):
    ours, theirs = Histogram(*layout), HdrHistogram(*layout)
    for value in values:
        ours.record(value)
        theirs.record_value(value)
    return ours, theirs


def lognormal(count):
    source = random.Random(5)
    return [int(source.lognormvariate(7, 1.5)) for _ in range(count)]


def theirs_as_text(histogram, ratio, ticks):
    out = io.BytesIO()
    histogram.output_percentile_distribution(out, ratio, ticks)
    return out.getvalue().decode()


@pytest.mark.parametrize("layout", [(1, 3_600_000_000_000, 3), (1, 10**6, 2)])
def test_the_rows_are_those_of_the_reference(layout):
    ours, theirs = both(lognormal(3000), *layout)
    # With more ticks the reference rounds the distance otherwise than the Java and C editions, which we follow.
    ours_text = percentile_distribution(ours, unit="us", ticks_per_half_distance=1)
    expected = theirs_as_text(theirs, 1000.0, 1)
    rows = [line for line in ours_text.splitlines() if not line.startswith("#")]
    assert rows == [line for line in expected.splitlines() if not line.startswith("#")]
    assert ours_text.splitlines()[-1] == expected.splitlines()[-1]  # buckets
    # The reference does not scale the deviation, and writes the count as a fraction, which the Java edition does not.
    assert ours_text.splitlines()[-3].split(",")[0] == expected.splitlines()[-3].split(",")[0]
    assert ours_text.splitlines()[-2].split(",")[0] == expected.splitlines()[-2].split(",")[0]


def test_each_half_of_the_distance_has_as_many_steps_as_asked():
    ours, _ = both(lognormal(3000), 1, 10**6, 3)
    rows = percentile_distribution(ours, ticks_per_half_distance=5).splitlines()[2:18]
    levels = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.775, 0.8, 0.825, 0.85, 0.875]
    assert [float(row.split()[1]) for row in rows] == pytest.approx(levels)
    for value_us, level, total, inverse in (map(float, row.split()) for row in rows):
        rank = max(1, math.ceil(level * 3000 - 1e-6))
        assert ours.value_at_rank(rank) == round(value_us * 1000)
        assert total >= rank
        assert inverse == pytest.approx(1 / (1 - level), abs=0.005)


def test_the_whole_text_of_a_small_histogram():
    histogram = Histogram()
    for value in (1000, 2000, 2000, 3000):
        histogram.record(value)
    assert percentile_distribution(histogram, unit="us", ticks_per_half_distance=1).splitlines() == [
        "       Value     Percentile TotalCount 1/(1-Percentile)",
        "",
        "       1.000 0.000000000000          1           1.00",
        "       2.000 0.500000000000          3           2.00",
        "       2.000 0.750000000000          3           4.00",
        "       3.001 0.875000000000          4           8.00",
        "       3.001 1.000000000000          4",
        "#[Mean    =        2.000, StdDeviation   =        0.707]",
        "#[Max     =        3.001, Total count    =            4]",
        "#[Buckets =           32, SubBuckets     =         2048]",
    ]


def test_an_empty_histogram_has_a_head_and_a_foot():
    lines = percentile_distribution(Histogram()).splitlines()
    assert len(lines) == 5
    assert lines[3] == "#[Max     =        0.000, Total count    =            0]"


def test_counts_beyond_the_precision_of_a_double_end():
    histogram = Histogram()
    histogram.record_n(5, 2**61)
    histogram.record(9)
    assert percentile_distribution(histogram).splitlines()[-4].split() == ["0.009", "1.000000000000", str(2**61 + 1)]


def test_statistics_have_it_as_a_method():
    stats = PerformanceStats()
    stats.record(1500)
    assert stats.percentile_distribution(unit="ns") == percentile_distribution(stats, unit="ns")


@pytest.mark.parametrize("unit", ["", "h", "2us", "1us"])
def test_an_unknown_unit(unit):
    with pytest.raises(InvalidValueError, match="is none of ns, us, ms, s"):
        percentile_distribution(Histogram(), unit=unit)


@pytest.mark.parametrize("ticks", [0, -1, 1001])
def test_impossible_ticks(ticks):
    with pytest.raises(InvalidValueError, match="outside 1 to 1000"):
        percentile_distribution(Histogram(), ticks_per_half_distance=ticks)


@pytest.mark.parametrize("ticks", [1.5, True, "5"])
def test_ticks_that_are_no_number(ticks):
    with pytest.raises(InvalidTypeError, match="is not an int"):
        percentile_distribution(Histogram(), ticks_per_half_distance=ticks)

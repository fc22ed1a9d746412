"""Which rates a sweep tries, and what it finds."""

import pytest

from latencykit.analysis.open_loop import MOST_RATE, RatePoint, Saturation, next_rate, saturation


def point(rate, achieved=None):
    return RatePoint(rate, rate if achieved is None else achieved, 10, 1.0, 1.0, 1.0, None, 1.0)


def sweep(capacity, first=1_000.0):
    """Return the rates that are tried of an engine that can do so many ticks a second."""
    points = []
    while (rate := next_rate(points, first=first)) is not None:
        points.append(point(rate, min(rate, capacity)))
    return points


def test_rates_double_and_the_limit_is_refined_once():
    points = sweep(5_000.0)
    assert [round(each.rate) for each in points] == [1_000, 2_000, 4_000, 8_000, 5_657]
    assert saturation(points) == Saturation(4_000.0, pytest.approx(5_656.85, abs=0.01))


def test_the_refined_rate_may_be_kept_up_with():
    found = saturation(sweep(7_000.0))
    assert (round(found.kept_up), found.failed) == (5_657, 8_000.0)


def test_rates_halve_where_the_first_is_too_much():
    assert [round(each.rate) for each in sweep(300.0)] == [1_000, 500, 250, 354]


def test_an_engine_that_does_nothing_ends_the_sweep():
    points = sweep(0.0)
    assert points[-1].rate == pytest.approx(1_000 / 2**9)
    assert saturation(points).kept_up is None


def test_an_engine_that_keeps_up_with_all_ends_it_too():
    points = sweep(1e18)
    assert MOST_RATE / 2 < points[-1].rate <= MOST_RATE
    assert saturation(points) == Saturation(points[-1].rate, None)


def test_a_rate_above_one_that_failed_counts_for_nothing():
    assert saturation([point(1.0), point(2.0, 1.0), point(4.0)]) == Saturation(1.0, 2.0)


@pytest.mark.parametrize(("achieved", "kept"), [(95.0, True), (94.9, False), (100.0, True)])
def test_95_percent_is_enough(achieved, kept):
    assert point(100.0, achieved).kept_up is kept

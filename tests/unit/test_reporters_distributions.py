"""Two distributions over one axis."""

import numpy as np
import pytest
from fabricated_comparisons import make_figures

from latencykit.histogram import Histogram, encode
from latencykit.reporters.distributions import HEIGHTS, picture_of


def figures(values, **changes):
    """Return the figures of single calls that took these times, net of a floor of 40 ns."""
    calls = Histogram()
    calls.record_many(np.array(values, np.float64) + 40)
    centre = float(np.median(values))
    return make_figures("a", centre, samples_ns=[], histogram=encode(calls), **changes)


def test_the_highest_column_is_where_most_calls_are():
    drawn = picture_of(figures([1_000] * 9 + [2_000] * 3), figures([2_000] * 12), 40)
    assert drawn.of == "single calls"
    assert drawn.a.index(HEIGHTS[-1]) < 5
    assert drawn.b.rindex(HEIGHTS[-1]) > 35
    assert len(drawn.a) == len(drawn.b) == 40
    assert set(drawn.a) - {" ", HEIGHTS[-1]}  # a third of them is a third as high


def test_the_axis_has_marks_at_the_times_of_their_columns():
    drawn = picture_of(figures([1_000] * 10), figures([1_500] * 10), 60)
    assert drawn.axis.startswith("|980 ns")
    assert drawn.axis.count("|") == 5
    assert len(drawn.axis) <= 60


def test_one_hiccup_does_not_take_all_the_room():
    quiet = picture_of(figures([1_000, 1_010, 1_020] * 1_000), figures([1_000] * 3_000), 60)
    hiccup = picture_of(figures([1_000, 1_010, 1_020] * 1_000 + [9e9]), figures([1_000] * 3_000), 60)
    assert hiccup.axis == quiet.axis


def test_steps_of_the_clock_make_no_comb():
    stepped = figures([10.0 * (i % 40) + 1_000 for i in range(4_000)])
    drawn = picture_of(stepped, stepped, 100)
    assert " " not in drawn.a.strip()


def test_short_calls_are_drawn_from_samples():
    short = make_figures("a", 30.0)
    assert picture_of(short, make_figures("b", 30_000.0), 60).of == "samples"
    assert picture_of(make_figures("a", 3_000.0), make_figures("b", 30_000.0), 60).of == "single calls"
    no_samples = make_figures("a", 30.0, samples_ns=[])
    assert picture_of(no_samples, short, 60).of == "single calls"


@pytest.mark.parametrize("empty", [{"histogram": ""}, {"call_floor_ns": None}, {"call_floor_ns": 1e12}])
def test_nothing_is_drawn_of_nothing(empty):
    assert picture_of(make_figures("a", 3_000.0), make_figures("b", 3_000.0, samples_ns=[], **empty), 60) is None


@pytest.mark.parametrize("columns", [20, 61, 120])
@pytest.mark.parametrize("factor", [1.0, 1.001, 2.0, 1e6])
def test_all_widths_and_ranges_are_drawn(columns, factor):
    drawn = picture_of(make_figures("a", 1_000.0), make_figures("b", 1_000.0 * factor), columns)
    assert len(drawn.a) == len(drawn.b) == columns
    assert HEIGHTS[-1] in drawn.a
    assert HEIGHTS[-1] in drawn.b

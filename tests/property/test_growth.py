"""Whatever the units of time and of the parameter, the growth is the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latencykit.analysis.growth import fit_power_law

POINTS = st.lists(
    st.tuples(st.integers(1, 10**6), st.floats(1e-3, 1e9)), min_size=3, max_size=9, unique_by=lambda point: point[0]
)
SCALE = st.floats(1e-6, 1e6)


@given(POINTS, SCALE, SCALE)
def test_units_change_nothing(points, of_value, of_time):
    law = fit_power_law(points)
    scaled = fit_power_law((value * of_value, time * of_time) for value, time in points)
    # Neighbours among large values are close, so that a rounded logarithm tells in their slope.
    near = {"rel": 1e-6, "abs": 1e-6}
    assert scaled.exponent == pytest.approx(law.exponent, **near)
    assert scaled.interval == pytest.approx(law.interval, **near)


@given(POINTS, st.randoms())
def test_the_order_of_the_points_changes_nothing(points, random):
    mixed = list(points)
    random.shuffle(mixed)
    assert fit_power_law(mixed) == fit_power_law(points)


@given(POINTS, st.floats(-5, 5))
def test_another_power_on_top_is_added_to_the_exponent(points, more):
    law = fit_power_law(points)
    steeper = fit_power_law((value, time * value**more) for value, time in points)
    assert steeper.exponent == pytest.approx(law.exponent + more, rel=1e-6, abs=1e-6)


@given(POINTS)
def test_the_fit_lies_in_its_interval_and_among_the_slopes(points):
    law = fit_power_law(points)
    assert law.interval[0] <= law.exponent <= law.interval[1]


@given(st.lists(st.integers(0, 20), min_size=3, max_size=9, unique=True), st.integers(-3, 3), st.floats(1, 1e6))
def test_a_power_law_is_found_and_holds(doublings, exponent, constant):
    law = fit_power_law((2**k, constant * 2.0 ** (k * exponent)) for k in doublings)
    assert law.exponent == pytest.approx(exponent, abs=1e-9)
    assert law.holds

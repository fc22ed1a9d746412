import pytest
from hypothesis import given
from hypothesis import strategies as st

from latencykit.quantiles import highest_percentile, supported, values_needed


@pytest.mark.parametrize(
    ("quantile", "least"), [(0.5, 6), (0.9, 36), (0.99, 368), (0.999, 3688), (0.1, 36), (0.01, 368), (0.001, 3688)]
)
def test_the_least_sample_that_bounds_a_quantile(quantile, least):
    assert supported(quantile, least)
    assert not supported(quantile, least - 1)
    assert not supported(quantile, 0)
    assert values_needed(quantile) == least


@given(st.floats(1e-9, 1 - 1e-9))
def test_what_is_needed_suffices_and_one_less_does_not(quantile):
    least = values_needed(quantile)
    assert supported(quantile, least)
    assert not supported(quantile, least - 1)


@pytest.mark.parametrize(
    ("count", "highest"), [(0, None), (5, None), (6, 54), (36, 90.2), (100, 96.3), (368, 99), (10_000, 99.963)]
)
def test_the_highest_percentile_of_a_sample(count, highest):
    assert highest_percentile(count) == highest


@given(st.integers(6, 10**12))
def test_what_is_offered_is_supported_on_both_sides(count):
    highest = highest_percentile(count)
    assert 50 <= highest < 100
    assert supported(highest / 100, count)
    assert supported((100 - highest) / 100, count)

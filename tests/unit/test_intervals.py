import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latencykit.analysis.intervals import quantile_ranks
from latencykit.quantiles import supported


@pytest.mark.parametrize(
    ("quantile", "count", "ranks"),
    # From the binomial distribution's quantiles, as R's qbinom gives them.
    [(0.5, 100, (40, 61)), (0.5, 10, (2, 9)), (0.9, 100, (84, 96))],
)
def test_ranks_are_those_of_the_binomial(quantile, count, ranks):
    assert quantile_ranks(quantile, count) == ranks


@given(st.sampled_from([0.5, 0.9, 0.99, 0.999]), st.integers(1, 200_000))
def test_ranks_enclose_the_quantile_and_cover_it(quantile, count):
    low, high = quantile_ranks(quantile, count)
    assert 1 <= low <= high <= count
    assert low <= math.ceil(quantile * count)
    assert high >= math.floor(quantile * count)
    if supported(quantile, count) and supported(1 - quantile, count):
        assert coverage(low, high, quantile, count) >= 0.9499


def coverage(low: int, high: int, quantile: float, count: int) -> float:
    """The chance that between low and high - 1 values lie below the quantile, summed term by term."""
    logs = (
        math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        + k * math.log(quantile) + (count - k) * math.log1p(-quantile)
        for k in range(low, high)
    )  # fmt: skip
    return math.fsum(map(math.exp, logs))

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from latencykit.engine import indicators

# Down to 1e-30, so that neither float32 nor the fixed point of the reference runs out of digits below.
FINITE = st.floats(-1e6, 1e6).map(lambda value: value if abs(value) > 1e-30 else 0.0)
SERIES = st.integers(0, 300).flatmap(
    lambda n: stn.arrays(np.float64, n, elements=FINITE | st.sampled_from([np.nan, np.inf, -np.inf]))
)
PERIODS = st.integers(1, 100)
SEEDS = st.sampled_from(["first", "sma"])


def exact_ema(x: npt.NDArray[np.floating], alpha: float, seed_count: int) -> list[Fraction | None]:
    """Compute the average in rational numbers; None where it is missing."""
    seeds: list[Fraction] = []
    average = Fraction(0)
    averages: list[Fraction | None] = []
    for value in x.tolist():
        if not np.isfinite(value):
            averages.append(None)
        elif len(seeds) < seed_count:
            seeds.append(Fraction(value))
            average = sum(seeds, Fraction(0)) / seed_count
            averages.append(average if len(seeds) == seed_count else None)
        else:
            average = (1 - Fraction(alpha)) * average + Fraction(alpha) * Fraction(value)
            # 200 places are more than enough, and without a limit the fractions grow with every value.
            average = Fraction(round(average * 2**200), 2**200)
            averages.append(average)
    return averages


def assert_within_bound(
    got: npt.NDArray[np.floating], x: npt.NDArray[np.floating], alpha: float, seed_count: int
) -> None:
    finite = x[np.isfinite(x)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    bound = Fraction(4 * float(np.finfo(x.dtype).eps) * largest / alpha)
    for result, exact in zip(got.tolist(), exact_ema(x, alpha, seed_count), strict=True):
        assert np.isnan(result) == (exact is None)
        assert exact is None or abs(Fraction(result) - exact) <= bound


@pytest.mark.parametrize("isa", indicators.ISAS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(x=SERIES, period=PERIODS, seed=SEEDS)
def test_every_isa_is_within_the_stated_bound(
    isa: str, dtype: type, x: npt.NDArray[np.float64], period: int, seed: str
) -> None:
    x = x.astype(dtype)
    averaged = indicators.ema(x, period, seed=seed, isa=isa)
    assert averaged.dtype == dtype
    assert_within_bound(averaged, x, 2 / (period + 1), period if seed == "sma" else 1)


@given(x=SERIES, alpha=st.floats(1e-6, 1))
def test_any_alpha(x: npt.NDArray[np.float64], alpha: float) -> None:
    for isa in indicators.ISAS:
        assert_within_bound(indicators.ema(x, alpha=alpha, isa=isa), x, alpha, 1)


@given(x=SERIES, period=PERIODS, seed=SEEDS)
def test_batch_equals_streaming(x: npt.NDArray[np.float64], period: int, seed: str) -> None:
    ema = indicators.Ema(period, seed=seed)
    streamed = np.array([ema.update(value) for value in x.tolist()])
    batch = indicators.ema(x, period, seed=seed, isa="scalar")
    np.testing.assert_allclose(streamed, batch, rtol=1e-15, atol=1e-300)
    finite = batch[np.isfinite(batch)]
    assert np.isnan(ema.value) if finite.size == 0 else ema.value == pytest.approx(finite[-1], rel=1e-15)


@pytest.mark.parametrize("isa", indicators.ISAS)
@given(x=SERIES, period=PERIODS)
def test_in_place_equals_out_of_place(isa: str, x: npt.NDArray[np.float64], period: int) -> None:
    expected = indicators.ema(x, period, isa=isa)
    finite = np.abs(x[np.isfinite(x)])
    indicators.ema(x, period, out=x, isa=isa)
    np.testing.assert_allclose(x, expected, rtol=0, atol=4e-16 * (period + 1) * finite.max(initial=0))


@pytest.mark.parametrize("isa", indicators.ISAS)
@given(value=st.floats(-1e300, 1e300), n=st.integers(1, 400), period=PERIODS)
def test_a_constant_stays_constant(isa: str, value: float, n: int, period: int) -> None:
    averaged = indicators.ema(np.full(n, value), period, isa=isa)
    np.testing.assert_allclose(averaged, value, rtol=2.3e-16 * (period + 1), atol=1e-320)


@pytest.mark.parametrize("isa", indicators.ISAS)
@given(x=SERIES, period=PERIODS)
def test_the_average_stays_between_the_extremes(isa: str, x: npt.NDArray[np.float64], period: int) -> None:
    averaged = indicators.ema(x, period, isa=isa)
    finite, kept = x[np.isfinite(x)], averaged[np.isfinite(averaged)]
    slack = 1e-15 * (period + 1) * np.abs(finite).max(initial=0)
    assert (kept <= finite.max(initial=-np.inf) + slack).all()
    assert (kept >= finite.min(initial=np.inf) - slack).all()

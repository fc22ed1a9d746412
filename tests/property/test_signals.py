import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latencykit.engine import PanicDetector, Signal
from latencykit.suites.signals import WARM_UP, IncrementalDetector, NaiveDetector

Doubles = npt.NDArray[np.float64]


def wild_market(seed: int, ticks: int) -> tuple[list[float], list[float]]:
    """Make a market in which panics, half panics and bad prints are common, so that every rule decides."""
    random = np.random.default_rng(seed)
    returns = random.normal(0, random.uniform(1e-4, 1e-3), ticks)
    volumes = 100 * np.exp(random.normal(0, 0.5, ticks))
    for start in random.integers(0, ticks, ticks // 150):
        length = int(random.integers(1, 60))
        returns[start : start + length] -= random.uniform(-0.02, 0.06) / length
        volumes[start : start + length] *= random.uniform(1, 8)
    prices = 100 * np.exp(np.cumsum(returns))
    prices[random.integers(0, ticks, 3)] *= random.uniform(0.9, 1.1, 3)
    return prices.tolist(), volumes.tolist()


def decisions(
    detector: PanicDetector | NaiveDetector | IncrementalDetector, market: tuple[list[float], list[float]]
) -> list[Signal]:
    found = (detector.update(price, volume) for price, volume in zip(*market, strict=True))
    return [signal for signal in found if signal is not None]


def assert_alike(some: list[Signal], others: list[Signal]) -> None:
    assert [signal.index for signal in some] == [signal.index for signal in others]
    for one, other in zip(some, others, strict=True):
        assert one.price == other.price
        for name in ("confidence", "take_profit", "stop"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-6)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_native_decides_as_plain_python_does(seed: int) -> None:
    market = wild_market(seed, 3000)
    assert_alike(decisions(PanicDetector(), market), decisions(IncrementalDetector(), market))


@given(seed=st.integers(0, 2**32))
@settings(max_examples=3, deadline=None)
def test_native_decides_as_the_naive_detector_does(seed: int) -> None:
    market = wild_market(seed, 2000)
    assert_alike(decisions(PanicDetector(), market), decisions(NaiveDetector(), market))


def test_the_wild_markets_hold_panics() -> None:
    found = [len(decisions(PanicDetector(), wild_market(seed, 3000))) for seed in range(10)]
    assert sum(found) >= 10


@given(seed=st.integers(0, 2**32), scale=st.integers(-20, 20), volume_scale=st.integers(-20, 20))
@settings(max_examples=30, deadline=None)
def test_units_do_not_matter(seed: int, scale: int, volume_scale: int) -> None:
    # Powers of two change no rounding, so that the decisions must be the same to the bit.
    prices, volumes = wild_market(seed, 1500)
    found = PanicDetector().scan(prices, volumes)
    scaled = PanicDetector().scan(np.ldexp(prices, scale), np.ldexp(volumes, volume_scale))
    assert [(signal.index, signal.confidence) for signal in found] == [
        (signal.index, signal.confidence) for signal in scaled
    ]


@given(
    ticks=st.lists(st.tuples(st.floats(5e-324, 1.7e308), st.floats(0, 1.7e308)), max_size=400),
    window=st.integers(2, 20),
    horizon=st.integers(3, 10),
)
@settings(deadline=None)
def test_any_valid_tick_is_taken(ticks: list[tuple[float, float]], window: int, horizon: int) -> None:
    detector = PanicDetector(window, horizon=horizon, refractory=0, volume_ratio=0)
    for index, (price, volume) in enumerate(ticks):
        signal = detector.update(price, volume)
        if signal is not None:
            assert signal.index == index >= 2 * window + horizon
            assert 0.5 <= signal.confidence <= 1
    assert detector.ticks == len(ticks)
    assert 0 <= detector.rsi <= 100
    assert detector.volatility >= 0


def test_warm_up_is_the_same_in_all() -> None:
    assert NaiveDetector().panics.quiet == IncrementalDetector().panics.quiet == WARM_UP == 230

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latencykit.engine import PanicDetector, Signal
from latencykit.suites.signals import WARM_UP, IncrementalDetector, NaiveDetector
from tests.support.panic_reference import DEFAULTS, entries

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


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "window": st.integers(2, 150),
        "horizon": st.integers(3, 60),
        "fall_deviations": st.floats(0.1, 6),
        "least_fall": st.floats(0.001, 0.03),
        "volume_ratio": st.floats(0, 5),
        "rsi_period": st.integers(1, 40),
        "oversold": st.floats(1, 100),
        "refractory": st.integers(0, 200),
        "turn": st.integers(0, 10),
    },
)


@given(seed=st.integers(0, 2**32), changed=SETTINGS)
@settings(max_examples=150, deadline=None)
def test_native_decides_as_the_definition_for_all_settings(seed: int, changed: dict[str, float]) -> None:
    prices, volumes = wild_market(seed, 1500)
    expected = entries(prices, volumes, changed)
    found = PanicDetector(**changed).scan(prices, volumes)  # type: ignore[arg-type]
    assert [signal.index for signal in found] == [entry.index for entry in expected]
    for signal, entry in zip(found, expected, strict=True):
        assert signal.price == prices[signal.index]
        assert (signal.confidence, signal.take_profit, signal.stop) == pytest.approx(entry[1:], rel=1e-9)


def test_the_definition_is_tried_where_it_decides() -> None:
    assert sum(len(entries(*wild_market(seed, 1500), {})) for seed in range(20)) >= 10
    lively = {"window": 30, "turn": 0, "refractory": 0, "volume_ratio": 0.0}
    assert sum(len(entries(*wild_market(seed, 1500), lively)) for seed in range(5)) >= 50


@given(seed=st.integers(0, 2**32), changed=SETTINGS)
@settings(max_examples=60, deadline=None)
def test_what_a_signal_proposes_is_within_its_bounds(seed: int, changed: dict[str, float]) -> None:
    prices, volumes = wild_market(seed, 1500)
    chosen = {**DEFAULTS, **changed}
    for signal in PanicDetector(**changed).scan(prices, volumes):  # type: ignore[arg-type]
        profit = signal.take_profit / signal.price - 1
        assert 0.005 - 1e-12 <= profit <= 0.02 + 1e-12
        assert 1 - signal.stop / signal.price == pytest.approx(profit / 2)
        assert 0.5 <= signal.confidence <= 1
        assert signal.index >= 2 * chosen["window"] + chosen["horizon"]


@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 1500), max_size=5), changed=SETTINGS)
@settings(max_examples=60, deadline=None)
def test_scanning_is_updating_one_by_one(seed: int, cuts: list[int], changed: dict[str, float]) -> None:
    prices, volumes = wild_market(seed, 1500)
    streaming = PanicDetector(**changed)  # type: ignore[arg-type]
    scanning = PanicDetector(**changed)  # type: ignore[arg-type]
    expected = decisions(streaming, (prices, volumes))
    ends = [0, *sorted(cuts), 1500]
    parts = [scanning.scan(prices[a:b], volumes[a:b]) for a, b in itertools.pairwise(ends)]
    assert [signal for part in parts for signal in part] == expected
    assert (scanning.ticks, scanning.rsi, scanning.volatility) == (streaming.ticks, streaming.rsi, streaming.volatility)


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
            assert 0 < signal.stop <= signal.price <= signal.take_profit < np.inf
    assert detector.ticks == len(ticks)
    assert 0 <= detector.rsi <= 100
    assert detector.volatility >= 0


def test_warm_up_is_the_same_in_all() -> None:
    assert NaiveDetector().panics.quiet == IncrementalDetector().panics.quiet == WARM_UP == 230

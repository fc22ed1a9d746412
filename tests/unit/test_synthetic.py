"""The synthetic market beyond its panics: decoys, and markets that move otherwise."""

import hashlib
from collections import Counter

import numpy as np
import pytest

from latencykit.engine import Ticks, synthetic_market
from latencykit.errors import InvalidValueError

SEEDS = range(5)
RATES = [0.5, 1.0, 2.0]


def digest(market: Ticks) -> str:
    columns = (market.timestamp_ns, market.price, market.volume)
    return hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()[:16]


def test_the_same_arguments_give_the_same_market_in_every_version() -> None:
    assert digest(synthetic_market(20_000, 1)) == "2ab995f380411e96"
    full = synthetic_market(20_000, 1, decoys=4, volatility=2.0, tail=4, ticks_per_second=2.0)
    assert digest(full) == "127d15124f204b62"


@pytest.mark.parametrize("seed", SEEDS)
def test_decoys_leave_panics_and_timestamps_alone(seed: int) -> None:
    plain, decoyed = synthetic_market(seed=seed), synthetic_market(seed=seed, decoys=8)
    assert plain.panics == decoyed.panics
    assert plain.decoys == ()
    assert (plain.timestamp_ns == decoyed.timestamp_ns).all()
    first = decoyed.decoys[0][1]
    assert (plain.price[:first] == decoyed.price[:first]).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rate", RATES)
def test_decoys_come_in_turn_and_away_from_panics(seed: int, rate: float) -> None:
    market = synthetic_market(int(40_000 * rate), seed, decoys=16, ticks_per_second=rate)
    assert Counter(kind for kind, _, _ in market.decoys) == dict.fromkeys(("slide", "print", "burst", "cluster"), 4)
    assert [start for _, start, _ in market.decoys] == sorted(start for _, start, _ in market.decoys)
    for _, start, end in market.decoys:
        assert 0 < start < end <= len(market)
        assert all(end <= panic or start >= panic + 200 * rate for panic in market.panics)


def of_kind(kind: str, seed: int) -> list[tuple[Ticks, int, int]]:
    market = synthetic_market(40_000, seed, decoys=16)
    return [(market, start, end) for name, start, end in market.decoys if name == kind]


@pytest.mark.parametrize("seed", SEEDS)
def test_slides_fall_as_deep_as_panics_and_much_slower(seed: int) -> None:
    for market, start, end in of_kind("slide", seed):
        assert 400 <= end - start <= 1_000
        assert -0.08 < market.price[end - 1] / market.price[start - 1] - 1 < 0.0
        assert np.median(market.volume[start:end]) > 3 * np.median(market.volume[start - 80 : start])


@pytest.mark.parametrize("seed", SEEDS)
def test_prints_are_one_tick(seed: int) -> None:
    for market, start, end in of_kind("print", seed):
        before, bad, after = market.price[start - 1 : end]
        assert -0.052 < bad / before - 1 < -0.023
        assert abs(after / before - 1) < 0.002


@pytest.mark.parametrize("seed", SEEDS)
def test_bursts_are_volume_alone(seed: int) -> None:
    for market, start, end in of_kind("burst", seed):
        assert 20 <= end - start <= 50
        assert np.median(market.volume[start:end]) > 3 * np.median(market.volume[start - 200 : start])
        assert abs(market.price[end - 1] / market.price[start - 1] - 1) < 0.01


def test_clusters_are_three_times_as_restless() -> None:
    inside, outside = [], []
    for seed in SEEDS:
        for market, start, end in of_kind("cluster", seed):
            returns = np.diff(np.log(market.price))
            inside.append(returns[start : end - 1].std())
            outside.append(returns[start - 200 : start - 1].std())
    assert np.median(inside) == pytest.approx(3 * np.median(outside), rel=0.35)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("rate", RATES)
def test_volatility_and_pace(factor: float, rate: float) -> None:
    market = synthetic_market(100_000, 3, volatility=factor, ticks_per_second=rate)
    returns = np.diff(np.log(market.price))
    calm = np.abs(returns) < 10 * np.median(np.abs(returns))
    assert returns[calm].std() == pytest.approx(1.3e-4 * factor / rate**0.5, rel=0.2)
    assert np.diff(market.timestamp_ns).mean() == pytest.approx(1e9 / rate, rel=0.02)
    assert len(market.panics) == int(20 / rate)


def test_tails_are_heavier_and_the_variance_is_not() -> None:
    normal, heavy = (np.diff(np.log(synthetic_market(200_000, 4, tail=tail).price)) for tail in (None, 4))
    assert heavy.std() == pytest.approx(normal.std(), rel=0.15)
    assert np.abs(heavy).max() > 1.5 * np.abs(normal).max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"decoys": -1}, "-1 decoys; 20000 ticks have room for 0 to 8"),
        ({"decoys": 9}, "9 decoys; 20000 ticks have room for 0 to 8"),
        ({"ticks": 4_999, "decoys": 1}, "room for 0 to 0"),
        ({"volatility": 0.0}, "volatility is 0.0"),
        ({"volatility": float("nan")}, "volatility is nan"),
        ({"tail": 2}, "tail is 2"),
        ({"ticks_per_second": 0.0}, "0.0 ticks a second"),
        ({"ticks_per_second": 2_000.0}, "2000.0 ticks a second"),
        ({"ticks": 1_500, "ticks_per_second": 2.0}, "ask for 2000 or more"),
    ],
)
def test_markets_that_cannot_be_made(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        synthetic_market(**arguments)  # type: ignore[arg-type]

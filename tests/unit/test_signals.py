import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import latencykit.suite
from latencykit.engine import PanicDetector, Price
from latencykit.errors import InvalidTypeError, InvalidValueError
from latencykit.suites import signals as signal_suite
from latencykit.suites import signals_scan as scan_suite

Doubles = npt.NDArray[np.float64]
BARS = Path(__file__).parents[2] / ".." / "shared" / "data" / "btc_perp_1m_2022-01.csv"
WARM_UP = 230
LAG = 10  # ticks after the bottom in which an entry is still one at the bottom


# ---- Synthetic markets


def walk(seed: int, ticks: int = 3000, volatility: float = 3e-4) -> tuple[Doubles, Doubles]:
    """Return the log returns and the volumes of a quiet market."""
    random = np.random.default_rng(seed)
    return random.normal(0, volatility, ticks), 100 * np.exp(random.normal(0, 0.4, ticks))


def prices_of(returns: Doubles) -> Doubles:
    return 100 * np.exp(np.cumsum(returns))


def planted(seed: int) -> tuple[Doubles, Doubles, int, int]:
    """Return a market with a panic of 3-5 % in 20-40 ticks on 5-10 times the volume, half won back, and where."""
    returns, volumes = walk(seed)
    random = np.random.default_rng([seed, 1])
    start, length = int(random.integers(500, 2800)), int(random.integers(20, 41))
    fall = random.uniform(0.03, 0.05)
    returns[start : start + length] -= fall / length
    returns[start + length : start + length + 100] += fall / 200
    volumes[start : start + length] *= random.uniform(5, 10)
    return prices_of(returns), volumes, start, length


@pytest.mark.parametrize("seed", range(20))
def test_a_planted_panic_is_found_once(seed: int) -> None:
    prices, volumes, start, length = planted(seed)
    (signal,) = PanicDetector().scan(prices, volumes)
    assert start <= signal.index < start + length + LAG
    assert signal.price == prices[signal.index]
    assert 0.5 <= signal.confidence <= 1
    assert 1.005 <= signal.take_profit / signal.price <= 1.02 + 1e-12
    assert signal.stop < signal.price


@pytest.mark.parametrize("seed", range(10))
def test_a_quiet_market_has_none(seed: int) -> None:
    returns, volumes = walk(seed, 20_000)
    assert PanicDetector().scan(prices_of(returns), volumes) == []


@pytest.mark.parametrize("seed", range(10))
def test_a_slow_slide_is_none(seed: int) -> None:
    returns, volumes = walk(seed)
    returns[1000:2500] -= 0.10 / 1500
    volumes[1000:2500] *= 3
    assert PanicDetector().scan(prices_of(returns), volumes) == []


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("depth", [-0.05, 0.05])
def test_a_one_tick_spike_is_none(seed: int, depth: float) -> None:
    returns, volumes = walk(seed)
    prices = prices_of(returns)
    prices[1500] *= 1 + depth
    volumes[1500] *= 50
    assert PanicDetector().scan(prices, volumes) == []


@pytest.mark.parametrize("seed", range(10))
def test_volume_alone_is_none(seed: int) -> None:
    returns, volumes = walk(seed)
    volumes[1500:1540] *= 10
    assert PanicDetector().scan(prices_of(returns), volumes) == []


@pytest.mark.parametrize("seed", range(10))
def test_a_fall_without_volume_is_none_unless_volume_is_left_out(seed: int) -> None:
    prices, _, start, length = planted(seed)
    for volumes in (np.full(prices.size, 100.0), np.zeros(prices.size)):
        assert PanicDetector().scan(prices, volumes) == []
        (signal,) = PanicDetector(volume_ratio=0).scan(prices, volumes)
        assert start <= signal.index < start + length + LAG


def test_a_rise_is_none() -> None:
    prices, volumes, *_ = planted(3)
    assert PanicDetector().scan(1e4 / prices, volumes) == []


def test_a_bad_print_does_not_blind() -> None:
    prices, volumes, start, length = planted(4)
    prices[start - 60] *= 0.5
    signals = PanicDetector().scan(prices, volumes)
    assert [start <= signal.index < start + length + LAG for signal in signals] == [True]


def test_two_panics_far_apart_are_two() -> None:
    returns, volumes = walk(5, 4000)
    for start in (1000, 3000):
        returns[start : start + 30] -= 0.04 / 30
        volumes[start : start + 30] *= 7
    found = [signal.index for signal in PanicDetector().scan(prices_of(returns), volumes)]
    assert [index // 1000 for index in found] == [1, 3]


def test_nothing_is_signalled_while_warming_up() -> None:
    returns, volumes = walk(6, WARM_UP)
    returns[100:130] -= 0.04 / 30
    returns[130:] += 0.02 / 100
    volumes[100:130] *= 7
    assert PanicDetector().scan(prices_of(returns), volumes) == []
    (late,) = PanicDetector(window=20).scan(prices_of(returns), volumes)
    assert 130 <= late.index < 130 + LAG


def test_the_settings_matter() -> None:
    prices, volumes, *_ = planted(7)
    for settings in (
        {"fall_deviations": 100.0},
        {"least_fall": 0.5},
        {"volume_ratio": 50.0},
        {"oversold": 0.001},
    ):
        assert PanicDetector(**settings).scan(prices, volumes) == []  # type: ignore[arg-type]


def test_refractory_counts_ticks_without_panic() -> None:
    returns, volumes = walk(8, 2000)
    for start in (1000, 1100):
        returns[start : start + 20] -= 0.05 / 20
        volumes[start : start + 20] *= 8
    found = len(PanicDetector(refractory=0).scan(prices_of(returns), volumes))
    assert found > len(PanicDetector(refractory=500).scan(prices_of(returns), volumes)) == 1


# ---- Streaming


def test_streaming_finds_what_scanning_finds() -> None:
    prices, volumes, *_ = planted(9)
    scanning, streaming = PanicDetector(), PanicDetector()
    found = [streaming.update(*tick) for tick in zip(prices.tolist(), volumes.tolist(), strict=True)]
    assert [signal for signal in found if signal] == scanning.scan(prices, volumes)
    assert (streaming.ticks, streaming.rsi, streaming.volatility) == (
        scanning.ticks,
        scanning.rsi,
        scanning.volatility,
    )


def test_scanning_in_parts_is_scanning_at_once() -> None:
    prices, volumes, start, _ = planted(10)
    detector = PanicDetector()
    parts = detector.scan(prices[: start + 3], volumes[: start + 3]) + detector.scan(
        prices[start + 3 :], volumes[start + 3 :]
    )
    assert parts == PanicDetector().scan(prices, volumes)


def test_volatility_is_that_of_the_returns() -> None:
    returns, volumes = walk(11, 5000, 1e-3)
    detector = PanicDetector(window=2000)
    detector.scan(prices_of(returns), volumes)
    assert detector.volatility == pytest.approx(1e-3, rel=0.05)


def test_rsi_by_hand() -> None:
    detector = PanicDetector(rsi_period=2)
    assert detector.rsi == 50
    for price in (10, 11, 10, 12):
        detector.update(price, 1)
    # gains 0 1 0 2 average to 0, 1/2, 1/4, 9/8; losses 0 0 1 0 to 0, 0, 1/2, 1/4
    assert detector.rsi == pytest.approx(100 * (9 / 8) / (11 / 8))


BAD_TICKS = [
    (0.0, 1.0, "price is 0.0"),
    (-1.5, 1.0, "price is -1.5"),
    (math.nan, 1.0, "price is nan"),
    (math.inf, 1.0, "price is inf"),
    (1.0, -2.0, "volume is -2.0"),
    (1.0, math.nan, "volume is nan"),
    (1.0, math.inf, "volume is inf"),
]


@pytest.mark.parametrize(("price", "volume", "message"), BAD_TICKS)
def test_a_bad_tick_changes_nothing(price: float, volume: float, message: str) -> None:
    prices, volumes, *_ = planted(12)
    clean, disturbed = PanicDetector(), PanicDetector()
    found = []
    for tick in zip(prices.tolist(), volumes.tolist(), strict=True):
        found.append((clean.update(*tick), disturbed.update(*tick)))
        with pytest.raises(InvalidValueError, match=message):
            disturbed.update(price, volume)
    assert all(one == other for one, other in found)
    assert (clean.ticks, clean.rsi, clean.volatility) == (
        disturbed.ticks,
        disturbed.rsi,
        disturbed.volatility,
    )


@pytest.mark.parametrize(("price", "volume", "message"), BAD_TICKS)
def test_a_bad_row_is_named_and_nothing_is_taken_in(price: float, volume: float, message: str) -> None:
    detector = PanicDetector()
    name, value = message.split(" is ")
    with pytest.raises(InvalidValueError, match=f"{name} of row 2 is {value}"):
        detector.scan([1.0, 1.0, price], [1.0, 1.0, volume])
    assert detector.ticks == 0


def test_wrong_calls() -> None:
    detector = PanicDetector()
    with pytest.raises(InvalidTypeError, match="price must be a number, not '1'"):
        detector.update("1", 1.0)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="volume must be a number, not None"):
        detector.update(1.0, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        detector.update(1.0)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        detector.scan([1.0])  # type: ignore[call-arg]
    with pytest.raises(InvalidTypeError, match="prices"):
        detector.scan(["a"], [1.0])  # type: ignore[list-item]
    with pytest.raises(InvalidTypeError, match="volumes"):
        detector.scan([1.0], ["a"])  # type: ignore[list-item]
    with pytest.raises(InvalidValueError, match="2 prices but 1 volumes"):
        detector.scan([1.0, 2.0], [1.0])
    assert detector.ticks == 0


def test_checked_prices_integers_and_other_arrays_are_taken() -> None:
    prices, volumes, *_ = planted(13)
    expected = PanicDetector().scan(prices, volumes)
    assert PanicDetector().scan(prices[::-1].copy()[::-1], volumes.tolist()) == expected
    assert PanicDetector().scan(prices.astype(np.float32), volumes.astype(np.int32))[0].index == expected[0].index
    detector = PanicDetector()
    assert detector.update(Price(100), 3) is None
    assert detector.update(np.float64(100), True) is None
    assert detector.ticks == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 1}, "window is 1;"),
        ({"window": 1_000_001}, "window is 1000001;"),
        ({"horizon": 2}, "horizon is 2;"),
        ({"rsi_period": 0}, "rsi_period is 0;"),
        ({"refractory": -1}, "refractory is -1;"),
        ({"fall_deviations": 0.0}, "fall_deviations is 0.0;"),
        ({"least_fall": 1.0}, "least_fall is 1.0;"),
        ({"least_fall": math.nan}, "least_fall is nan;"),
        ({"volume_ratio": -1.0}, "volume_ratio is -1.0;"),
        ({"volume_ratio": math.inf}, "volume_ratio is inf;"),
        ({"oversold": 101.0}, "oversold is 101.0;"),
        ({"turn": -1}, "turn is -1;"),
    ],
)
def test_settings_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        PanicDetector(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{"window": 10**30}, {"turn": -(10**30)}, {"least_fall": 10**400}])
def test_settings_too_large_for_any_machine(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="a number given to PanicDetector is too large"):
        PanicDetector(**settings)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="price is an int too large"):
        PanicDetector().update(10**400, 1)


def test_a_flat_market_then_a_fall() -> None:
    prices = np.concatenate([np.full(500, 100.0), np.linspace(100, 96, 30), np.full(5, 96.0)])
    volumes = np.concatenate([np.full(500, 10.0), np.full(35, 80.0)])
    (signal,) = PanicDetector().scan(prices, volumes)
    assert signal.index == 533  # the last three are 96 from 531 on, and no lower at the two ticks after


@pytest.mark.skipif(not BARS.exists(), reason="the real bars are not beside the project")
def test_real_bars_give_few_signals_in_falls() -> None:
    bars = np.genfromtxt(BARS, delimiter=",", skip_header=1, usecols=(4, 5))
    found = PanicDetector().scan(bars[:, 0], bars[:, 1])
    assert 1 <= len(found) <= 45
    for signal in found:
        assert bars[signal.index, 0] < bars[signal.index - 30, 0]


# ---- The suites


class Market:
    """What the suites use of a market."""

    def __init__(self, ticks: int) -> None:
        self.price, self.volume, *_ = planted(14)
        self.price, self.volume = self.price[:ticks], self.volume[:ticks]


@pytest.fixture(params=[300, 3000])
def market(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Market:
    fake = Market(request.param)
    monkeypatch.setattr("latencykit.market", lambda: fake)
    return fake


def test_each_signals_variant_is_ready_to_run(market: Market) -> None:
    assert list(signal_suite.signals.variants) == ["naive", "incremental", "native"]
    for variant in signal_suite.signals.variants.values():
        operation = latencykit.suite.as_operation(variant.setup())
        assert len(operation.rows) == market.price.size
        assert {operation.function(*row) for row in operation.rows[:5]} == {None}


@pytest.mark.parametrize("ticks", [100, 5_000])
def test_scanning_and_updating_suites_give_the_same(market: Market, ticks: int) -> None:
    results = []
    for variant in scan_suite.scans.variants.values():
        operation = latencykit.suite.as_operation(variant.setup(ticks=ticks))
        (row,) = operation.rows
        results.append([operation.function(*row) for _ in range(2)])
    assert results[0] == results[1]
    assert results[0][0] or ticks == 100 or market.price.size == 300

"""The detector on planted panics and decoys, with seeds that it was not tuned on; and the report's own arithmetic."""

import math
from types import ModuleType

import pytest
from report_scripts import report_script


@pytest.fixture(scope="module")
def report() -> ModuleType:
    return report_script("panic_detection")


MARKETS = ["as tuned", "half the volatility", "twice the volatility", "half as many ticks a second"]


@pytest.mark.parametrize("name", [*MARKETS, "heavy tails (Student's t, 4)", "twice as many ticks a second"])
def test_panics_are_found_and_decoys_are_not(report: ModuleType, name: str) -> None:
    tally = report.tallied(range(2000, 2015), report.MARKETS[name])
    assert tally.ticks == 300_000
    assert tally.found >= 0.95 * tally.panics > 25
    assert tally.false.total() <= tally.ticks / 10_000
    assert tally.reached >= 0.8 * tally.found  # an entry before the turn is stopped out
    assert tally.decoys.total() >= 45


def test_a_detector_that_always_fires_is_not_praised(report: ModuleType) -> None:
    market = report.synthetic_market(20_000, 5, decoys=8)
    tally = report.Tally()
    signals = [report.Signal(100.0, 0.5, 101.0, 99.0, index) for index in range(0, 20_000, 5)]
    report.add(tally, market, signals, 1.0)
    assert tally.found == 4
    assert tally.false.total() == len(signals) - 4
    assert report.verdict(tally) == "MISSED"


def test_a_detector_that_never_fires_is_not_praised(report: ModuleType) -> None:
    tally = report.Tally()
    report.add(tally, report.synthetic_market(20_000, 5), [], 1.0)
    assert (tally.found, tally.panics, tally.false.total()) == (0, 4, 0)
    assert report.verdict(tally) == "MISSED"


def test_intervals_are_exact(report: ModuleType) -> None:
    tally = report.Tally(ticks=1, panics=20, delays=[0] * 17)
    # R: binom.test(17, 20)$conf.int
    assert report.found_interval(tally) == pytest.approx((0.6210732, 0.9679291), abs=1e-6)
    none = report.Tally(ticks=1, panics=10)
    assert report.found_interval(none) == pytest.approx((0, 1 - 0.025**0.1))
    # The upper bound of a Poisson mean of which nothing was seen is -ln(0.025).
    assert report.false_interval(none) == pytest.approx((0, -math.log(0.025)))
    tally.false["x"] = 10
    # R: poisson.test(10)$conf.int
    assert report.false_interval(tally) == pytest.approx((4.795389, 18.390356), abs=1e-5)

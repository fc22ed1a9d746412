"""Scans of long series beside other threads."""

import math
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import psutil
import pytest

from latencykit.engine import PanicDetector, Signal, synthetic_market
from latencykit.errors import InvalidStateError, InvalidValueError

Doubles = npt.NDArray[np.float64]
TICKS = 5_000_000
ATTEMPTS = 20  # a scan may be over before this thread is given the processor


@pytest.fixture(scope="module")
def long_series() -> tuple[Doubles, Doubles]:
    market = synthetic_market(20_000, 3)
    return np.resize(market.price, TICKS), np.resize(market.volume, TICKS)


def caught_scanning(detector: PanicDetector, scan: "Future[list[Signal]]") -> bool:
    """Wait until the detector refuses a scan of nothing, which another thread's scan makes it do."""
    while not scan.done():
        try:
            detector.scan([], [])
        except InvalidStateError:
            return True
    return False


def test_a_scan_lets_other_threads_run_and_refuses_their_calls(long_series: tuple[Doubles, Doubles]) -> None:
    expected = PanicDetector().scan(*long_series)
    with ThreadPoolExecutor(1) as pool:
        for _ in range(ATTEMPTS):
            detector = PanicDetector()
            scan = pool.submit(detector.scan, *long_series)
            if not caught_scanning(detector, scan):
                continue
            try:
                with pytest.raises(InvalidStateError, match="scanning a series in another thread"):
                    detector.update(100.0, 1.0)
                assert detector.ticks == 0  # as it was before
            except (AssertionError, pytest.fail.Exception):
                if not scan.done():
                    raise
                continue
            assert scan.result() == expected
            assert detector.ticks == TICKS
            detector.update(100.0, 1.0)
            return
    pytest.fail("no scan was seen while it ran: does it hold the GIL?")


def test_a_value_spoilt_during_the_scan_spoils_no_state(long_series: tuple[Doubles, Doubles]) -> None:
    detector = PanicDetector()
    detector.scan(long_series[0][:500], long_series[1][:500])
    before = detector.ticks, detector.rsi, detector.volatility
    prices = long_series[0].copy()
    with ThreadPoolExecutor(1) as pool:
        for _ in range(ATTEMPTS):
            prices[-1] = 100.0
            scan = pool.submit(detector.scan, prices, long_series[1])
            caught = caught_scanning(detector, scan)
            prices[-1] = math.nan
            if caught and isinstance(scan.exception(), InvalidValueError):
                assert f"price of row {TICKS - 1} is nan" in str(scan.exception())
                assert (detector.ticks, detector.rsi, detector.volatility) == before
                return
            detector = PanicDetector()
            detector.scan(long_series[0][:500], long_series[1][:500])
    pytest.fail("the scan never read what was written meanwhile")


@pytest.mark.parametrize("ticks", [1_000, 20_000])
def test_a_refused_scan_leaves_the_detector_as_it_was(ticks: int) -> None:
    market = synthetic_market(20_000, 4)
    prices, volumes = market.price[:ticks], market.volume[:ticks].copy()
    refused, clean = PanicDetector(), PanicDetector()
    for detector in (refused, clean):
        detector.scan(market.price[:1_500], market.volume[:1_500])
    volumes[-1] = -1
    with pytest.raises(InvalidValueError, match=f"volume of row {ticks - 1} is -1.0"):
        refused.scan(prices, volumes)
    assert refused.scan(market.price, market.volume) == clean.scan(market.price, market.volume)
    assert (refused.ticks, refused.rsi, refused.volatility) == (clean.ticks, clean.rsi, clean.volatility)


def test_detectors_of_their_own_work_side_by_side(long_series: tuple[Doubles, Doubles]) -> None:
    prices, volumes = (series[:200_000] for series in long_series)
    expected = PanicDetector().scan(prices, volumes)
    together = threading.Barrier(4)

    def scan() -> list[Signal]:
        together.wait()
        return PanicDetector().scan(prices, volumes)

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(scan) for _ in range(4)]
        assert [result.result() for result in results] == [expected] * 4


def test_the_rings_of_detectors_and_of_their_copies_are_given_back() -> None:
    ticks = np.full(10, 100.0)
    process = psutil.Process()

    def use() -> None:
        detector = PanicDetector(horizon=100_000)  # a ring of 3.2 MB, and as much in each scan
        detector.scan(ticks, ticks)
        with pytest.raises(InvalidValueError):
            detector.scan(ticks, -ticks)

    use()
    before = process.memory_info().rss
    for _ in range(100):
        use()
    assert process.memory_info().rss - before < 100e6  # of 960 MB that were asked for

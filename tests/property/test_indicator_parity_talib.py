"""The indicators beside TA-Lib's, on finite series and in its conventions.

Where the two differ on purpose: TA-Lib's RSI is 0 where nothing changed, ours 50; its MACD leaves the line out until
the signal begins. Its sums are updated by subtracting what left the window, so that it is compared on prices, near to
each other, and with a tolerance that its own errors need.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from latencykit.engine import indicators

Series = npt.NDArray[np.float64]
ISAS = pytest.mark.parametrize("isa", indicators.ISAS)
PERIODS = st.integers(2, 8) | st.integers(2, 40)
# In hundredths; the range leaves TA-Lib's own errors small.
PRICES = st.lists(st.integers(5_000, 15_000), min_size=1, max_size=200).map(lambda cents: np.array(cents) / 100)
TOLERANCE = {"rtol": 1e-11, "atol": 1e-9}


def assert_parity(ours: Any, theirs: Any, **tolerance: float) -> None:
    np.testing.assert_allclose(ours, theirs, **(TOLERANCE | tolerance))


@ISAS
@given(x=PRICES, period=PERIODS)
def test_ema_from_a_mean(isa: str, x: Series, period: int) -> None:
    assert_parity(indicators.ema(x, period, seed="sma", isa=isa), talib.EMA(x, period))


PLAIN: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (indicators.sma, talib.SMA),
    (indicators.rolling_min, talib.MIN),
    (indicators.rolling_max, talib.MAX),
]


@ISAS
@pytest.mark.parametrize(("ours", "theirs"), PLAIN, ids=["sma", "min", "max"])
@given(x=PRICES, period=PERIODS)
def test_windows(ours: Callable[..., Any], theirs: Callable[..., Any], isa: str, x: Series, period: int) -> None:
    assert_parity(ours(x, period, isa=isa), theirs(x, period))


@ISAS
@given(x=PRICES, period=PERIODS)
def test_deviation_of_the_population(isa: str, x: Series, period: int) -> None:
    # TA-Lib takes the difference of two large squares: the root of its error is seen where the deviation is small.
    assert_parity(indicators.rolling_std(x, period, isa=isa), talib.STDDEV(x, period), atol=1e-4)
    assert_parity(indicators.rolling_std(x, period, isa=isa) ** 2, talib.VAR(x, period), atol=1e-8)


@ISAS
@given(x=PRICES, period=PERIODS, width=st.floats(0, 5))
def test_bollinger(isa: str, x: Series, period: int, width: float) -> None:
    bands = indicators.bollinger(x, period, width, isa=isa)
    assert_parity(bands, talib.BBANDS(x, period, width, width), atol=5e-4)
    assert_parity(bands[1], talib.SMA(x, period))


@ISAS
@given(x=PRICES, period=PERIODS)
def test_rsi_but_where_nothing_changed(isa: str, x: Series, period: int) -> None:
    ours, theirs = indicators.rsi(x, period, isa=isa), talib.RSI(x, period)
    changed = np.arange(x.size) > np.append(np.flatnonzero(np.diff(x)), x.size)[0]
    assert (ours[~changed & ~np.isnan(ours)] == 50).all()
    assert (theirs[~changed & ~np.isnan(theirs)] == 0).all()
    assert_parity(np.where(changed, ours, np.nan), np.where(changed, theirs, np.nan))


@ISAS
@given(x=PRICES, fast=st.integers(2, 20), more=st.integers(1, 20), signal=st.integers(1, 20))
def test_macd_from_means_but_the_line_comes_earlier(isa: str, x: Series, fast: int, more: int, signal: int) -> None:
    line, smooth, histogram = indicators.macd(x, fast, fast + more, signal, seed="sma", isa=isa)
    theirs = talib.MACD(x, fast, fast + more, signal)
    assert np.isnan(line[: fast + more - 1]).all()
    assert not np.isnan(line[fast + more - 1 :]).any()
    line[: fast + more + signal - 2] = np.nan
    assert_parity((line, smooth, histogram), theirs)


@ISAS
@given(
    rows=st.lists(st.tuples(*[st.integers(5_000, 15_000)] * 3), min_size=1, max_size=200),
    period=PERIODS,
)
def test_atr(isa: str, rows: list[tuple[int, int, int]], period: int) -> None:
    low, close, high = np.sort(np.array(rows) / 100, axis=1).T.copy()
    assert_parity(indicators.atr(high, low, close, period, isa=isa), talib.ATR(high, low, close, period))

"""The indicators beside pandas: averages that leave gaps out, and rolling windows that gaps empty.

A rolling window of pandas with `min_periods=period` is NaN until it holds no gap, as with missing="propagate"; a
series without its gaps is what missing="skip" computes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latencykit.engine import indicators

Series = npt.NDArray[np.float64]
ISAS = pytest.mark.parametrize("isa", indicators.ISAS)
PERIODS = st.integers(1, 8) | st.integers(1, 40)
CENTS = st.integers(5_000, 15_000) | st.sampled_from([10_000, 10_000, None])


def in_units(cents: list[int | None]) -> Series:
    return np.array([np.nan if value is None else value / 100 for value in cents])


SERIES = st.lists(CENTS, max_size=200).map(in_units)


def assert_parity(ours: Any, theirs: "pd.Series[float]", atol: float = 1e-9) -> None:
    np.testing.assert_allclose(ours, theirs.to_numpy(), rtol=1e-11, atol=atol)


@ISAS
@given(x=SERIES, period=PERIODS)
def test_ema_leaves_gaps_out(isa: str, x: Series, period: int) -> None:
    theirs = pd.Series(x).ewm(span=period, adjust=False, ignore_na=True).mean()
    # pandas repeats the last average in a gap, where ours is NaN.
    assert_parity(indicators.ema(x, period, isa=isa), theirs.where(~np.isnan(x)))


@ISAS
@given(x=SERIES, alpha=st.floats(1e-3, 1))
def test_ema_of_any_weight(isa: str, x: Series, alpha: float) -> None:
    theirs = pd.Series(x).ewm(alpha=alpha, adjust=False, ignore_na=True).mean()
    assert_parity(indicators.ema(x, alpha=alpha, isa=isa), theirs.where(~np.isnan(x)))


@ISAS
@given(x=SERIES, fast=st.integers(1, 20), more=st.integers(1, 20), signal=st.integers(1, 20))
def test_macd(isa: str, x: Series, fast: int, more: int, signal: int) -> None:
    def average(series: "pd.Series[float]", period: int) -> "pd.Series[float]":
        return series.ewm(span=period, adjust=False, ignore_na=True).mean()

    kept = pd.Series(x).dropna()
    line = average(kept, fast) - average(kept, fast + more)
    smooth = average(line, signal)
    ours = indicators.macd(x, fast, fast + more, signal, isa=isa)
    for mine, theirs in zip(ours, (line, smooth, line - smooth), strict=True):
        assert_parity(mine, theirs.reindex(range(x.size)))


@ISAS
@pytest.mark.parametrize(
    ("name", "method"), [("sma", "mean"), ("rolling_min", "min"), ("rolling_max", "max")], ids=["mean", "min", "max"]
)
@pytest.mark.parametrize("missing", ["skip", "propagate"])
@given(x=SERIES, period=PERIODS)
def test_windows(name: str, method: str, isa: str, missing: str, x: Series, period: int) -> None:
    series = pd.Series(x) if missing == "propagate" else pd.Series(x).dropna()
    theirs = getattr(series.rolling(period), method)().reindex(range(x.size))
    assert_parity(getattr(indicators, name)(x, period, missing=missing, isa=isa), theirs)


@ISAS
@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("missing", ["skip", "propagate"])
@given(x=SERIES, period=st.integers(2, 40))
def test_deviations(isa: str, ddof: int, missing: str, x: Series, period: int) -> None:
    rolling = (pd.Series(x) if missing == "propagate" else pd.Series(x).dropna()).rolling(period)
    theirs = rolling.std(ddof=ddof).reindex(range(x.size))
    settings: dict[str, Any] = {"ddof": ddof, "missing": missing, "isa": isa}
    # pandas updates its sums: what left the window is still seen in the root of a small variance.
    assert_parity(indicators.rolling_std(x, period, **settings), theirs, atol=1e-5)
    upper, middle, lower = indicators.bollinger(x, period, 2.0, **settings)
    assert_parity(upper - middle, 2 * theirs, atol=1e-4)
    assert_parity(middle - lower, 2 * theirs, atol=1e-4)


@ISAS
@given(x=SERIES, period=st.integers(2, 40))
def test_scores(isa: str, x: Series, period: int) -> None:
    series = pd.Series(x)
    rolling = series.rolling(period)
    deviation = rolling.std(ddof=0)
    theirs = (series - rolling.mean()) / deviation
    ours = indicators.zscore(x, period, missing="propagate", isa=isa)
    clear = deviation.to_numpy() > 1e-3
    assert_parity(np.where(clear, ours, np.nan), theirs.where(clear), atol=1e-6)
    flat = (rolling.max() == rolling.min()).to_numpy()
    assert np.isnan(ours[flat]).all()
    assert not np.isnan(ours[clear]).any()


@ISAS
@given(rows=st.lists(st.tuples(CENTS, st.none() | st.integers(0, 20)), max_size=200), period=st.none() | PERIODS)
def test_vwap(isa: str, rows: list[tuple[int | None, int | None]], period: int | None) -> None:
    price = in_units([cents for cents, _ in rows])
    volume = np.array([np.nan if shares is None else shares for _, shares in rows], float)
    table = pd.DataFrame({"traded": price * volume, "volume": volume})
    table.loc[table.traded.isna(), "volume"] = np.nan
    sums = table.dropna().cumsum().reindex(table.index) if period is None else table.rolling(period).sum()
    theirs = (sums.traded / sums.volume).where(sums.volume > 0.5)  # shares are whole; pandas' sums may not be
    missing = "skip" if period is None else "propagate"
    assert_parity(indicators.vwap(price, volume, period, missing=missing, isa=isa), theirs)

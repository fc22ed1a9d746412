"""Streaming indicators against plain references in rational numbers, and against the batch functions."""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latencykit.engine import indicators

EPS = Fraction(float(np.finfo(float).eps))
# Some values repeat, some are far from the others; squares neither overflow nor vanish.
VALUES = (
    st.sampled_from([0.0, 1.0, 100.1, 100.2]) | st.floats(-1e3, 1e3).map(lambda x: round(x, 9)) | st.floats(-1e12, 1e12)
).map(lambda x: x if abs(x) > 1e-9 else 0.0)
MISSING = st.sampled_from([math.nan, math.inf, -math.inf])
PRICES = st.lists(VALUES, max_size=120)
GAPPED = st.lists(VALUES | VALUES | VALUES | MISSING, max_size=120)
VOLUMES = st.floats(1e-3, 1e6) | st.just(0.0)
PERIODS = st.integers(1, 40)
MODES = st.sampled_from(["skip", "propagate"])


def windows(x: Sequence[float], period: int) -> list[list[Fraction]]:
    return [[Fraction(value) for value in x[i + 1 - period : i + 1]] for i in range(period - 1, len(x))]


def mean_slack(window: list[Fraction]) -> Fraction:
    """Bound the error of a mean: roundings of a sum of distances, and of the mean itself."""
    spread = max(window) - min(window)
    return EPS * (2 * abs(sum(window, Fraction(0)) / len(window)) + (len(window) + 3) * spread)


@given(x=PRICES, period=PERIODS)
def test_sma_is_within_its_bound(x: list[float], period: int) -> None:
    sma = indicators.Sma(period)
    got = [sma.update(value) for value in x]
    assert all(map(math.isnan, got[: period - 1]))
    for mean, window in zip(got[period - 1 :], windows(x, period), strict=True):
        assert abs(Fraction(mean) - sum(window) / period) <= mean_slack(window)


@given(x=PRICES, period=PERIODS)
def test_extremes_are_exact(x: list[float], period: int) -> None:
    least, greatest = indicators.RollingMin(period), indicators.RollingMax(period)
    got = [(least.update(value), greatest.update(value)) for value in x]
    assert all(math.isnan(value) for pair in got[: period - 1] for value in pair)
    assert got[period - 1 :] == [(min(window), max(window)) for window in windows(x, period)]


@given(x=PRICES, period=PERIODS, ddof=st.sampled_from([0, 1]))
def test_deviations_are_within_their_bound(x: list[float], period: int, ddof: int) -> None:
    period += ddof
    std, score, bands = (
        indicators.RollingStd(period, ddof=ddof),
        indicators.Zscore(period, ddof=ddof),
        indicators.Bollinger(period, 1.5, ddof=ddof),
    )
    got = [(std.update(value), score.update(value), *bands.update(value)) for value in x]
    assert all(math.isnan(value) for row in got[: period - 1] for value in row)
    for (deviation, z, upper, middle, lower), window in zip(got[period - 1 :], windows(x, period), strict=True):
        mean = sum(window, Fraction(0)) / period
        spread = max(window) - min(window)
        variance = sum(((value - mean) ** 2 for value in window), Fraction(0)) / (period - ddof)
        bound = 8 * period * EPS * period * spread**2 / (period - ddof) + 4 * EPS * variance
        assert abs(Fraction(deviation) ** 2 - variance) <= bound
        assert abs(Fraction(middle) - mean) <= mean_slack(window)
        assert (upper, lower) == (middle + 1.5 * deviation, middle - 1.5 * deviation)
        if deviation == 0:
            assert math.isnan(z)
        else:
            assert abs(Fraction(z) * Fraction(deviation) - (window[-1] - mean)) <= 4 * EPS * (period + 4) * spread
        if spread == 0:
            assert (deviation, Fraction(middle)) == (0, mean)


@given(rows=st.lists(st.tuples(VALUES, VOLUMES), max_size=120), period=st.none() | PERIODS)
def test_vwap_is_within_its_bound(rows: list[tuple[float, float]], period: int | None) -> None:
    vwap = indicators.Vwap(period)
    for i, row in enumerate(rows):
        got = vwap.update(*row)
        window = rows[: i + 1] if period is None else rows[max(0, i + 1 - period) : i + 1]
        volume = sum((Fraction(v) for _, v in window), Fraction(0))
        if volume == 0 or len(window) < (period or 1):
            assert math.isnan(got)
            continue
        exact = sum((Fraction(p) * Fraction(v) for p, v in window), Fraction(0)) / volume
        spread = Fraction(max(p for p, _ in window)) - Fraction(min(p for p, _ in window))
        assert abs(Fraction(got) - exact) <= EPS * (2 * abs(exact) + 2 * (len(window) + 4) * spread)


def exact_average(x: list[Fraction], alpha: Fraction, seed_count: int) -> list[Fraction | None]:
    """Average exponentially, from the mean of the first `seed_count`; to 200 places, or fractions would grow."""
    averages: list[Fraction | None] = []
    average = Fraction(0)
    for i, value in enumerate(x):
        average = average + value / seed_count if i < seed_count else (1 - alpha) * average + alpha * value
        average = Fraction(round(average * 2**200), 2**200)
        averages.append(average if i >= seed_count - 1 else None)
    return averages


@given(x=PRICES, period=PERIODS, seed=st.sampled_from(["first", "sma"]))
def test_rsi_is_within_its_bound(x: list[float], period: int, seed: Any) -> None:
    rsi = indicators.Rsi(period, seed=seed)
    got = [rsi.update(value) for value in x]
    assert all(map(math.isnan, got[:1]))
    # Changes are rounded first, so that the reference sees what the averages are made of.
    changes = [Fraction(b - a) for a, b in pairwise(x)]
    count = period if seed == "sma" else 1
    up = exact_average([max(change, Fraction(0)) for change in changes], Fraction(1, period), count)
    down = exact_average([max(-change, Fraction(0)) for change in changes], Fraction(1, period), count)
    for result, rise, fall in zip(got[1:], up, down, strict=True):
        if rise is None or fall is None:
            assert math.isnan(result)
        elif rise + fall == 0:
            assert result == 50
        else:
            # All terms are of one sign: errors are relative, and grow with the number of steps at most.
            assert abs(Fraction(result) - 100 * rise / (rise + fall)) <= 100 * EPS * (4 * len(x) + 8)


# ---- batch equals streaming

WINDOWED = [
    (indicators.Sma, indicators.sma, {}),
    (indicators.RollingStd, indicators.rolling_std, {"ddof": 0}),
    (indicators.Zscore, indicators.zscore, {"ddof": 1}),
    (indicators.Bollinger, indicators.bollinger, {"width": 1.5, "ddof": 1}),
    (indicators.RollingMin, indicators.rolling_min, {}),
    (indicators.RollingMax, indicators.rolling_max, {}),
]
AVERAGED = [(indicators.Ema, indicators.ema), (indicators.Rsi, indicators.rsi)]


def as_columns(results: list[Any]) -> list[np.ndarray[Any, Any]]:
    if results and isinstance(results[0], tuple):
        return [np.array(column) for column in zip(*results, strict=True)]
    return [np.array(results, float)]


def assert_close(streamed: list[Any], batch: Any, scale: float) -> None:
    columns = batch if isinstance(batch, tuple) else (batch,)
    if not streamed:
        assert all(column.size == 0 for column in columns)
        return
    for mine, theirs in zip(as_columns(streamed), columns, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-14, atol=1e-14 * scale)


def largest(x: list[float]) -> float:
    return max((abs(value) for value in x if math.isfinite(value)), default=0.0)


@pytest.mark.parametrize(("form", "function", "settings"), WINDOWED, ids=lambda thing: getattr(thing, "__name__", ""))
@given(x=GAPPED, period=PERIODS, missing=MODES)
def test_windows_equal_the_batch(
    form: Any, function: Any, settings: dict[str, Any], x: list[float], period: int, missing: str
) -> None:
    period += settings.get("ddof", 0)
    indicator = form(period, **settings, missing=missing)
    streamed = [indicator.update(value) for value in x]
    # Two orders of summing up to `period` distances differ by some of their roundings, relative to the window's range;
    # a score is a quotient by a deviation of at least range / sqrt(2 * period). Extremes are values themselves.
    scales = {indicators.RollingMin: 0.0, indicators.RollingMax: 0.0, indicators.Zscore: 1000.0}
    scale = scales.get(form, 10 * largest(x))
    assert_close(streamed, function(np.array(x), period, **settings, missing=missing, isa="scalar"), scale)


@pytest.mark.parametrize(("form", "function"), AVERAGED)
@given(x=GAPPED, period=PERIODS, seed=st.sampled_from(["first", "sma"]), missing=MODES)
def test_averages_equal_the_batch(
    form: Any, function: Any, x: list[float], period: int, seed: str, missing: str
) -> None:
    indicator = form(period, seed=seed, missing=missing)
    streamed = [indicator.update(value) for value in x]
    batch = function(np.array(x), period, seed=seed, missing=missing, isa="scalar")
    assert_close(streamed, batch, largest(x) if form is indicators.Ema else 1000)


@given(
    x=GAPPED,
    fast=st.integers(1, 20),
    more=st.integers(1, 20),
    signal=st.integers(1, 20),
    seed=st.sampled_from(["first", "sma"]),
    missing=MODES,
)
def test_macd_equals_the_batch(x: list[float], fast: int, more: int, signal: int, seed: Any, missing: Any) -> None:
    macd = indicators.Macd(fast, fast + more, signal, seed=seed, missing=missing)
    streamed = [macd.update(value) for value in x]
    batch = indicators.macd(np.array(x), fast, fast + more, signal, seed=seed, missing=missing, isa="scalar")
    assert_close(streamed, batch, 10 * largest(x))


@given(
    rows=st.lists(st.tuples(*[VALUES | VALUES | VALUES | MISSING] * 3), max_size=120),
    period=PERIODS,
    seed=st.sampled_from(["first", "sma"]),
    missing=MODES,
)
def test_atr_equals_the_batch(rows: list[tuple[float, float, float]], period: int, seed: Any, missing: Any) -> None:
    atr = indicators.Atr(period, seed=seed, missing=missing)
    streamed = [atr.update(*row) for row in rows]
    high, low, close = np.array(rows, float).reshape(-1, 3).T.copy()
    batch = indicators.atr(high, low, close, period, seed=seed, missing=missing, isa="scalar")
    assert_close(streamed, batch, 10 * largest([value for row in rows for value in row]))


@given(
    rows=st.lists(st.tuples(VALUES | VALUES | MISSING, VOLUMES), max_size=120),
    period=st.none() | PERIODS,
    missing=MODES,
)
def test_vwap_equals_the_batch(rows: list[tuple[float, float]], period: int | None, missing: Any) -> None:
    vwap = indicators.Vwap(period, missing=missing)
    streamed = [vwap.update(*row) for row in rows]
    price, volume = np.array(rows, float).reshape(-1, 2).T.copy()
    batch = indicators.vwap(price, volume, period, missing=missing, isa="scalar")
    assert_close(streamed, batch, 10 * largest([p for p, _ in rows]))

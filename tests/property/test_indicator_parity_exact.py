"""Every indicator, on every instruction set, within its stated bound of a reference in exact numbers.

The series are hostile: far from zero, of mixed size, constant, denormal, near the largest float, of changing sign.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from exact_indicators import NOTHING, expected
from hypothesis import given
from hypothesis import strategies as st
from indicator_calls import as_tuple

from latencykit.engine import indicators

LONGEST = 90
# Of a whole number, its place, a constant and the float type: a value of the series.
Profile = Callable[[int, int, int, Any], float]
PLAIN: dict[str, Profile] = {
    "prices": lambda k, i, c, f: 100 + k / 100,
    "constant": lambda k, i, c, f: 0.1 * c,
    "offset": lambda k, i, c, f: 2.0**f.nmant + k,
    "steps": lambda k, i, c, f: float(c if i % 20 < 10 else k % 3),
    "alternating": lambda k, i, c, f: (-1) ** i * (1000 + k / 7),
    "sizes": lambda k, i, c, f: math.copysign(2.0 ** (k % 31 - 15), k),
    "spikes": lambda k, i, c, f: k / 10 if k % 7 else 1e9 * (1 + c),
    "zeros": lambda k, i, c, f: -0.0 if k % 2 else 0.0,
}
# Sums overflow nowhere, but squares vanish or overflow.
EXTREME: dict[str, Profile] = {
    "denormal": lambda k, i, c, f: k * float(f.smallest_subnormal),
    "near denormal": lambda k, i, c, f: k * float(f.smallest_normal) / 64,
    "largest": lambda k, i, c, f: k / 1000 * float(f.max) / (8 * LONGEST),
    "largest offset": lambda k, i, c, f: float(f.max) / 8 / LONGEST * (1 + k * float(f.eps)),
    "all sizes": lambda k, i, c, f: math.copysign(2.0 ** (f.minexp + (k * 37) % (2 * f.maxexp - 20)), k),
}
# Squares are computed with these; below, they vanish.
FINE_SQUARES: dict[str, Profile] = {"denormal": EXTREME["denormal"], "near denormal": EXTREME["near denormal"]}
WHOLE = st.integers(-1000, 1000)
# Every length as often as any other: by themselves, lists would mostly be shorter than the window.
DRAWN = st.integers(0, LONGEST).flatmap(lambda n: st.lists(WHOLE, min_size=n, max_size=n))
GAPS = st.sets(st.integers(0, LONGEST), max_size=4)
MISSING = st.sampled_from([math.nan, math.inf, -math.inf])
MODES = st.sampled_from(["skip", "propagate"])
SEEDS = st.sampled_from(["first", "sma"])
PERIODS = st.integers(1, 8) | st.integers(1, 40)
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@st.composite
def series(draw: st.DrawFn, dtype: type, profiles: dict[str, Profile], columns: int = 1) -> Any:
    """Draw columns of one length, with missing values here and there."""
    whole = draw(DRAWN)
    profile, c = profiles[draw(st.sampled_from(sorted(profiles)))], draw(WHOLE)
    finfo = np.finfo(dtype)
    drawn = []
    for column in range(columns):
        shift = draw(st.integers(0, 5)) if column else 0
        x = np.array([profile(k + column * shift, i, c, finfo) for i, k in enumerate(whole)], dtype)
        for gap in draw(GAPS):
            x[gap : gap + 1] = draw(MISSING)
        drawn.append(x)
    return tuple(drawn)


def check(name: str, inputs: tuple[npt.NDArray[Any], ...], missing: str, **settings: Any) -> None:
    """Compare every instruction set, and streaming, with the exact results."""
    columns = [x.astype(float).tolist() for x in inputs]
    exact = expected(name, columns, inputs[0].dtype.type, missing, **settings)
    results = {isa: getattr(indicators, name)(*inputs, **settings, missing=missing, isa=isa) for isa in indicators.ISAS}
    if inputs[0].dtype == np.float64:
        streaming = getattr(indicators, "".join(map(str.capitalize, name.split("_"))))(**settings, missing=missing)
        results["streaming"] = tuple(np.array([streaming.update(*row) for row in zip(*columns, strict=True)]).T)
        if results["streaming"] and results["streaming"][0].ndim == 0:
            results["streaming"] = np.array(results["streaming"])
    for where, result in results.items():
        assert where == "streaming" or {y.dtype for y in as_tuple(result)} == {inputs[0].dtype}
        for b, y in enumerate(as_tuple(result)):
            for i, (got, near) in enumerate(zip(y.tolist(), exact, strict=True)):
                wanted = NOTHING if near is None else near[b]
                ok = math.isnan(got) if wanted is NOTHING else wanted.holds(got)
                assert ok, (where, b, i, got, float(wanted.value / wanted.scale))


@DTYPES
@given(data=st.data(), period=PERIODS, seed=SEEDS, missing=MODES)
def test_ema(data: st.DataObject, dtype: type, period: int, seed: str, missing: str) -> None:
    check("ema", data.draw(series(dtype, PLAIN | EXTREME)), missing, period=period, seed=seed)


@DTYPES
@given(data=st.data(), period=PERIODS, missing=MODES)
@pytest.mark.parametrize("name", ["sma", "rolling_min", "rolling_max"])
def test_means_and_extremes(name: str, data: st.DataObject, dtype: type, period: int, missing: str) -> None:
    check(name, data.draw(series(dtype, PLAIN | EXTREME)), missing, period=period)


@DTYPES
@given(data=st.data(), period=PERIODS, seed=SEEDS, missing=MODES)
def test_rsi(data: st.DataObject, dtype: type, period: int, seed: str, missing: str) -> None:
    check("rsi", data.draw(series(dtype, PLAIN | EXTREME)), missing, period=period, seed=seed)


@DTYPES
@given(
    data=st.data(),
    fast=st.integers(1, 20),
    more=st.integers(1, 20),
    signal=st.integers(1, 20),
    seed=SEEDS,
    missing=MODES,
)
def test_macd(data: st.DataObject, dtype: type, fast: int, more: int, signal: int, seed: str, missing: str) -> None:
    x = data.draw(series(dtype, PLAIN | EXTREME))
    check("macd", x, missing, fast=fast, slow=fast + more, signal=signal, seed=seed)


@DTYPES
@given(data=st.data(), period=PERIODS, seed=SEEDS, missing=MODES)
def test_atr(data: st.DataObject, dtype: type, period: int, seed: str, missing: str) -> None:
    check("atr", data.draw(series(dtype, PLAIN | EXTREME, 3)), missing, period=period, seed=seed)


@DTYPES
@given(data=st.data(), period=PERIODS, ddof=st.integers(0, 1), missing=MODES)
@pytest.mark.parametrize("name", ["rolling_std", "zscore"])
def test_deviations(name: str, data: st.DataObject, dtype: type, period: int, ddof: int, missing: str) -> None:
    x = data.draw(series(dtype, PLAIN | FINE_SQUARES))
    check(name, x, missing, period=period + ddof, ddof=ddof)


@DTYPES
@given(data=st.data(), period=PERIODS, ddof=st.integers(0, 1), width=st.floats(0, 10), missing=MODES)
def test_bollinger(data: st.DataObject, dtype: type, period: int, ddof: int, width: float, missing: str) -> None:
    x = data.draw(series(dtype, PLAIN | FINE_SQUARES))
    check("bollinger", x, missing, period=period + ddof, width=float(dtype(width)), ddof=ddof)


VOLUMES: dict[str, Profile] = {
    "shares": lambda k, i, c, f: float(abs(k)),
    "often none": lambda k, i, c, f: float(max(0, k // 500)),
    "sizes": lambda k, i, c, f: 2.0 ** (k % 41 - 20),
    "both signs": lambda k, i, c, f: float(k % 3 - 1),
}


@DTYPES
@given(data=st.data(), period=st.none() | PERIODS, missing=MODES)
def test_vwap(data: st.DataObject, dtype: type, period: int | None, missing: str) -> None:
    (price,) = data.draw(series(dtype, PLAIN | FINE_SQUARES))
    of, finfo = VOLUMES[data.draw(st.sampled_from(sorted(VOLUMES)))], np.finfo(dtype)
    whole = data.draw(st.lists(WHOLE, min_size=price.size, max_size=price.size))
    volume = np.array([of(k, i, 0, finfo) for i, k in enumerate(whole)], dtype)
    check("vwap", (price, volume), missing, period=period)

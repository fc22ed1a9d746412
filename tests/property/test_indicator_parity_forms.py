"""The same series in every form an array can have, many at once, and too long for errors to be allowed to build up."""

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from exact_indicators import NOTHING, RULES, Near, Precision, as_units, expected
from hypothesis import given, settings
from hypothesis import strategies as st
from indicator_calls import INDICATORS, Arrays, Indicator, as_tuple, same

from latencykit.engine import indicators

ISAS = pytest.mark.parametrize("isa", indicators.ISAS)
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
EACH = pytest.mark.parametrize("indicator", INDICATORS.values(), ids=INDICATORS)
GAPS = st.sets(st.integers(0, 400), max_size=5)
MODES = st.sampled_from(["skip", "propagate"])


def name_of(indicator: Indicator) -> str:
    return str(indicator.function.__name__)


def with_gaps(inputs: Arrays, gaps: set[int]) -> Arrays:
    for i, x in enumerate(inputs):
        flat = x.reshape(-1)
        flat[[gap % flat.size for gap in gaps if flat.size and gap % len(inputs) == i]] = np.nan
    return inputs


def assert_exact(indicator: Indicator, inputs: Arrays, result: Any, missing: str) -> None:
    """Each row of a result against the exact one of that row alone."""
    own = dict(indicator.settings)
    own |= {"seed": "sma"} if name_of(indicator) in ("rsi", "atr") else {}
    own |= {"seed": "first"} if name_of(indicator) in ("ema", "macd") else {}
    own |= {"ddof": 0} if name_of(indicator) in ("rolling_std", "zscore", "bollinger") else {}
    own |= {"width": 2.0} if name_of(indicator) == "bollinger" else {}
    own |= {"period": None} if own == {} else {}
    for r in range(inputs[0].shape[0]):
        columns = [x[r].astype(float).tolist() for x in inputs]
        exact = expected(name_of(indicator), columns, inputs[0].dtype.type, missing, **own)
        for b, y in enumerate(as_tuple(result)):
            for got, near in zip(y[r].tolist(), exact, strict=True):
                wanted = NOTHING if near is None else near[b]
                assert np.isnan(got) if wanted is NOTHING else wanted.holds(got)


@EACH
@DTYPES
@settings(max_examples=25)
@given(rows=st.integers(0, 7), n=st.integers(0, 40), gaps=GAPS, missing=MODES)
def test_rows_are_within_the_bound_of_each_alone(
    indicator: Indicator, dtype: type, rows: int, n: int, gaps: set[int], missing: str
) -> None:
    inputs = with_gaps(indicator.inputs_of((rows, n), dtype), gaps)
    for isa in indicators.ISAS:
        result = indicator(inputs, missing=missing, isa=isa)
        assert {y.shape for y in as_tuple(result)} == {(rows, n)}
        assert_exact(indicator, inputs, result, missing)


def unaligned(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    moved = memory[1:].view(x.dtype).reshape(x.shape)
    moved[...] = x
    return moved


def strided(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    spread = np.full((*x.shape[:-1], 3 * x.shape[-1]), np.nan, x.dtype)
    spread[..., ::3] = x
    return spread[..., ::3]


def offset(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Aligned to its items but to no vector."""
    memory = np.full(x.size + 1, np.nan, x.dtype)
    memory[1:] = x.reshape(-1)
    return memory[1:].reshape(x.shape)


FORMS = {
    "unaligned": unaligned,
    "strided": strided,
    "offset": offset,
    "reversed": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1],
    "foreign": lambda x: x.astype(x.dtype.newbyteorder()),
    "columns": np.asfortranarray,
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "memoryview": memoryview,
    "record": lambda x: x.view(np.recarray),
}


@EACH
@DTYPES
@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=20)
@given(n=st.integers(1, 100), rows=st.none() | st.integers(1, 3), gaps=GAPS)
def test_every_form_gives_the_same(
    form: str, dtype: type, indicator: Indicator, n: int, rows: int | None, gaps: set[int]
) -> None:
    inputs = with_gaps(indicator.inputs_of(n if rows is None else (rows, n), dtype), gaps)
    formed = tuple(FORMS[form](x) for x in inputs)
    for isa in indicators.ISAS:
        assert same(indicator(formed, isa=isa), indicator(inputs, isa=isa))


@EACH
@DTYPES
@ISAS
@settings(max_examples=20)
@given(lengths=st.lists(st.integers(0, 200), min_size=2, max_size=4), gaps=GAPS, missing=MODES)
def test_out_is_overwritten_whole_and_nothing_else(
    isa: str, dtype: type, indicator: Indicator, lengths: list[int], gaps: set[int], missing: str
) -> None:
    memory = [np.full(max(lengths) + 2, -7, dtype) for _ in range(indicator.outputs)]
    for n in lengths:
        inputs = with_gaps(indicator.inputs_of(n, dtype), gaps)
        before = [x.copy() for x in inputs]
        outs = tuple(each[1 : n + 1] for each in memory)
        indicator(inputs, missing=missing, isa=isa, out=outs if indicator.outputs > 1 else outs[0])
        assert same(outs, as_tuple(indicator(inputs, missing=missing, isa=isa)))
        assert all(np.array_equal(x, y, equal_nan=True) for x, y in zip(inputs, before, strict=True))
        for each in memory:
            each[1 : n + 1] = -7
            assert (each == -7).all()


# ---- 10 million values

LONG = 10_000_000
PERIOD = 1000
OFFSET = 1e9  # sums that are updated would lose the digits below 1e-4 of it, step by step


@pytest.fixture(scope="module")
def long_series() -> npt.NDArray[np.float64]:
    random = np.random.default_rng(7)
    x = OFFSET + random.standard_normal(LONG).cumsum()
    x[LONG // 3] = 1e15  # leaves nothing behind once it is out of the window
    return x


SAMPLED = [PERIOD - 1, 12_345, LONG // 3 - 1, LONG // 3, LONG // 3 + PERIOD - 1, LONG // 3 + PERIOD, LONG - 1]


def window_of(place: int, *columns: npt.NDArray[Any]) -> list[tuple[int, ...]]:
    span = slice(place + 1 - PERIOD, place + 1)
    return [tuple(map(as_units, row)) for row in zip(*(c[span].tolist() for c in columns), strict=True)]


def exact_last(name: str, rows: list[tuple[int, ...]], **own: Any) -> Near:
    result = RULES[name](rows, Precision.of(np.float64), **own)[-1]
    assert result is not None
    return result[0]


@ISAS
def test_means_and_deviations_are_stable_over_a_long_series(isa: str, long_series: npt.NDArray[np.float64]) -> None:
    means = indicators.sma(long_series, PERIOD, isa=isa)
    deviations = indicators.rolling_std(long_series, PERIOD, isa=isa)
    for place in SAMPLED:
        rows = window_of(place, long_series)
        assert exact_last("sma", rows, period=PERIOD).holds(means[place])
        assert exact_last("rolling_std", rows, period=PERIOD, ddof=0).holds(deviations[place])


@ISAS
def test_weighted_prices_are_stable_over_a_long_series(isa: str, long_series: npt.NDArray[np.float64]) -> None:
    volume = np.random.default_rng(8).integers(1, 1000, LONG).astype(float)
    in_window = indicators.vwap(long_series, volume, PERIOD, isa=isa)
    for place in SAMPLED:
        assert exact_last("vwap", window_of(place, long_series, volume), period=PERIOD).holds(in_window[place])
    # From the beginning in whole numbers, which 64 bits hold exactly.
    cents = np.random.default_rng(9).integers(5_000, 15_000, LONG)
    traded, shares = np.cumsum(cents * volume.astype(np.int64)), np.cumsum(volume.astype(np.int64))
    found = indicators.vwap(cents.astype(float), volume, isa=isa)
    for place in [0, 1, 255, 256, 1_000_000, LONG - 1]:
        exact = Fraction(int(traded[place]), int(shares[place]))
        assert abs(Fraction(float(found[place])) - exact) <= Fraction(2) ** -52 * (300 * 10_000 + exact)


@ISAS
def test_roundings_of_one_kind_do_not_add_up(isa: str) -> None:
    # Each sum grows by the same amount again and again, and is rounded the same way.
    price, volume = np.ones(LONG), np.full(LONG, 0.1)
    price[0] = 0
    volume[1::2] = 0.7
    price[2::2] = 0.3
    found = float(indicators.vwap(price, volume, isa=isa)[-1])
    even, odd, low = Fraction(0.1), Fraction(0.7), Fraction(0.3)
    half = LONG // 2
    exact = (odd * half + even * low * (half - 1)) / (half * (even + odd))
    assert abs(Fraction(found) - exact) <= Fraction(2) ** -52 * 301

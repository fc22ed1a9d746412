from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from indicator_calls import INDICATORS, Indicator, as_tuple, same

from latencykit.engine import indicators
from latencykit.errors import InvalidTypeError, InvalidValueError

PERIODS = [
    (name, setting)
    for name, indicator in INDICATORS.items()
    for setting in (("fast", "slow", "signal") if name == "macd" else ("period",))
]
SEEDED = ["ema", "rsi", "macd", "atr"]
DEVIATIONS = ["bollinger", "rolling_std", "zscore"]
X = np.linspace(1, 2, 30)


@pytest.fixture(params=INDICATORS)
def indicator(request: pytest.FixtureRequest) -> Indicator:
    return INDICATORS[str(request.param)]


def refused(name: str, error: type[Exception], message: str, **settings: Any) -> None:
    """Check that a setting is refused, in the same way when it is bound, and that `out` stays as it was."""
    indicator = INDICATORS[name]
    inputs = indicator.inputs_of(30)
    out = indicator.empty_out(inputs[0])
    for array in as_tuple(out):
        array.fill(7.0)
    with pytest.raises(error, match=message):
        indicator(inputs, out=out, **settings)
    with pytest.raises(error, match=message):
        indicators.bind(indicator.function, *inputs, out=out, **{**indicator.settings, **settings})
    assert all((array == 7.0).all() for array in as_tuple(out))


@pytest.mark.parametrize(("name", "setting"), PERIODS)
@pytest.mark.parametrize("period", [0, -2, 2**70, False, np.int64(0)])
def test_periods_out_of_range_are_named(name: str, setting: str, period: int) -> None:
    refused(
        name,
        InvalidValueError,
        f"{setting} is {period!r}; it must be at least 1".replace("(", r"\(").replace(")", r"\)"),
        **{setting: period},
    )


@pytest.mark.parametrize(("name", "setting"), PERIODS)
@pytest.mark.parametrize("period", [20.0, "20", [3]])
def test_periods_that_are_no_int_are_named(name: str, setting: str, period: object) -> None:
    refused(name, InvalidTypeError, f"{setting} must be an int", **{setting: period})


@pytest.mark.parametrize("name", [name for name in INDICATORS if name not in {"ema", "vwap", "vwap_cumulative"}])
def test_a_period_of_none_is_refused(name: str) -> None:
    refused(name, InvalidTypeError, "must be an int", **{"signal" if name == "macd" else "period": None})


@pytest.mark.parametrize("name", ["sma", "rolling_std", "rolling_min", "rolling_max", "zscore"])
def test_windows_need_a_period(name: str) -> None:
    with pytest.raises(TypeError, match="'period'"):
        INDICATORS[name].function(X)


@pytest.mark.parametrize(("name", "setting"), [pair for pair in PERIODS if pair[1] != "fast"])
@pytest.mark.parametrize("period", [2**40, 2**62, 2**63 - 1])
def test_a_period_beyond_the_series_is_no_error(name: str, setting: str, period: int) -> None:
    indicator = INDICATORS[name]
    seeds = {"seed": "sma"} if name in SEEDED else {}
    for n in (0, 1, 30):
        results = as_tuple(indicator(indicator.inputs_of(n), **{setting: period}, **seeds))
        assert all(result.shape == (n,) and np.isnan(result).all() for result in results[-1:])


def test_any_index_is_a_period() -> None:
    class Five:
        def __index__(self) -> int:
            return 5

    for five in (np.int8(5), np.uint64(5), Five()):
        assert same(indicators.sma(X, five), indicators.sma(X, 5))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"period": None}, "neither of period and alpha"),
        ({"alpha": 0.5}, "both of period and alpha"),
        ({"period": None, "alpha": 0}, "alpha is 0; it must be greater than 0 and at most 1"),
        ({"period": None, "alpha": -0.1}, "alpha is -0.1"),
        ({"period": None, "alpha": 1.0000001}, "alpha is 1.0000001"),
        ({"period": None, "alpha": float("nan")}, "alpha is nan"),
        ({"period": None, "alpha": float("inf")}, "alpha is inf"),
        ({"period": None, "alpha": 0.5, "seed": "sma"}, "pass period instead of alpha"),
    ],
)
def test_alphas_out_of_range_are_named(arguments: dict[str, Any], message: str) -> None:
    refused("ema", InvalidValueError, message, **arguments)


@pytest.mark.parametrize("name", SEEDED)
@pytest.mark.parametrize("seed", ["mean", "SMA", "", None, 1])
def test_other_seeds_are_named(name: str, seed: object) -> None:
    refused(name, InvalidValueError, f"seed is {seed!r}; use 'first'.*'sma'", seed=seed)


@pytest.mark.parametrize("name", INDICATORS)
@pytest.mark.parametrize("missing", ["drop", "", None, True])
def test_other_meanings_of_missing_are_named(name: str, missing: object) -> None:
    refused(name, InvalidValueError, f"missing is {missing!r}; use 'skip'.*'propagate'", missing=missing)


@pytest.mark.parametrize("name", DEVIATIONS)
def test_other_degrees_of_freedom_are_named(name: str) -> None:
    for ddof in (-1, 2, 2**70):
        refused(name, InvalidValueError, f"ddof is {ddof}; use 0", ddof=ddof)
    for wrong in (0.0, "0", None):
        refused(name, InvalidTypeError, "ddof must be the int 0 or 1", ddof=wrong)
    refused(name, InvalidValueError, "period is 1 with ddof 1", period=1, ddof=1)


def test_widths_out_of_range_are_named() -> None:
    for width in (-0.5, float("inf"), float("nan")):
        refused("bollinger", InvalidValueError, f"width is {width}", width=width)
    refused("bollinger", InvalidTypeError, "width must be a number, not '2'", width="2")
    upper, middle, lower = indicators.bollinger(X, 5, 0)
    assert same(upper, middle)
    assert same(lower, middle)


def test_the_fast_average_must_be_the_shorter() -> None:
    for fast, slow in ((6, 6), (7, 6)):
        refused("macd", InvalidValueError, f"fast is {fast} and slow {slow}", fast=fast, slow=slow)


@pytest.mark.parametrize("name", INDICATORS)
def test_unknown_instruction_sets_are_named(name: str) -> None:
    refused(
        name, InvalidValueError, r"isa asks for an unknown instruction set 'avx9'; use one of \('scalar'", isa="avx9"
    )
    refused(name, InvalidTypeError, "isa must be a str or None, not 2", isa=2)


# ---- Calls


def test_a_wrong_call_is_a_type_error(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(30)
    first = indicator.inputs[0]
    wrong: list[tuple[Callable[[], object], str]] = [
        (indicator.function, f"missing a required argument: '{first}'"),
        (lambda: indicator(inputs, span=3), "unexpected argument 'span'"),
        (lambda: indicator(inputs, **{first: X}), f"multiple values for argument '{first}'"),
        (lambda: indicator.function(*inputs, *range(1, 9)), "takes at most . positional arguments"),
    ]
    for call, message in wrong:
        with pytest.raises(TypeError, match=rf"{indicator.function.__name__}\(\).*{message}"):
            call()


def test_inputs_may_be_given_by_name(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(30)
    # Joined at run time, the names are not interned.
    named = {"".join([*name]): x for name, x in zip(indicator.inputs, inputs, strict=True)}
    assert same(indicator.function(**indicator.settings, **named), indicator(inputs))


@pytest.mark.parametrize("name", INDICATORS)
def test_settings_by_position_are_those_by_name(name: str) -> None:
    indicator = INDICATORS[name]
    inputs = indicator.inputs_of(30)
    assert same(indicator.function(*inputs, *indicator.settings.values()), indicator(inputs))


def test_defaults() -> None:
    high, low, close = INDICATORS["atr"].inputs_of(60)
    for shortest, full in (
        (indicators.ema(close, 9), indicators.ema(close, alpha=0.2, seed="first", missing="skip", out=None, isa=None)),
        (indicators.rsi(close), indicators.rsi(close, 14, seed="sma")),
        (indicators.macd(close), indicators.macd(close, 12, 26, 9, seed="first")),
        (indicators.bollinger(close), indicators.bollinger(close, 20, 2.0, ddof=0)),
        (indicators.atr(high, low, close), indicators.atr(high, low, close, 14, seed="sma")),
        (indicators.vwap(close, high), indicators.vwap(close, high, None)),
        (indicators.rolling_std(close, 5), indicators.rolling_std(close, 5, ddof=0)),
        (indicators.zscore(close, 5), indicators.zscore(close, 5, ddof=0)),
    ):
        assert same(shortest, full)


def test_every_function_says_what_it_does(indicator: Indicator) -> None:
    doc = indicator.function.__doc__ or ""
    assert doc.startswith("Compute")
    for part in ("Args:", "Returns:", "Raises:", "missing:", "out:", "isa:", *(f"{name}" for name in indicator.inputs)):
        assert part in doc


# ---- Missing values, and the instruction sets


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("isa", indicators.ISAS)
def test_a_missing_row_is_left_out_or_propagates(indicator: Indicator, missing: float, isa: str) -> None:
    whole = indicator.inputs_of(400)
    expected = as_tuple(indicator(whole, isa=isa))
    for at in range(len(whole)):
        gapped = [np.insert(x, 200, x[200]) for x in whole]
        gapped[at][200] = missing
        for result, plain in zip(as_tuple(indicator(tuple(gapped), isa=isa)), expected, strict=True):
            assert np.isnan(result[200])
            np.testing.assert_allclose(np.delete(result, 200), plain, rtol=1e-9, atol=1e-9)
        for result, plain in zip(
            as_tuple(indicator(tuple(gapped), missing="propagate", isa=isa)), expected, strict=True
        ):
            np.testing.assert_allclose(result[:200], plain[:200], rtol=1e-9, atol=1e-9)
            assert np.isnan(result[200:205]).all()
            restarts = indicator.settings.get("period") is not None and indicator.function.__name__ not in SEEDED
            assert np.isnan(result[205]) != restarts
            assert np.isnan(result[-1]) != restarts


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_isa_agrees_with_scalar(indicator: Indicator, dtype: type) -> None:
    inputs = indicator.inputs_of(1003, dtype)
    expected = as_tuple(indicator(inputs, isa="scalar"))
    close = 2e-3 if dtype is np.float32 else 1e-10
    for isa in indicators.ISAS:
        for result, plain in zip(as_tuple(indicator(inputs, isa=isa)), expected, strict=True):
            np.testing.assert_allclose(result, plain, rtol=close, atol=close)

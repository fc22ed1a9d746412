import gc
import warnings
import weakref
from typing import Any

import numpy as np
import pytest
from indicator_calls import INDICATORS, TUPLES, Indicator, as_tuple, same

from latencykit.engine import indicators
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError, UnsupportedError


@pytest.fixture(params=INDICATORS)
def indicator(request: pytest.FixtureRequest) -> Indicator:
    return INDICATORS[str(request.param)]


def bind(indicator: Indicator, inputs: tuple[Any, ...], **keywords: Any) -> Any:
    return indicators.bind(indicator.function, *inputs, **indicator.settings, **keywords)


@pytest.mark.parametrize("shape", [60, (3, 60), 0, 70_000])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_each_call_computes_from_what_the_inputs_hold(
    indicator: Indicator, shape: int | tuple[int, int], dtype: type
) -> None:
    inputs = indicator.inputs_of(shape, dtype)
    bound = bind(indicator, inputs)
    for _ in range(2):
        assert bound() is bound.out
        assert same(bound.out, indicator(inputs))
        for x in inputs:
            x[...] = x[..., ::-1].copy()


def test_out_is_the_one_that_was_passed(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(60)
    out = indicator.empty_out(inputs[0])
    bound = bind(indicator, inputs, out=out)
    assert bound.out is out
    assert bound() is out
    assert same(out, indicator(inputs))


@pytest.mark.parametrize("name", TUPLES)
def test_a_list_of_outs_may_change_afterwards(name: str) -> None:
    indicator = INDICATORS[name]
    inputs = indicator.inputs_of(60)
    arrays = indicator.empty_out(inputs[0])
    out = list(arrays)
    bound = bind(indicator, inputs, out=out)
    out.clear()
    assert bound() is out
    assert same(arrays, indicator(inputs))


def test_before_the_first_call_a_new_out_holds_nan(indicator: Indicator) -> None:
    bound = bind(indicator, indicator.inputs_of((2, 60), np.float32))
    assert all(np.isnan(out).all() and out.shape == (2, 60) for out in as_tuple(bound.out))
    assert all((out.dtype == np.float32) for out in as_tuple(bound.out))


def test_what_was_bound_is_shown(indicator: Indicator) -> None:
    inputs = indicator.inputs_of((2, 5), np.float32)
    bound = bind(indicator, inputs)
    assert bound.function is indicator.function
    assert all(a is b for a, b in zip(bound.inputs, inputs, strict=True))
    assert repr(bound) == f"<Bound {indicator.function.__name__} of float32 (2, 5)>"


def test_a_bound_call_takes_no_arguments() -> None:
    bound = indicators.bind(indicators.ema, np.arange(3.0), 2)
    for call in (lambda: bound(1), lambda: bound(x=1), lambda: bound(*[1]), lambda: bound(out=None)):  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="takes no arguments"):
            call()
    assert bound(*[]) is bound.out


def test_every_isa_can_be_bound() -> None:
    x = np.sin(np.arange(300.0))
    for isa in indicators.ISAS:
        assert same(indicators.bind(indicators.ema, x, 20, isa=isa)(), indicators.ema(x, 20, isa=isa))
    with pytest.raises((InvalidValueError, UnsupportedError)):
        indicators.bind(indicators.ema, x, 20, isa="avx9")


def test_ema_is_bound_in_place() -> None:
    x = np.sin(np.arange(300.0))
    once = indicators.ema(x, 20)
    twice = indicators.ema(once, 20)
    bound = indicators.bind(indicators.ema, x, 20, out=x)
    for expected in (once, twice):
        np.testing.assert_allclose(bound(), expected, rtol=1e-13)


# ---- Refusals


@pytest.mark.parametrize(
    "function", [len, np.mean, indicators.Ema, None, "ema", indicators.bind, indicators.Ema(3).update]
)
def test_only_indicators_are_bound(function: Any) -> None:
    with pytest.raises(InvalidTypeError, match="one of the indicator functions"):
        indicators.bind(function, np.arange(3.0), 2)


def test_something_must_be_bound() -> None:
    with pytest.raises(TypeError, match="function"):
        indicators.bind()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'x'"):
        indicators.bind(indicators.ema)  # type: ignore[call-arg]


def test_what_would_be_copied_is_refused(indicator: Indicator) -> None:
    for at, called in enumerate(indicator.inputs):
        inputs = list(indicator.inputs_of(30))
        plain = inputs[at]
        for form in (
            np.repeat(plain, 2)[::2],
            plain.astype(int),
            plain.tolist(),
            memoryview(plain),
            plain.astype(">f8"),
        ):
            inputs[at] = form  # type: ignore[call-overload]
            with pytest.raises(InvalidValueError, match=rf"{called} would be copied.*numpy.array\({called}, float\)"):
                bind(indicator, tuple(inputs))


def test_mixed_float_types_would_be_copied() -> None:
    x = np.ones(5, np.float32)
    with pytest.raises(InvalidValueError, match="volume would be copied"):
        indicators.bind(indicators.vwap, x.astype(float), x)


def test_bad_arguments_are_refused_when_bound(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(30)
    with pytest.raises(InvalidValueError, match="missing is 'no'"):
        bind(indicator, inputs, missing="no")
    with pytest.raises(TypeError, match="unexpected argument 'span'"):
        bind(indicator, inputs, span=3)
    with pytest.raises((InvalidValueError, InvalidTypeError), match="out"):
        bind(indicator, inputs, out=np.empty(29))


# ---- Arrays that change


def resize(array: np.ndarray) -> None:
    array.resize(array.size * 64, refcheck=False)


def reshape(array: np.ndarray) -> None:
    array.resize((array.size // 2, 2), refcheck=False)


@pytest.mark.parametrize("change", [resize, reshape, lambda array: array.resize(0, refcheck=False)])
def test_a_resized_array_is_noticed(indicator: Indicator, change: Any) -> None:
    for at, called in enumerate(indicator.inputs):
        inputs = indicator.inputs_of(30)
        bound = bind(indicator, inputs)
        change(inputs[at])
        with pytest.raises(InvalidStateError, match=f"{called} was resized"):
            bound()
    for at in range(indicator.outputs):
        bound = bind(indicator, indicator.inputs_of(30))
        change(as_tuple(bound.out)[at])
        with pytest.raises(InvalidStateError, match="out was resized"):
            bound()


def test_an_array_of_another_dtype_is_noticed(indicator: Indicator) -> None:
    bound = bind(indicator, indicator.inputs_of(30))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        bound.inputs[-1].dtype = np.int64
    with pytest.raises(InvalidStateError, match=f"{indicator.inputs[-1]} was resized, or its dtype"):
        bound()


def test_an_array_that_others_use_is_not_resized_by_mistake(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(30)
    bound = bind(indicator, inputs)
    with pytest.raises(ValueError, match="resize"):
        inputs[0].resize(60)
    assert bound() is bound.out


def test_an_out_that_became_read_only_is_noticed(indicator: Indicator) -> None:
    bound = bind(indicator, indicator.inputs_of(30))
    as_tuple(bound.out)[-1].flags.writeable = False
    with pytest.raises(InvalidStateError, match="writability"):
        bound()


def test_an_input_may_become_read_only(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(30)
    bound = bind(indicator, inputs)
    for x in inputs:
        x.flags.writeable = False
    assert same(bound(), indicator(inputs))


# ---- The object


def test_bound_calls_are_made_by_bind_only() -> None:
    with pytest.raises(TypeError):
        indicators.Bound()
    with pytest.raises(TypeError):
        type("Mine", (indicators.Bound,), {})
    bound = indicators.bind(indicators.ema, np.arange(3.0), 2)
    for name in ("out", "inputs", "function"):
        with pytest.raises(AttributeError):
            setattr(bound, name, None)


def test_the_arrays_live_as_long_as_the_bound_call() -> None:
    class Array(np.ndarray):
        pass

    x = np.arange(30.0).view(Array)
    alive = weakref.ref(x)
    bound = indicators.bind(indicators.sma, x, 3)
    del x
    assert bound()[-1] == 28.0
    assert alive() is not None
    del bound
    assert alive() is None


def test_a_cycle_through_out_is_collected() -> None:
    class Array(np.ndarray):
        bound: Any

    out = np.empty(30).view(Array)
    alive = weakref.ref(out)
    out.bound = indicators.bind(indicators.sma, np.arange(30.0), 3, out=out)
    assert out.bound() is out
    del out
    gc.collect()
    assert alive() is None


def test_a_cycle_through_a_list_of_outs_is_collected() -> None:
    class Array(np.ndarray):
        pass

    x = np.arange(30.0).view(Array)
    alive = weakref.ref(x)
    out: list[Any] = [np.empty(30) for _ in range(3)]
    out.append(indicators.bind(indicators.macd, x, out=out))
    del x, out
    gc.collect()
    assert alive() is None

"""Callers that change arrays behind a call, alias them, or answer to none of the protocols they claim."""

import gc
import os
import subprocess
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.ma
import numpy.typing as npt
import pytest
from indicator_calls import INDICATORS, Indicator, as_tuple, same

from latencykit.engine import indicators
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError

EACH = pytest.mark.parametrize("indicator", INDICATORS.values(), ids=INDICATORS)
ISAS = pytest.mark.parametrize("isa", indicators.ISAS)
LARGE = 1_000_000  # memory of its own, that vanishes when it is resized


class Sub(np.ndarray[Any, Any]):
    pass


# ---- no quotient without a denominator


@ISAS
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("period", [2, 4, 8, 16, 32])
def test_volumes_that_cancel_have_no_price(isa: str, dtype: type, period: int) -> None:
    price = np.arange(1, 101, dtype=dtype)
    volume = np.resize(np.array([1, -1], dtype), 100)
    assert np.isnan(indicators.vwap(price, volume, period, isa=isa)).all()
    assert np.isnan(indicators.vwap(price, volume, isa=isa)[1::2]).all()


@ISAS
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("period", [2, 5, 20])
def test_a_deviation_that_vanishes_gives_no_score(isa: str, dtype: type, period: int) -> None:
    x = np.resize(np.array([0, 1, 3], dtype), 100) * np.finfo(dtype).smallest_subnormal
    assert (indicators.rolling_std(x, period, isa=isa)[period - 1 :] == 0).all()
    assert np.isnan(indicators.zscore(x, period, isa=isa)).all()


# ---- arrays that change while the arguments are read


@pytest.fixture
def at_import() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Run code of the test's when a subclass is looked at, as an import may that lets other threads go on."""

    def install(disturb: Callable[[], None]) -> None:
        class Disturbing(types.ModuleType):
            def __getattr__(self, name: str) -> Any:
                disturb()
                return getattr(numpy.ma.core, name)

        sys.modules["numpy.ma"] = Disturbing("numpy.ma")

    yield install
    sys.modules["numpy.ma"] = numpy.ma


def test_an_input_that_shrinks_meanwhile_is_noticed(at_import: Any) -> None:
    x = np.arange(float(LARGE))
    at_import(lambda: x.resize(3, refcheck=False))
    with pytest.raises(InvalidStateError, match="resized"):
        indicators.ema(x, 5, out=np.zeros(3).view(Sub))


def test_an_out_that_shrinks_meanwhile_is_noticed(at_import: Any) -> None:
    first = np.zeros(LARGE)
    at_import(lambda: first.resize(3, refcheck=False))
    with pytest.raises(InvalidStateError, match="resized"):
        indicators.macd(np.arange(float(LARGE)), out=(first, np.zeros(LARGE).view(Sub), np.zeros(LARGE)))


def test_an_out_that_becomes_read_only_meanwhile_is_noticed(at_import: Any) -> None:
    first = np.zeros(100)
    at_import(lambda: first.setflags(write=False))
    with pytest.raises(InvalidStateError):
        indicators.macd(np.arange(100.0), out=(first, np.zeros(100).view(Sub), np.zeros(100)))


def test_an_input_that_shrinks_while_the_next_is_read_is_noticed() -> None:
    class Volume:
        def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[Any]:
            price.resize(2, refcheck=False)
            return np.ones(LARGE)

    price = np.ones(LARGE)
    with pytest.raises(InvalidValueError, match="shape"):
        indicators.vwap(price, Volume(), 3)  # type: ignore[call-overload]


def test_an_input_that_shrinks_while_the_period_is_read_is_noticed() -> None:
    class Period:
        def __index__(self) -> int:
            x.resize(2, refcheck=False)
            return 3

    x = np.ones(LARGE)
    with pytest.raises(InvalidValueError, match="shape"):
        indicators.sma(x, Period(), out=np.empty(LARGE))


def test_what_the_collector_resizes_is_noticed() -> None:
    class Shrinking:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            x.resize(2, refcheck=False)

    before = gc.get_threshold()
    outcomes = set()
    try:
        for i in range(600):
            x = np.arange(100_000.0)
            Shrinking()
            gc.set_threshold(1 + i % 7)
            try:
                result = indicators.macd(x)[0] if i % 2 else indicators.bind(indicators.ema, x, 3)()
                outcomes.add(result.size)
            except InvalidStateError:
                outcomes.add(None)
            gc.set_threshold(*before)
    finally:
        gc.set_threshold(*before)
        gc.collect()
    assert outcomes <= {None, 2, 100_000}


# ---- aliases


@EACH
@pytest.mark.parametrize("wrap", [memoryview, lambda x: x.view(Sub), lambda x: x.view(np.recarray)])
def test_out_is_found_behind_what_shares_its_memory(indicator: Indicator, wrap: Any) -> None:
    inputs = indicator.inputs_of(100)
    last = inputs[-1]
    outs = tuple(np.empty(100) for _ in range(indicator.outputs - 1))
    shifted = np.empty(101)
    shifted[1:] = last
    with pytest.raises(InvalidValueError, match="overlaps"):
        indicator((*inputs[:-1], wrap(shifted[1:])), out=(*outs, shifted[:-1]) if outs else shifted[:-1])


def test_out_is_found_behind_array() -> None:
    class Wrapped:
        def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[Any]:
            return x

    x = np.arange(10.0)
    with pytest.raises(InvalidValueError, match="overlaps"):
        indicators.sma(Wrapped(), 3, out=x)  # type: ignore[call-overload]


@EACH
def test_one_value_broadcast_is_a_series_but_no_out(indicator: Indicator) -> None:
    wide = tuple(np.broadcast_to(3.0, (2, 50)) for _ in indicator.inputs)
    assert same(indicator(wide), indicator(tuple(np.full((2, 50), 3.0) for _ in indicator.inputs)))
    out = np.lib.stride_tricks.as_strided(np.zeros(1), (2, 50), (0, 0))
    with pytest.raises(InvalidValueError, match="C-contiguous"):
        indicator(indicator.inputs_of((2, 50)), out=out if indicator.outputs == 1 else (out,) * 3)


def test_a_matrix_is_many_series() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        x, out = np.matrix(np.arange(10.0)), np.matrix(np.empty((1, 10)))
        assert indicators.sma(x, 3, out=out) is out
        assert type(indicators.sma(x, 3)) is np.ndarray
    np.testing.assert_array_equal(np.asarray(out)[0], indicators.sma(np.arange(10.0), 3))


@pytest.mark.parametrize("answer", ["x", None, 3])
def test_an_array_method_that_gives_none_is_refused(answer: object) -> None:
    class Wrapped:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return answer

    with pytest.raises(InvalidValueError, match="cannot be read"):
        indicators.sma(Wrapped(), 3)  # type: ignore[call-overload]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, MemoryError])
def test_an_error_of_the_array_method_comes_through(error: type[BaseException]) -> None:
    class Wrapped:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise error

    with pytest.raises(error):
        indicators.sma(Wrapped(), 3)  # type: ignore[call-overload]


# ---- extremes of size


@EACH
@ISAS
@pytest.mark.parametrize("shape", [(0,), (0, 0), (0, 5), (5, 0)])
def test_nothing_is_computed_of_nothing(indicator: Indicator, isa: str, shape: tuple[int, ...]) -> None:
    inputs = indicator.inputs_of(shape)
    for result in (indicator(inputs, isa=isa), indicators.bind(indicator.function, *inputs, **indicator.settings)()):
        assert {y.shape for y in as_tuple(result)} == {shape}


@EACH
@ISAS
@pytest.mark.parametrize("period", [2**31, 2**62, 2**63 - 1])
def test_periods_beyond_any_series_take_no_memory(indicator: Indicator, isa: str, period: int) -> None:
    own: dict[str, Any] = {"period": period}
    if indicator.function is indicators.macd:
        own = {"slow": period, "signal": period, "seed": "sma"}
    elif indicator.function is indicators.ema:
        own |= {"seed": "sma"}
    for missing in ("skip", "propagate"):
        inputs = indicator.inputs_of((3, 100))
        inputs[0][1, 7] = np.nan
        assert all(np.isnan(y).all() for y in as_tuple(indicator(inputs, **own, missing=missing, isa=isa)))


def test_a_series_too_large_to_copy_is_a_memory_error() -> None:
    with pytest.raises(MemoryError):
        indicators.sma(np.broadcast_to(1.0, (2**45,)), 3)


@EACH
@ISAS
def test_where_everything_is_missing_nothing_is_left(indicator: Indicator, isa: str) -> None:
    for missing in ("skip", "propagate"):
        inputs = tuple(np.full((200, 300), np.nan) for _ in indicator.inputs)
        assert all(np.isnan(y).all() for y in as_tuple(indicator(inputs, missing=missing, isa=isa)))


# ---- the choice of instruction set


def test_an_isa_that_utf8_cannot_hold_is_unknown() -> None:
    with pytest.raises(InvalidValueError, match="unknown instruction set"):
        indicators.sma([1.0], 1, isa="\ud800")
    with pytest.raises(InvalidValueError, match="unknown instruction set"):
        indicators.sma([1.0], 1, isa="avx2\0")
    with pytest.raises(InvalidTypeError, match="isa"):
        indicators.sma([1.0], 1, isa=b"scalar")  # type: ignore[call-overload]


@pytest.mark.parametrize("value", ["AVX2", " scalar", "scalar,avx2", "\udcff", "x" * 5000])
def test_a_bad_isa_of_the_environment_is_named(value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import latencykit.engine.indicators"],
        env={**os.environ, "LATENCYKIT_ISA": value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "InvalidValueError: LATENCYKIT_ISA asks for an unknown instruction set" in done.stderr


# ---- threads


@EACH
def test_threads_may_call_one_bound_call(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(100_000)
    bound = indicators.bind(indicator.function, *inputs, **indicator.settings)
    errors: list[BaseException] = []

    def call() -> None:
        try:
            for _ in range(3):
                bound()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test is to show it
            errors.append(error)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert same(bound.out, indicator(inputs))


# ---- references


@EACH
def test_no_error_path_keeps_a_reference(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(50)
    good = tuple(np.empty(50) for _ in range(indicator.outputs))
    bad = [
        np.empty(49),
        np.empty(50, np.float32),
        np.empty(100)[::2],
        np.ma.zeros(50),
        "x" if indicator.function is indicators.ema else inputs[-1][:],
        good[0] if indicator.outputs > 1 else "x",
        np.zeros(50).view(Sub)[:49],
    ]
    own = [
        {"isa": "x"}, {"isa": 3}, {"missing": "x"}, {"seed": 3}, {"period": 0}, {"period": "x"}, {"fast": 9, "slow": 3},
        {"ddof": 7}, {"width": np.nan}, {"alpha": 7}, {"x": 3}, {"nothing": 3},
    ]  # fmt: skip

    def call_badly() -> None:
        for out in bad:
            with pytest.raises((TypeError, ValueError)):
                indicator(inputs, out=(*good[:-1], out) if indicator.outputs > 1 else out)
        for settings in own:
            with pytest.raises((TypeError, ValueError)):
                indicator(inputs, **settings)
            with pytest.raises((TypeError, ValueError)):
                indicators.bind(indicator.function, *inputs, **{**indicator.settings, **settings})
        with pytest.raises(InvalidTypeError):
            indicator((*inputs[:-1], "x"))  # type: ignore[arg-type]
        with pytest.raises(InvalidValueError):
            indicators.bind(indicator.function, *inputs[:-1], inputs[-1][::-1], **indicator.settings)

    held = (*inputs, *good, *[each for each in bad if not isinstance(each, str)])
    counts = [sys.getrefcount(each) for each in held]
    for _ in range(50):
        call_badly()
    assert [sys.getrefcount(each) for each in held] == counts

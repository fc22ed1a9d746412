import sys
import threading
from collections.abc import Iterable

import numpy as np
import pytest
from indicator_calls import INDICATORS, Arrays, Indicator, as_tuple, same
from leaks import leaked_bytes

from latencykit._core import AllocationCounter
from latencykit.engine import indicators
from latencykit.errors import LatencykitError


@pytest.fixture(params=INDICATORS)
def indicator(request: pytest.FixtureRequest) -> Indicator:
    return INDICATORS[str(request.param)]


def references(things: Iterable[object]) -> list[int]:
    return [sys.getrefcount(thing) for thing in things]


def test_calls_keep_no_reference(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(100)
    strided = tuple(np.repeat(x, 2)[::2] for x in inputs)
    listed = tuple(x.tolist() for x in inputs)
    out = indicator.empty_out(inputs[0])
    things = [*inputs, *strided, *listed, out, *as_tuple(out), indicator.function]
    held = references(things)
    for _ in range(100):
        for form in (inputs, strided, listed):
            indicator(form, out=out)
            indicator(form)
    assert references(things) == held


def test_refused_calls_keep_no_reference(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(100)
    strided = tuple(np.repeat(x, 2)[::2] for x in inputs)
    short, good = np.empty(3), indicator.empty_out(inputs[0])
    mixed = (*as_tuple(good)[:-1], short) if indicator.outputs > 1 else short
    unlike = (inputs[0], short, short)[: len(inputs)] if len(inputs) > 1 else (np.empty((1, 1, 1)),)
    things = [*inputs, *strided, short, good, *as_tuple(good), mixed]
    setting = next(iter(indicator.settings), "missing")
    bad: list[dict[str, object]] = [
        {"out": short}, {"out": mixed}, {"out": "x"}, {"out": inputs[-1] if indicator.outputs > 1 else inputs[-1][1:]},
        {setting: 0}, {"missing": "x"}, {"isa": "x"}, {"isa": 3},
    ]  # fmt: skip
    held = references(things)
    for _ in range(50):
        for arguments in bad:
            for form in (inputs, strided):
                with pytest.raises(LatencykitError):
                    indicator(form, **arguments)
                with pytest.raises(LatencykitError):
                    indicators.bind(indicator.function, *form, **{**indicator.settings, **arguments})
        with pytest.raises(LatencykitError):
            indicator(unlike, out=good)
        with pytest.raises(LatencykitError):
            indicators.bind(indicator.function, *strided, **indicator.settings)
    del form, arguments
    assert references(things) == held


def test_bound_calls_give_back_what_they_held(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(100)
    out = indicator.empty_out(inputs[0])
    things = [*inputs, *as_tuple(out), out, indicator.function, indicators.Bound]
    held = references(things)
    bound = indicators.bind(indicator.function, *inputs, **indicator.settings, out=out)
    assert all(now > before for now, before in zip(references(things), held, strict=True))
    for _ in range(100):
        bound()
        _ = bound.out, bound.inputs, bound.function, repr(bound)
        with pytest.raises(TypeError):
            bound(1)
    del bound, _
    assert references(things) == held


def bind_and_call(indicator: Indicator, inputs: Arrays) -> None:
    indicators.bind(indicator.function, *inputs, **indicator.settings)()


def test_nothing_leaks(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(100)
    listed = tuple(x.tolist() for x in inputs)
    out = indicator.empty_out(inputs[0])
    bound = indicators.bind(indicator.function, *inputs, **indicator.settings)
    gapped = tuple(np.where(x > 100, np.nan, x) for x in inputs)
    assert leaked_bytes(lambda: indicator(inputs)) < 1000
    assert leaked_bytes(lambda: indicator(tuple(x[::2] for x in inputs))) < 1000
    assert leaked_bytes(lambda: indicator(listed)) < 1000
    assert leaked_bytes(lambda: indicator(inputs, out=out)) < 1000
    assert leaked_bytes(lambda: indicator(gapped, out=out)) < 1000
    assert leaked_bytes(lambda: bind_and_call(indicator, inputs)) < 1000
    assert leaked_bytes(bound) < 1000


def allocations_of(operation: object) -> dict[str, int | None]:
    """Count what a call's third run allocates; the first ones fill caches."""
    operation()  # type: ignore[operator]
    operation()  # type: ignore[operator]
    with AllocationCounter() as counter:
        operation()  # type: ignore[operator]
    return counter.counts


@pytest.mark.parametrize("isa", indicators.ISAS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_call_into_out_allocates_nothing(indicator: Indicator, dtype: type, isa: str) -> None:
    function, settings = indicator.function, indicator.settings
    for shape in (0, 1, 100, (3, 100), (3, 50_000)):
        inputs = indicator.inputs_of(shape, dtype)
        out = indicator.empty_out(inputs[0])
        bound = indicators.bind(function, *inputs, **settings, out=out, isa=isa)
        # A call with * or ** builds a tuple or a dict; what is counted must be the function's own.
        names = [f"x{i}" for i in range(len(inputs))]
        call = f"lambda: function({', '.join([*names, *map(str, settings.values())])}, out=out, isa=isa)"
        direct = eval(call, {"function": function, "out": out, "isa": isa, **dict(zip(names, inputs, strict=True))})
        for operation in (direct, bound):
            counts = allocations_of(operation)
            assert all(not count for count in counts.values()), (shape, counts)


def test_long_series_release_the_lock_and_agree() -> None:
    x = np.sin(np.arange(200_000.0))
    np.testing.assert_allclose(indicators.ema(x, 20), indicators.ema(x, 20, isa="scalar"), rtol=0, atol=1e-14)


def test_calls_in_many_threads_agree(indicator: Indicator) -> None:
    inputs = indicator.inputs_of((2, 50_000))  # long enough to run without the lock
    expected = indicator(inputs)
    bound = indicators.bind(indicator.function, *inputs, **indicator.settings)
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.extend([indicator(inputs), bound()])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(same(result, expected) for result in results)


@pytest.mark.parametrize("argument", ["period", "alpha"])
def test_an_interrupt_while_an_argument_is_read_comes_through(argument: str) -> None:
    class Number:
        def __index__(self) -> int:
            raise KeyboardInterrupt

        def __float__(self) -> float:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        indicators.ema(np.arange(3.0), **{argument: Number()})


def test_an_array_that_shrinks_while_others_are_read_is_seen_as_it_is() -> None:
    high = np.arange(1000.0)

    class Shrinks:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            high.resize(10, refcheck=False)
            return np.ones(1000)

    with pytest.raises(LatencykitError, match=r"\(10,\).*\(1000,\)"):
        indicators.atr(high, Shrinks(), np.ones(1000), 3)  # type: ignore[call-overload]

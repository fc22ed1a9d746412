import gc
import sys
import tracemalloc

import numpy as np
import pytest

from latencykit.engine import indicators
from latencykit.errors import LatencykitError


def test_ema_keeps_no_reference() -> None:
    x, out = np.arange(100.0), np.empty(100)
    strided = np.arange(200.0)[::2]
    held = [sys.getrefcount(thing) for thing in (x, out, strided)]
    for _ in range(100):
        indicators.ema(x, 20, out=out)
        indicators.ema(strided, 20, out=out)
        indicators.ema(x, alpha=0.5)
    assert [sys.getrefcount(thing) for thing in (x, out, strided)] == held


def test_refused_calls_keep_no_reference() -> None:
    x, short = np.arange(100.0), np.empty(3)
    strided = np.arange(200.0)[::2]
    held = [sys.getrefcount(thing) for thing in (x, short, strided)]
    for _ in range(100):
        for arguments in (
            {"out": short},
            {"period": 0},
            {"alpha": 2},
            {"seed": "x"},
            {"isa": "x"},
            {"out": "x"},
        ):
            for series in (x, strided, "x"):
                with pytest.raises(LatencykitError):
                    indicators.ema(series, **{"period": None if "alpha" in arguments else 5, **arguments})  # type: ignore[arg-type]
    assert [sys.getrefcount(thing) for thing in (x, short, strided)] == held


def leaked_bytes(operation: object) -> int:
    """Memory that stays behind after many calls, measured after a first round filled the caches."""
    operation()  # type: ignore[operator]
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            operation()  # type: ignore[operator]
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_nothing_leaks() -> None:
    x, out = np.arange(100.0), np.empty(100)
    values = [float(i) for i in range(10)]
    ema = indicators.Ema(3)
    assert leaked_bytes(lambda: indicators.ema(x, 20)) < 1000
    assert leaked_bytes(lambda: indicators.ema(x[::2], 20)) < 1000
    assert leaked_bytes(lambda: indicators.ema(values, 20)) < 1000
    assert leaked_bytes(lambda: indicators.ema(x, 20, out=out)) < 1000
    assert leaked_bytes(lambda: indicators.Ema(20, seed="sma").update(1.0)) < 1000
    assert leaked_bytes(lambda: ema.update(1.0)) < 1000


def test_instances_hold_their_type() -> None:
    held = sys.getrefcount(indicators.Ema)
    instances = [indicators.Ema(3) for _ in range(10)]
    with_instances = sys.getrefcount(indicators.Ema)
    del instances
    without = sys.getrefcount(indicators.Ema)
    assert (with_instances, without) == (held + 10, held)


def test_the_type_is_closed() -> None:
    with pytest.raises(TypeError):
        type("Mine", (indicators.Ema,), {})
    with pytest.raises(TypeError):
        indicators.Ema.value = 3  # type: ignore[assignment, misc]
    with pytest.raises(AttributeError):
        indicators.Ema(3).value = 3  # type: ignore[misc]


def test_a_call_into_out_allocates_nothing() -> None:
    x, out = np.arange(100.0), np.empty(100)
    indicators.ema(x, 20, out=out)
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        indicators.ema(x, 20, out=out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - before < 64  # the tuple and int that asking for the figures makes


def test_long_series_release_the_lock_and_agree() -> None:
    x = np.sin(np.arange(200_000.0))
    np.testing.assert_allclose(indicators.ema(x, 20), indicators.ema(x, 20, isa="scalar"), rtol=0, atol=1e-14)


@pytest.mark.parametrize("argument", ["period", "alpha"])
def test_an_interrupt_while_an_argument_is_read_comes_through(argument: str) -> None:
    class Number:
        def __index__(self) -> int:
            raise KeyboardInterrupt

        def __float__(self) -> float:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        indicators.ema(np.arange(3.0), **{argument: Number()})

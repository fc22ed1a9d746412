import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from leaks import leaked_bytes, resident_bytes

from latencykit.engine import indicators
from latencykit.errors import LatencykitError

ROWS = {"Atr": (3.0, 1.0, 2.0), "Vwap": (3.0, 2.0)}
FORMS: list[Callable[[], Any]] = [
    lambda: indicators.Ema(3),
    lambda: indicators.Sma(100),
    lambda: indicators.Rsi(3),
    indicators.Macd,
    lambda: indicators.Bollinger(100),
    lambda: indicators.Atr(3),
    indicators.Vwap,
    lambda: indicators.Vwap(100),
    lambda: indicators.RollingStd(100),
    lambda: indicators.RollingMin(100),
    lambda: indicators.RollingMax(100),
    lambda: indicators.Zscore(100),
]


@pytest.fixture(params=range(len(FORMS)), ids=lambda i: repr(FORMS[i]()).split("(missing")[0])
def make(request: pytest.FixtureRequest) -> Callable[[], Any]:
    return FORMS[request.param]


def row_of(indicator: object) -> tuple[float, ...]:
    return ROWS.get(type(indicator).__name__, (3.0,))


def test_nothing_leaks(make: Callable[[], Any]) -> None:
    indicator = make()
    row = row_of(indicator)
    assert leaked_bytes(lambda: make().update(*row)) < 1000
    assert leaked_bytes(lambda: indicator.update(*row)) < 1000
    assert leaked_bytes(lambda: indicator.value) < 1000
    assert leaked_bytes(lambda: (repr(indicator), indicator.missing, indicator.reset())) < 1000


def test_windows_are_given_back() -> None:
    """Their memory is not Python's, which is why the process is asked."""
    for form in (indicators.Sma, indicators.Bollinger, indicators.Vwap, indicators.RollingMin, indicators.Zscore):
        form(1 << 18)
        before = resident_bytes()
        for _ in range(100):
            form(1 << 18)  # 200 or 400 MB in all
        assert resident_bytes() - before < 50 << 20


def test_instances_hold_their_type(make: Callable[[], Any]) -> None:
    kind = type(make())
    held = sys.getrefcount(kind)
    instances = [make() for _ in range(10)]
    with_instances = sys.getrefcount(kind)
    del instances
    assert (with_instances, sys.getrefcount(kind)) == (held + 10, held)


def test_refused_calls_keep_no_reference(make: Callable[[], Any]) -> None:
    indicator = make()
    kind, row, wrong = type(indicator), row_of(indicator), "no number"
    held = [sys.getrefcount(thing) for thing in (kind, wrong, indicator)]
    for _ in range(100):
        with pytest.raises(LatencykitError):
            kind(missing=wrong) if kind.__name__ in ("Macd", "Rsi", "Atr", "Vwap", "Bollinger") else kind(wrong)
        with pytest.raises(LatencykitError):
            indicator.update(*row[:-1], wrong)
        with pytest.raises(TypeError):
            kind(**{wrong: 1})
        with pytest.raises(TypeError):
            indicator.update(*row, *row, wrong)
    gc.collect()
    assert [sys.getrefcount(thing) for thing in (kind, wrong, indicator)] == held


def test_an_update_allocates_nothing_but_its_result(make: Callable[[], Any]) -> None:
    """Of Python's allocator; a window's own memory is taken on construction only, which the type's size shows."""
    indicator = make()
    row = row_of(indicator)
    size = sys.getsizeof(indicator)
    result = indicator.update(*row)
    largest = sum(map(sys.getsizeof, (result, *result))) if isinstance(result, tuple) else sys.getsizeof(result)
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(300):
            indicator.update(*row)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - before <= largest + 160  # the range's ints and the figures themselves
    assert sys.getsizeof(indicator) == size


def test_the_types_are_closed(make: Callable[[], Any]) -> None:
    indicator = make()
    with pytest.raises(TypeError):
        type("Mine", (type(indicator),), {})
    with pytest.raises(TypeError):
        type(indicator).value = 3
    with pytest.raises(AttributeError):
        indicator.value = 3
    with pytest.raises(AttributeError):
        indicator.missing = "skip"


def tuples() -> Iterator[Any]:
    yield indicators.Macd(1, 3, 2)
    yield indicators.Bollinger(1)


def test_a_result_that_somebody_holds_is_left_alone() -> None:
    for indicator in tuples():
        first = indicator.update(1.5)
        upper, middle, lower = indicator.update(2.5)
        second = indicator.update(7.5)
        copies = [tuple(map(float.hex, values)) for values in (first, (upper, middle, lower), second)]
        held = {first: 1}
        for i in range(100):
            indicator.update(float(i * i))
            a, _, c = indicator.update(float(-i))
            assert (a, c) == (indicator.value[0], indicator.value[2])
        assert [tuple(map(float.hex, values)) for values in (first, (upper, middle, lower), second)] == copies
        assert held[first] == 1


def test_a_dying_indicator_leaves_its_last_result() -> None:
    for indicator in tuples():
        result = indicator.update(1.5)
        expected = list(result)
        count = sys.getrefcount(result)
        del indicator
        gc.collect()
        assert list(result) == expected
        assert sys.getrefcount(result) == count - 1


def test_the_collector_does_not_mind_results_that_are_used_again() -> None:
    for indicator in tuples():
        for i in range(50):
            indicator.update(float(i))
            gc.collect()
            everything = gc.get_objects()  # holds the last result too
            kept = indicator.update(float(i))
            values = list(kept)
            del everything
            indicator.update(float(-i))
            assert list(kept) == values


@pytest.mark.parametrize("form", [indicators.Sma, indicators.Vwap, indicators.Bollinger])
def test_an_interrupt_while_a_number_is_read_comes_through(form: Any) -> None:
    class Number:
        def __index__(self) -> int:
            raise KeyboardInterrupt

        def __float__(self) -> float:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        form(Number())
    with pytest.raises(KeyboardInterrupt):
        form(3).update(*row_of(form(3))[1:], Number())

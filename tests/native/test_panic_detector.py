import gc
import sys
import tracemalloc
import warnings
import weakref
from collections.abc import Callable

import numpy as np
import pytest
from leaks import leaked_bytes

from latencykit._core import AllocationCounter
from latencykit.engine import PanicDetector, Signal
from latencykit.errors import LatencykitError


def crash(repeats: int = 1) -> tuple[list[float], list[float]]:
    prices = [100 + i % 2 / 100 for i in range(300)] + [100 - i / 5 for i in range(30)] + [94.5] * 5
    return prices * repeats, ([10.0] * 300 + [80.0] * 35) * repeats


def failing() -> None:
    detector = PanicDetector()
    for arguments in ((0.0, 1.0), (1.0, -1.0), ("x", 1.0)):
        with pytest.raises(LatencykitError):
            detector.update(*arguments)  # type: ignore[arg-type]
    with pytest.raises(LatencykitError):
        detector.scan([1.0, -1.0], [1.0, 1.0])
    with pytest.raises(LatencykitError):
        PanicDetector(window=0)
    with pytest.raises(LatencykitError):
        Signal(0.0, 0.0, 0.0, 0.0, 0)


def test_nothing_leaks() -> None:
    prices, volumes = crash()
    assert len(PanicDetector().scan(prices, volumes)) == 1
    signal = Signal(100.0, 0.5, 101.0, 99.0, 3)
    for operation in (
        lambda: PanicDetector().scan(prices, volumes),
        lambda: Signal(100.0, 0.5, 101.0, 99.0, 3, "mine"),
        lambda: (
            signal == Signal(100.0, 0.5, 101.0, 99.0, 4),
            hash(signal),
            repr(signal),
            signal.__reduce__(),
        ),
        lambda: PanicDetector(horizon=10_000),
        failing,
    ):
        assert leaked_bytes(operation, calls=300) < 3000


def test_scan_keeps_no_reference() -> None:
    prices, volumes = (np.array(series) for series in crash())
    held = [sys.getrefcount(series) for series in (prices, volumes)]
    for _ in range(50):
        PanicDetector().scan(prices, volumes)
        with pytest.raises(LatencykitError):
            PanicDetector().scan(prices, volumes[1:])
    assert [sys.getrefcount(series) for series in (prices, volumes)] == held


@pytest.mark.parametrize("make", [PanicDetector, lambda: Signal(1.0, 0.5, 1.0, 1.0, 0)])
def test_instances_hold_their_type(make: Callable[[], object]) -> None:
    kind = type(make())
    held = sys.getrefcount(kind)
    instances = [make() for _ in range(10)]
    with_instances = sys.getrefcount(kind)
    del instances
    without = sys.getrefcount(kind)
    assert (with_instances, without) == (held + 10, held)


def test_a_signal_owns_its_kind() -> None:
    kind = "".join(["my", " kind"])
    held = sys.getrefcount(kind)
    signal = Signal(1.0, 0.5, 1.0, 1.0, 0, kind)
    assert signal.kind is kind
    assert sys.getrefcount(kind) == held + 1
    del signal
    assert sys.getrefcount(kind) == held


@pytest.mark.parametrize("kind", [PanicDetector, Signal])
def test_the_types_are_closed(kind: type) -> None:
    with pytest.raises(TypeError):
        type("Mine", (kind,), {})
    with pytest.raises(TypeError):
        kind.added = 3  # type: ignore[attr-defined]


def test_a_tick_without_signal_allocates_nothing() -> None:
    update = PanicDetector().update
    ticks = list(zip(*(series[:300] for series in crash()), strict=True))
    update(100.0, 10.0)
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for price, volume in ticks:
            update(price, volume)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - before < 200  # the figures themselves and the loop's iterator, however many the ticks


def test_signals_are_made_of_the_memory_of_dropped_ones() -> None:
    detector = PanicDetector()
    update, counter, signals = detector.update, AllocationCounter(), 0
    for repeat in range(3):
        ticks = iter(list(zip(*crash(), strict=True)))
        counter.start()
        for price, volume in ticks:
            if update(price, volume) is not None:
                signals += 1
        counts = counter.stop()
        if repeat:  # the first signal of all had to be allocated
            assert counts == {"raw": 0, "mem": 0, "object": 0, "malloc": 0}
    assert signals == 3


def test_the_memory_of_many_dropped_signals_is_bounded() -> None:
    signals = [Signal(100.0, 0.5, 101.0, 99.0, index) for index in range(1_000)]
    assert [signal.index for signal in signals] == list(range(1_000))
    before = sys.getallocatedblocks()
    del signals
    gc.collect()
    assert before - sys.getallocatedblocks() > 900
    again = [Signal(100.0, 0.5, 101.0, 99.0, index, "x" * index) for index in range(200)]
    assert [len(signal.kind) for signal in again] == list(range(200))


def test_a_kind_that_leads_back_to_its_signal_can_be_collected() -> None:
    class Kind(str):
        signal: Signal

    kind = Kind("odd")
    kind.signal = Signal(1.0, 0.5, 1.0, 1.0, 0, kind)
    gone = weakref.ref(kind)
    assert kind.signal.kind == "odd"
    del kind
    gc.collect()
    assert gone() is None


def test_prices_that_change_while_volumes_is_converted_are_refused() -> None:
    prices = np.full(1000, 5.0)

    class Volumes:
        def __array__(self, dtype=None, copy=None):  # type: ignore[no-untyped-def]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                prices.dtype = np.uint8
            return np.ones(8000)

    detector = PanicDetector()
    with pytest.raises(LatencykitError, match="prices changed"):
        detector.scan(prices, Volumes())  # type: ignore[arg-type]
    assert detector.ticks == 0

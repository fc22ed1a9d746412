"""The bound Operation: its calls, its samples, its references."""

import gc
import signal
import sys
import weakref

import numpy as np
import pytest

from latencykit import _core
from latencykit.errors import InvalidTypeError, InvalidValueError


def test_rows_are_used_in_turn_and_go_on_where_they_stopped():
    seen = []
    operation = _core.Operation(lambda a, b: seen.append((a, b)), [(1, 2), (3, 4), (5, 6)])
    operation.run(2)
    operation.run(2)
    assert seen == [(1, 2), (3, 4), (5, 6), (1, 2)]


def test_samples_on_a_simulated_clock_are_exact():
    clock = _core.SimulatedClock()
    operation = _core.Operation(clock.advance, [(100,), (250,)], clock)
    out = np.zeros(4, np.uint64)
    operation.sample_per_call(out)
    assert out.tolist() == [100, 250, 100, 250]
    operation.sample_batched(out, 4)
    assert out.tolist() == [700] * 4
    assert operation.ns_per_tick == 1


def test_a_clock_that_goes_in_steps_shows_steps():
    clock = _core.SimulatedClock(step=10)
    operation = _core.Operation(clock.advance, [(17,)], clock)
    out = np.zeros(100, np.uint64)
    operation.sample_per_call(out)
    assert set(out.tolist()) == {10, 20}
    assert out.mean() == pytest.approx(17, abs=0.2)
    assert operation.resolution_ns == 10


def test_an_error_stops_the_samples_and_comes_through():
    calls = []

    def fail():
        calls.append(1)
        if len(calls) == 3:
            raise KeyError("third")

    operation = _core.Operation(fail, [()])
    with pytest.raises(KeyError, match="third"):
        operation.sample_per_call(np.zeros(10, np.uint64))
    assert len(calls) == 3


@pytest.mark.parametrize("out", [np.zeros(3), np.zeros(3, np.int64), np.zeros((2, 2), np.uint64)])
def test_samples_need_the_right_array(out):
    with pytest.raises(InvalidTypeError, match="uint64"):
        _core.Operation(_core.noop, [()]).sample_per_call(out)


def test_a_read_only_array_is_refused():
    out = np.zeros(3, np.uint64)
    out.flags.writeable = False
    with pytest.raises((BufferError, ValueError)):
        _core.Operation(_core.noop, [()]).sample_per_call(out)


@pytest.mark.parametrize("rows", [[], [(1,), (1, 2)], [[1]], [(1,), None]])
def test_bad_rows_are_refused(rows):
    with pytest.raises(InvalidValueError, match="row"):
        _core.Operation(_core.noop, rows)


def test_bad_arguments_are_refused():
    with pytest.raises(InvalidTypeError, match="cannot be called"):
        _core.Operation(3, [()])
    with pytest.raises(InvalidTypeError, match="SimulatedClock"):
        _core.Operation(_core.noop, [()], clock=3)
    with pytest.raises(InvalidValueError, match="at least one call"):
        _core.Operation(_core.noop, [()]).sample_batched(np.zeros(1, np.uint64), 0)
    with pytest.raises(InvalidValueError, match="step 0"):
        _core.SimulatedClock(step=0)


def test_it_holds_and_drops_its_references():
    argument, clock = object(), _core.SimulatedClock()
    before = sys.getrefcount(argument), sys.getrefcount(clock), sys.getrefcount(_core.Operation)
    for _ in range(100):
        operation = _core.Operation(_core.noop, [(argument,)], clock)
        operation.sample_per_call(np.zeros(3, np.uint64))
    del operation
    assert (sys.getrefcount(argument), sys.getrefcount(clock), sys.getrefcount(_core.Operation)) == before


def test_a_cycle_through_it_is_collected():
    class Callable:
        def __call__(self):
            pass

    function = Callable()
    function.operation = _core.Operation(function, [()])
    gone = weakref.ref(function)
    del function
    gc.collect()
    assert gone() is None


def test_results_are_dropped():
    class Thing:
        pass

    made = []

    def make():
        thing = Thing()
        made.append(weakref.ref(thing))
        return thing

    _core.Operation(make, [()]).run(3)
    assert [ref() for ref in made] == [None] * 3


def test_the_process_clock_goes_on_and_tells_of_itself():
    first = _core.now_ns()
    _core.spin_ns(10_000)
    _core.recalibrate()
    assert _core.now_ns() - first >= 10_000
    info = _core.clock_info()
    assert info["source"] in {"tsc", "monotonic"}
    assert info["frequency_hz"] > 0
    assert info["resolution_ns"] > 0
    assert not info["forced"]


def test_the_machine_meter_accounts_for_its_time():
    observed, lost, count, longest = _core.spin_meter(2_000_000, 1_000)
    assert observed >= 1_990_000
    assert 0 <= lost <= observed
    assert (count == 0) == (lost == 0)
    assert longest > 0


def test_probes_refuse_what_is_no_count():
    for probe in (_core.spin_ns, _core.multiply_chain):
        with pytest.raises(TypeError):
            probe("x")
        with pytest.raises(OverflowError):
            probe(-1)


def test_an_array_that_is_not_aligned_is_refused():
    out = memoryview(bytearray(81))[1:].cast("Q")
    with pytest.raises(InvalidTypeError, match="aligned"):
        _core.Operation(_core.noop, [()]).sample_per_call(out)


@pytest.mark.parametrize(
    "call",
    [
        lambda op: op.run(2**62),
        lambda op: op.sample_per_call(np.empty(20_000_000, np.uint64)),
        lambda op: op.sample_batched(np.empty(1_000_000, np.uint64), 20),
        lambda _: _core.spin_ns(2**64 - 1),
        lambda _: _core.multiply_chain(2**64 - 1),
    ],
    ids=["run", "per call", "batched", "spin", "multiply"],
)
def test_a_signal_stops_a_native_loop(call):
    seen = []

    def stop(*_):
        seen.append(1)
        raise TimeoutError

    operation = _core.Operation(_core.noop, [()])  # Never looks at signals itself.
    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(TimeoutError):
            call(operation)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen == [1]


def test_an_operation_may_call_itself():
    depth = []

    def again():
        if len(depth) < 50:
            depth.append(1)
            operation.run(2)

    operation = _core.Operation(again, [()])
    operation.run(1)
    assert len(depth) == 50


def test_an_operation_that_calls_itself_without_end_is_stopped():
    operation = _core.Operation(lambda: operation.run(1), [()])
    with pytest.raises(RecursionError):
        operation.run(1)


@pytest.mark.parametrize("arguments", [(-1, 0), (0, -1), (2**64, 0), (3_600_000_000_001, 0)])
def test_the_meter_refuses_a_time_that_would_never_end(arguments):
    with pytest.raises(InvalidValueError, match="must be within 0 and"):
        _core.spin_meter(*arguments)


def test_the_last_arguments_may_be_passed_by_name():
    def work(*args, **kwargs):
        seen.append((args, kwargs))

    seen = []
    _core.Operation(work, ((1, 2, 3),), None, ("y", "z")).run(2)
    assert seen == [((1,), {"y": 2, "z": 3})] * 2


@pytest.mark.parametrize("names", [("a", "b"), (1,)])
def test_names_that_are_none_are_refused(names):
    with pytest.raises(InvalidValueError, match="are not names of the last of 1 arguments"):
        _core.Operation(abs, ((1,),), None, names)


def test_timed_calls_return_what_the_last_one_did():
    clock = _core.SimulatedClock()
    rows = iter(range(100))

    def work():
        clock.advance(10)
        return next(rows)

    operation = _core.Operation(work, ((),), clock)
    assert operation.time_calls(1) == (10, 0)
    assert operation.time_calls(5) == (50, 5)


def test_timed_calls_that_fail_or_are_none():
    with pytest.raises(ZeroDivisionError):
        _core.Operation(divmod, ((1, 0),)).time_calls(3)
    with pytest.raises(InvalidValueError, match="calls is 0"):
        _core.Operation(abs, ((1,),)).time_calls(0)


def test_timed_calls_keep_nothing():
    class Thing:
        pass

    made = []

    def work():
        thing = Thing()
        made.append(weakref.ref(thing))
        return thing

    operation = _core.Operation(work, ((),))
    _, last = operation.time_calls(3)
    assert [ref() is not None for ref in made] == [False, False, True]
    del last
    assert made[2]() is None

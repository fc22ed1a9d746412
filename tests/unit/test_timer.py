"""PrecisionTimer and its scopes: what they say of a clock that is known, and what they refuse."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise

import numpy as np
import pytest

from latencykit import _core
from latencykit.engine import Alert, PerformanceStats, PrecisionTimer, SimulatedClock
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError
from latencykit.histogram import Histogram


class Given:
    """A clock in Python that tells what it was given, in turn."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def now_ns(self) -> object:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def recorded(stats: Histogram) -> list[tuple[int, int]]:
    return stats.iter_recorded()


# ---- reading the machine's clock


def offset_ns(timer: PrecisionTimer) -> int:
    """Return how far the timer is from time.monotonic_ns() at the best of many looks."""
    off = []
    for _ in range(100):
        before, now, after = time.monotonic_ns(), timer.now_ns(), time.monotonic_ns()
        off.append(max(before - now, now - after, 0))
    return min(off)


def test_a_new_timer_brings_now_ns_to_the_monotonic_clock() -> None:
    # However long ago the process measured the counter's rate, and however well.
    timer = PrecisionTimer()
    deadline = time.monotonic() + 60
    while offset_ns(timer) > 10_000:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_now_ns_never_goes_back() -> None:
    timer = PrecisionTimer()
    stamps = []
    for i in range(20_000):
        stamps.append(timer.now_ns())
        if i % 1_000 == 0:
            _core.recalibrate()
    assert all(later >= earlier for earlier, later in pairwise(stamps))


def test_now_ns_never_goes_back_between_threads() -> None:
    timers = [PrecisionTimer() for _ in range(3)]
    latest = [0]
    backwards: list[tuple[int, int]] = []

    def read(timer: PrecisionTimer) -> None:
        for _ in range(20_000):
            seen = latest[0]
            now = timer.now_ns()
            if now < seen:
                backwards.append((seen, now))
            latest[0] = now  # may undo a later one of another thread; what was seen stays a lower bound

    threads = [threading.Thread(target=read, args=(timer,)) for timer in timers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert backwards == []


def test_ticks_are_those_of_the_counter() -> None:
    timer = PrecisionTimer()
    before, ticks, after = _core.ticks(), timer.ticks(), _core.ticks()
    assert before <= ticks <= after


def test_stamps_that_are_held_keep_their_value() -> None:
    timer = PrecisionTimer()
    stamps = [timer.now_ns() for _ in range(100)]
    texts = [str(stamp) for stamp in stamps]
    for _ in range(100):
        timer.now_ns()
        timer.ticks()
    assert [str(stamp) for stamp in stamps] == texts


@pytest.mark.parametrize("read", [PrecisionTimer.now_ns, PrecisionTimer.ticks])
def test_stamps_that_are_dropped_are_written_anew(read: Callable[[PrecisionTimer], int]) -> None:
    timer = PrecisionTimer()
    operation = _core.Operation(read, [(timer,)])
    operation.run(10)
    assert operation.count_allocations(1_000) == {"raw": 0, "mem": 0, "object": 0, "malloc": 0}


# ---- other clocks


def test_a_simulated_clock_is_the_time() -> None:
    clock = SimulatedClock()
    timer = PrecisionTimer(clock)
    assert (timer.now_ns(), timer.ticks(), timer.clock) == (0, 0, clock)
    clock.advance(10**15)
    assert timer.now_ns() == timer.ticks() == clock.now_ns() == 10**15
    clock.set(5)
    assert timer.now_ns() == 5
    assert PrecisionTimer().clock is None


def test_readers_of_a_simulated_clock_see_steps_and_pay() -> None:
    clock = SimulatedClock(step=10, read_cost=4)
    timer = PrecisionTimer(clock)
    assert [timer.now_ns() for _ in range(5)] == [0, 0, 10, 10, 20]
    assert clock.now_ns() == 20


@pytest.mark.parametrize("answer", [0, 1, 2**30 - 1, 2**30, 2**60 - 1, 2**60, 2**64 - 1, np.int64(77)])
def test_any_object_can_be_the_clock(answer: int) -> None:
    timer = PrecisionTimer(Given(answer, answer))
    assert timer.now_ns() == answer
    assert timer.ticks() == answer


def test_every_stamp_of_64_bits_is_itself() -> None:
    clock = SimulatedClock()
    timer = PrecisionTimer(clock)
    for bits in range(64):
        for ns in (2**bits - 1, 2**bits, 2**bits + 1):
            clock.set(ns)
            assert timer.now_ns() == ns


def test_a_module_can_be_the_clock() -> None:
    class Wall:
        now_ns = staticmethod(time.time_ns)

    before = time.time_ns()
    assert before <= PrecisionTimer(Wall()).now_ns() <= time.time_ns()


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (-1, InvalidValueError, r"returned -1; it must be 0 to 2\*\*64 - 1"),
        (2**64, InvalidValueError, "returned 18446744073709551616"),
        (1.5, InvalidTypeError, "returned 1.5, not a whole number"),
        (None, InvalidTypeError, "returned None"),
        (KeyError("clock"), KeyError, "clock"),
    ],
)
def test_what_a_clock_must_not_say(answer: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        PrecisionTimer(Given(answer)).now_ns()
    stats = Histogram()
    scope = PrecisionTimer(Given(answer, 10, answer, 20, 25)).measure(stats)
    with pytest.raises(error, match=message), scope:
        pytest.fail("the block must not run")
    with pytest.raises(error, match=message), scope:
        pass
    assert stats.count == 0
    with scope:  # neither failure left it inside
        pass
    assert recorded(stats) == [(5, 1)]


@pytest.mark.parametrize("clock", [5, "now", object(), time])
def test_what_is_no_clock(clock: object) -> None:
    with pytest.raises(InvalidTypeError, match=r"has no method now_ns\(\)"):
        PrecisionTimer(clock)  # type: ignore[arg-type]


def test_an_error_in_finding_the_clock_is_its_own() -> None:
    class Broken:
        @property
        def now_ns(self) -> int:
            raise LookupError("no clock today")

    with pytest.raises(LookupError, match="today"):
        PrecisionTimer(Broken())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: SimulatedClock(0), InvalidValueError, "step 0"),
        (lambda: SimulatedClock(-1), InvalidValueError, "step is -1"),
        (lambda: SimulatedClock(1, 2**64), InvalidValueError, "read_cost is"),
        (lambda: SimulatedClock("x"), InvalidTypeError, "step is 'x'"),
        (lambda: SimulatedClock().advance(-5), InvalidValueError, "ns is -5"),
        (lambda: SimulatedClock().advance(1.5), InvalidTypeError, "ns is 1.5"),
        (lambda: SimulatedClock().set(None), InvalidTypeError, "ns is None"),
    ],
)
def test_what_a_simulated_clock_refuses(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("wrong", [-1, 2**64, 1.5])
def test_a_time_that_is_refused_does_not_move_a_simulated_clock(wrong: int) -> None:
    clock = SimulatedClock()
    clock.set(5)
    with pytest.raises((InvalidValueError, InvalidTypeError)):
        clock.set(wrong)
    assert clock.now_ns() == 5


def test_a_simulated_clock_does_not_wrap() -> None:
    clock = SimulatedClock()
    clock.advance(2**64 - 1)
    with pytest.raises(InvalidValueError, match=r"past 2\*\*64"):
        clock.advance(1)
    assert clock.now_ns() == 2**64 - 1


# ---- timing blocks


def test_a_block_is_recorded() -> None:
    clock, stats = SimulatedClock(), Histogram()
    with PrecisionTimer(clock).measure(stats) as scope:
        clock.advance(750)
    assert recorded(stats) == [(750, 1)]
    assert scope.elapsed_ns == 750
    with scope:
        clock.advance(20)
    assert recorded(stats) == [(20, 1), (750, 1)]
    assert scope.elapsed_ns == 20


@pytest.mark.parametrize("fenced", [False, True])
def test_the_machines_clock_times_a_block(fenced: bool) -> None:
    stats = Histogram()
    timer = PrecisionTimer(fenced=fenced)
    start = time.perf_counter_ns()
    with timer.measure(stats) as scope:
        _core.spin_ns(2_000_000)
    whole = time.perf_counter_ns() - start
    assert 1_999_000 <= scope.elapsed_ns <= whole + whole // 1_000
    assert stats.count == 1


def test_a_block_that_raises_is_recorded_and_the_error_goes_on() -> None:
    clock, stats = SimulatedClock(), Histogram()
    scope = PrecisionTimer(clock).measure(stats)

    def lose() -> None:
        clock.advance(5)
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"), scope:
        lose()
    assert recorded(stats) == [(5, 1)]
    with scope:
        pass
    assert stats.count == 2


@pytest.mark.parametrize(("begin", "end"), [(1_000, 10), (2**64 - 1, 0), (7, 7)])
def test_a_clock_that_goes_back_gives_0(begin: int, end: int) -> None:
    clock = SimulatedClock()
    clock.set(begin)
    for timer in (PrecisionTimer(clock), PrecisionTimer(Given(begin, end))):
        stats = Histogram()
        with timer.measure(stats) as scope:
            clock.set(end)
        assert scope.elapsed_ns == 0
        assert recorded(stats) == [(0, 1)]
        clock.set(begin)


def test_performance_statistics_take_durations_and_alert() -> None:
    clock, stats = SimulatedClock(), PerformanceStats("block")
    received: queue.Queue[Alert] = queue.Queue()
    with stats.alert(received.put, "10us", every="1ms"):
        for ns in (10_000, 25_000):
            with PrecisionTimer(clock).measure(stats):
                clock.advance(ns)
        alert = received.get(timeout=60)
    assert (alert.over, alert.worst_ns, stats.count) == (1, 25_000, 2)


def test_a_duration_beyond_the_histogram_saturates() -> None:
    clock, stats = SimulatedClock(), Histogram()
    with PrecisionTimer(clock).measure(stats) as scope:
        clock.advance(2**64 - 1)
    assert scope.elapsed_ns == 2**64 - 1
    assert (stats.count, stats.saturated) == (1, 1)


def test_blocks_within_blocks_take_a_scope_each() -> None:
    clock, stats = SimulatedClock(), Histogram()
    timer = PrecisionTimer(clock)
    with timer.measure(stats), timer.measure(stats):
        clock.advance(10)
        with timer.measure(stats):
            clock.advance(5)
    assert recorded(stats) == [(5, 1), (15, 2)]


def test_a_scope_is_not_entered_twice() -> None:
    clock, stats = SimulatedClock(), Histogram()
    scope = PrecisionTimer(clock).measure(stats)
    with scope:
        clock.advance(3)
        with pytest.raises(InvalidStateError, match="inside its block already"), scope:
            pytest.fail("the block must not run")
        clock.advance(4)
    assert recorded(stats) == [(7, 1)]


def test_a_scope_is_left_only_when_it_was_entered() -> None:
    stats = Histogram()
    scope = PrecisionTimer().measure(stats)
    with pytest.raises(InvalidStateError, match="without having been entered"):
        scope.__exit__(None, None, None)
    with scope:
        pass
    with pytest.raises(InvalidStateError, match="without having been entered"):
        scope.__exit__(None, None, None)
    assert stats.count == 1


def test_a_new_scope_has_no_duration() -> None:
    scope = PrecisionTimer().measure(Histogram())
    with pytest.raises(InvalidStateError, match="measured nothing yet"):
        _ = scope.elapsed_ns
    with scope, pytest.raises(InvalidStateError, match="measured nothing yet"):
        _ = scope.elapsed_ns
    assert scope.elapsed_ns >= 0


def test_a_memory_that_is_used_again_is_a_new_scope() -> None:
    clock, stats = SimulatedClock(), Histogram()
    timer = PrecisionTimer(clock)
    for _ in range(3):
        scope = timer.measure(stats)
        with pytest.raises(InvalidStateError):
            _ = scope.elapsed_ns
        scope.__enter__()
        clock.advance(9)
        del scope  # dropped inside its block: nothing to record
    assert stats.count == 0


def test_an_exit_stack_takes_scopes() -> None:
    clock, stats = SimulatedClock(), Histogram()
    timer = PrecisionTimer(clock)
    with ExitStack() as stack:
        for ns in (1, 2, 3):
            stack.enter_context(timer.measure(stats))
            clock.advance(ns)
    assert recorded(stats) == [(3, 1), (5, 1), (6, 1)]


def test_the_methods_can_be_called_by_name() -> None:
    clock, stats = SimulatedClock(), Histogram()
    scope = PrecisionTimer(clock).measure(stats)
    enter, leave = scope.__enter__, scope.__exit__
    assert enter() is scope
    clock.advance(8)
    assert leave(None, None, None) is None
    assert type(scope).__enter__(scope) is scope
    assert type(scope).__exit__(scope, None, None, None) is None
    assert recorded(stats) == [(0, 1), (8, 1)]


@pytest.mark.parametrize("arguments", [(1,), (1, 2), (1, 2, 3, 4)])
def test_a_scope_is_no_function(arguments: tuple[int, ...]) -> None:
    scope = PrecisionTimer().measure(Histogram())
    with pytest.raises(InvalidTypeError, match="not a function"):
        scope(*arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="not a function"):
        type(scope).__exit__(scope, *arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="not a function"):
        scope(kind=None)  # type: ignore[arg-type]


def test_a_scope_is_made_by_its_timer_only() -> None:
    with pytest.raises(TypeError, match="cannot create"):
        _core.TimerScope()


@pytest.mark.parametrize("stats", [None, 5, [], object()])
def test_what_is_no_statistics(stats: object) -> None:
    with pytest.raises(InvalidTypeError, match=f"not {type(stats).__name__}"):
        PrecisionTimer().measure(stats)  # type: ignore[arg-type]


# ---- what suspends a block


def test_generators_cannot_share_a_scope() -> None:
    clock, stats = SimulatedClock(), Histogram()
    scope = PrecisionTimer(clock).measure(stats)

    def timed(ns: int) -> Iterator[None]:
        with scope:
            clock.advance(ns)
            yield

    first, second = timed(10), timed(20)
    next(first)
    with pytest.raises(InvalidStateError, match="inside its block"):
        next(second)
    assert list(first) == []
    assert recorded(stats) == [(10, 1)]


def test_a_generator_that_is_dropped_leaves_its_block() -> None:
    clock, stats = SimulatedClock(), Histogram()
    scope = PrecisionTimer(clock).measure(stats)

    def timed() -> Iterator[None]:
        with scope:
            yield

    generator = timed()
    next(generator)
    clock.advance(6)
    del generator
    assert recorded(stats) == [(6, 1)]
    with scope:
        pass


def test_tasks_that_overlap_cannot_share_a_scope() -> None:
    stats = Histogram()
    timer = PrecisionTimer()
    shared = timer.measure(stats)

    async def work(own: bool) -> None:
        with timer.measure(stats) if own else shared:
            await asyncio.sleep(0)

    async def both(own: bool) -> list[object]:
        return await asyncio.gather(work(own), work(own), return_exceptions=True)

    first, second = asyncio.run(both(own=False))
    assert first is None
    assert isinstance(second, InvalidStateError)
    assert asyncio.run(both(own=True)) == [None, None]
    assert stats.count == 3


def test_threads_that_overlap_cannot_share_a_scope() -> None:
    scope = PrecisionTimer().measure(Histogram())
    errors: list[Exception] = []

    def enter() -> None:
        try:
            scope.__enter__()
        except InvalidStateError as error:
            errors.append(error)

    with scope:
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    assert len(errors) == 1


def test_a_clock_may_use_the_scope_that_reads_it() -> None:
    class Meddling:
        def __init__(self) -> None:
            self.ns = 0
            self.errors: list[InvalidStateError] = []

        def now_ns(self) -> int:
            self.ns += 1
            if self.ns < 3:
                try:
                    scope.__enter__()
                except InvalidStateError as error:
                    self.errors.append(error)
            return self.ns

    clock, stats = Meddling(), Histogram()
    scope = PrecisionTimer(clock).measure(stats)
    with scope:
        pass
    assert len(clock.errors) == 2
    assert recorded(stats) == [(1, 1)]

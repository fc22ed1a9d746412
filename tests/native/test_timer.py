import gc
import sys
import tracemalloc
import weakref
from collections.abc import Callable

import pytest

from latencykit import _core
from latencykit.engine import PerformanceStats, PrecisionTimer, SimulatedClock
from latencykit.errors import LatencykitError
from latencykit.histogram import Histogram

CALLS = 200
NOTHING = {"raw": 0, "mem": 0, "object": 0, "malloc": 0}


class Clock:
    """A clock in Python, and something that can refer back to what uses it."""

    def __init__(self) -> None:
        self.ns = 0
        self.user: object = None

    def now_ns(self) -> int:
        self.ns += 10**10
        return self.ns


def leaked(operation: Callable[[], object]) -> tuple[int, int]:
    """Return the bytes and the blocks that stay behind in every round of many calls.

    The interpreter's own caches grow and shrink as well, so the round that left the least is what counts.
    """
    rounds = []
    tracemalloc.start()
    try:
        for _ in range(4):
            gc.collect()
            size, blocks = tracemalloc.get_traced_memory()[0], sys.getallocatedblocks()
            for _ in range(CALLS):
                operation()
            gc.collect()
            rounds.append((tracemalloc.get_traced_memory()[0] - size, sys.getallocatedblocks() - blocks))
    finally:
        tracemalloc.stop()
    return min(size for size, _ in rounds), min(blocks for _, blocks in rounds)


def raises(error: type[Exception], call: Callable[[], object]) -> bool:
    """Tell whether a call raises, without what pytest.raises keeps of each."""
    try:
        call()
    except error:
        return True
    return False


def use_everything() -> None:
    stats, clock = Histogram(1, 10**6, digits=1), SimulatedClock(step=2, read_cost=1)
    clock.advance(2**40)
    clock.set(2**41)
    clock.now_ns()
    for timer in (PrecisionTimer(), PrecisionTimer(fenced=True), PrecisionTimer(clock), PrecisionTimer(Clock())):
        kept = [timer.now_ns() for _ in range(10)] + [timer.ticks() for _ in range(10)]
        repr((kept, timer.clock))
        scopes = [timer.measure(stats) for _ in range(12)]  # more than the timer keeps the memory of
        for scope in scopes:
            with scope as entered:
                assert entered is scope
            assert scope.elapsed_ns >= 0
        enter, leave = scopes[0].__enter__, scopes[0].__exit__
        enter()
        leave(None, None, None)
        type(scopes[0]).__enter__(scopes[0])
        type(scopes[0]).__exit__(scopes[0], None, None, None)


def fail_everywhere() -> None:
    stats, timer = Histogram(1, 10**6, digits=1), PrecisionTimer()
    wrong = Clock()
    wrong.now_ns = lambda: -1  # type: ignore[method-assign]
    scope, broken = timer.measure(stats), PrecisionTimer(wrong).measure(stats)
    with scope:
        for failing in (
            lambda: PrecisionTimer(5),  # type: ignore[arg-type]
            lambda: PrecisionTimer(wrong).now_ns(),
            lambda: timer.measure(None),  # type: ignore[arg-type]
            scope.__enter__,
            lambda: scope(1),  # type: ignore[arg-type]
            broken.__enter__,
            lambda: broken.__exit__(None, None, None),
            lambda: broken.elapsed_ns,
            lambda: SimulatedClock(0),
            lambda: SimulatedClock().advance("x"),  # type: ignore[arg-type]
            lambda: SimulatedClock().set(-1),
        ):
            assert raises(LatencykitError, failing)
    assert raises(TypeError, lambda: PrecisionTimer(None, None))  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("work", [use_everything, fail_everywhere])
def test_nothing_leaks(work: Callable[[], None]) -> None:
    size, blocks = leaked(work)
    assert blocks < CALLS / 2
    assert size < CALLS * 50


@pytest.mark.parametrize("make", [PrecisionTimer, SimulatedClock, lambda: PrecisionTimer().measure(Histogram())])
def test_instances_hold_their_type(make: Callable[[], object]) -> None:
    kind = type(make())
    gc.collect()
    held = sys.getrefcount(kind)
    instances = [make() for _ in range(10)]
    # A timer refers to the type of the scopes whose memory it keeps, so a scope counts twice.
    each = 2 if kind is _core.TimerScope else 1
    with_instances = sys.getrefcount(kind)
    del instances
    assert (with_instances, sys.getrefcount(kind)) == (held + 10 * each, held)


def test_a_scope_holds_its_timer_and_statistics_and_the_timer_its_clock() -> None:
    clock, stats = Clock(), Histogram()
    timer = PrecisionTimer(clock)
    held = [sys.getrefcount(thing) for thing in (clock, stats, timer)]
    scope = timer.measure(stats)
    with scope:
        pass
    assert [sys.getrefcount(thing) for thing in (clock, stats, timer)] == [held[0], held[1] + 1, held[2] + 1]
    for _ in range(50):
        with scope as entered, timer.measure(stats):
            pass
    assert entered is scope
    assert sys.getrefcount(scope) == 3  # two names and the argument
    del scope, entered
    assert [sys.getrefcount(thing) for thing in (clock, stats, timer)] == held


def test_a_scope_outlives_the_names_of_its_timer_and_statistics() -> None:
    clock = SimulatedClock()
    scope = PrecisionTimer(clock).measure(Histogram())
    gc.collect()
    for ns in (3, 4):
        with scope:
            clock.advance(ns)
        assert scope.elapsed_ns == ns


def test_a_block_keeps_alive_what_it_needs() -> None:
    stats = Histogram()
    timer, scopes = PrecisionTimer(Clock()), []
    scopes.append(timer.measure(stats))
    with scopes[0]:
        scopes.clear()
        del timer
        gc.collect()
    assert stats.count == 1


def test_cycles_through_the_clock_are_collected() -> None:
    clock = Clock()
    timer = PrecisionTimer(clock)
    clock.user = [timer, timer.measure(Histogram())]
    gone = weakref.ref(clock)
    del clock, timer
    gc.collect()
    assert gone() is None


def test_cycles_through_the_statistics_are_collected() -> None:
    class Stats(PerformanceStats):
        scope: object

    stats = Stats()
    stats.scope = PrecisionTimer().measure(stats)
    gone = weakref.ref(stats)
    del stats
    gc.collect()
    assert gone() is None


def test_a_cycle_through_an_entered_scope_is_collected() -> None:
    clock = Clock()
    clock.user = PrecisionTimer(clock).measure(Histogram())
    clock.user.__enter__()  # type: ignore[attr-defined]
    gone = weakref.ref(clock)
    del clock
    gc.collect()
    assert gone() is None


def test_a_finalizer_may_use_the_scope_of_its_cycle() -> None:
    counts = []

    class Last(Clock):
        def __del__(self) -> None:
            with self.user:  # type: ignore[attr-defined]
                pass
            counts.append(stats.count)

    stats = Histogram()
    clock = Last()
    clock.user = PrecisionTimer(clock).measure(stats)
    del clock
    gc.collect()
    assert counts == [1]


def test_the_memory_of_dropped_scopes_is_used_again_and_bounded() -> None:
    stats = Histogram()
    timer = PrecisionTimer()
    for _ in range(3):
        scopes = [timer.measure(stats) for _ in range(1_000)]
        assert len({id(scope) for scope in scopes}) == 1_000
        gc.collect()
        before = sys.getallocatedblocks()
        del scopes
        assert before - sys.getallocatedblocks() > 900
    first = id(timer.measure(stats))
    assert id(timer.measure(stats)) == first


def test_the_memory_of_scopes_goes_with_their_timer() -> None:
    stats = Histogram()

    def drop_a_timer_with_kept_memory() -> None:
        timer = PrecisionTimer()
        scopes = [timer.measure(stats) for _ in range(8)]
        del timer
        while scopes:
            scopes.pop()

    assert leaked(drop_a_timer_with_kept_memory)[1] < CALLS / 2


@pytest.mark.parametrize("timer", [PrecisionTimer(), PrecisionTimer(fenced=True), PrecisionTimer(SimulatedClock())])
def test_timing_a_block_allocates_nothing(timer: PrecisionTimer) -> None:
    stats = Histogram()
    scope = timer.measure(stats)

    def reused() -> None:
        with scope:
            pass

    def new() -> None:
        with timer.measure(stats), timer.measure(stats):
            pass

    for block in (reused, new):
        operation = _core.Operation(block, [()])
        operation.run(100)
        assert operation.count_allocations(1_000) == NOTHING


def test_dropped_stamps_are_written_anew_and_held_ones_are_not() -> None:
    clock = SimulatedClock()
    timer = PrecisionTimer(clock)
    clock.set(2**40)
    stamps = [timer.now_ns() for _ in range(3)]
    held = timer.now_ns()
    again = timer.now_ns()
    identities = {id(stamp) for stamp in (*stamps, held, again)}
    assert len(identities) == 5
    key = {held: "held"}
    del held, stamps, again
    for _ in range(100):
        clock.advance(1)
        timer.now_ns()
    assert list(key) == [2**40]
    assert key[2**40] == "held"


def test_a_timer_keeps_few_stamps_alive() -> None:
    timer = PrecisionTimer()
    stamps = [timer.now_ns() for _ in range(1_000)]
    before = sys.getallocatedblocks()
    del stamps
    assert before - sys.getallocatedblocks() > 900


@pytest.mark.parametrize("kind", [PrecisionTimer, SimulatedClock, _core.TimerScope])
def test_the_types_are_closed(kind: type) -> None:
    with pytest.raises(TypeError):
        type("Mine", (kind,), {})
    with pytest.raises(TypeError):
        kind.__enter__ = None  # type: ignore[attr-defined]


def test_the_binder_refuses_what_is_no_scope() -> None:
    binder = vars(_core.TimerScope)["__enter__"]
    scope = PrecisionTimer().measure(Histogram())
    assert binder.__get__(scope) is scope
    with pytest.raises(TypeError):
        binder.__get__(5)
    with pytest.raises(TypeError):
        type(binder)()
    assert _core.TimerScope.__enter__.__name__ == "__enter__"

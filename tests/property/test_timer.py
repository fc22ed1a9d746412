"""Timing on a simulated clock against arithmetic in Python, and stamps against what they were when they were read."""

from contextlib import ExitStack

from hypothesis import given
from hypothesis import strategies as st

from latencykit.engine import PrecisionTimer, SimulatedClock
from latencykit.histogram import Histogram

DURATIONS = st.integers(0, 2**63) | st.integers(0, 5_000)
# Where stamps change their number of digits, in CPython's ints and in ours.
STAMPS = st.integers(0, 2**64 - 1) | st.sampled_from([2**30 - 1, 2**30, 2**60 - 1, 2**60, 2**64 - 1])


class Plain:
    """The clock as a plain Python object."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.now_ns = clock.now_ns


def timers(clock: SimulatedClock) -> tuple[PrecisionTimer, PrecisionTimer]:
    return PrecisionTimer(clock), PrecisionTimer(Plain(clock))


def expected(durations: list[int]) -> Histogram:
    stats = Histogram()
    for ns in durations:
        stats.record(ns)
    return stats


@given(st.lists(st.tuples(DURATIONS, DURATIONS), max_size=30))
def test_what_is_recorded_is_how_far_the_clock_advanced(blocks: list[tuple[int, int]]) -> None:
    for timer in timers(clock := SimulatedClock()):
        stats = Histogram()
        scope = timer.measure(stats)
        for pause, ns in blocks:
            clock.set(0)
            clock.advance(pause)
            with scope:
                clock.advance(ns if pause + ns < 2**64 else 2**64 - 1 - pause)
            assert scope.elapsed_ns == min(ns, 2**64 - 1 - pause)
        assert stats == expected([min(ns, 2**64 - 1 - pause) for pause, ns in blocks])


@given(st.lists(st.tuples(STAMPS, STAMPS), max_size=30))
def test_a_clock_that_jumps_gives_the_difference_or_0(jumps: list[tuple[int, int]]) -> None:
    for timer in timers(clock := SimulatedClock()):
        stats = Histogram()
        for begin, end in jumps:
            clock.set(begin)
            with timer.measure(stats) as scope:
                clock.set(end)
            assert scope.elapsed_ns == max(end - begin, 0)
        assert stats == expected([min(max(end - begin, 0), 2**63 - 1) for begin, end in jumps])


@given(st.integers(1, 1_000), st.integers(0, 1_000), st.lists(DURATIONS.map(lambda ns: ns % 10**6), max_size=30))
def test_steps_and_the_cost_of_reading_are_in_what_is_recorded(step: int, cost: int, durations: list[int]) -> None:
    for timer in timers(clock := SimulatedClock(step, cost)):
        clock.set(0)
        stats, now, differences = Histogram(), 0, []
        for ns in durations:
            with timer.measure(stats):
                clock.advance(ns)
            begin, now = now + cost, now + cost + ns + cost
            differences.append(now // step * step - begin // step * step)
        assert stats == expected(differences)


@given(st.lists(st.none() | st.integers(0, 10_000), max_size=40))
def test_nested_blocks_each_take_all_that_is_within(steps: list[int | None]) -> None:
    """None opens a block, a number lets time pass; all blocks end with the last step."""
    for timer in timers(clock := SimulatedClock()):
        clock.set(0)
        stats, opened, now = Histogram(), [], 0
        with ExitStack() as stack:
            for step in steps:
                if step is None:
                    stack.enter_context(timer.measure(stats))
                    opened.append(now)
                else:
                    clock.advance(step)
                    now += step
        assert stats == expected([now - begin for begin in opened])


@given(st.lists(st.tuples(STAMPS, st.booleans(), st.integers(0, 5)), max_size=60))
def test_a_stamp_keeps_its_value_for_as_long_as_it_is_held(reads: list[tuple[int, bool, int]]) -> None:
    clock = SimulatedClock()
    timer = PrecisionTimer(clock)
    held: dict[int, tuple[int, str]] = {}
    for ns, ticks, place in reads:
        clock.set(ns)
        held[place] = (timer.ticks() if ticks else timer.now_ns(), str(ns))
        assert all(str(stamp) == text for stamp, text in held.values())

"""The sampler of pairs on a simulated clock: what is known to differ by a factor is sampled so, in turns."""

import random

import pytest

from latencykit import _core
from latencykit.analysis.paired import pair_ratios
from latencykit.analysis.paired_tails import figures_of, tail_ratio
from latencykit.measuring import pairing
from latencykit.measuring.effort import PairEffort
from latencykit.measuring.pairing import Contender, PairSampler
from latencykit.suite import call

EFFORT = PairEffort((4,), block_ns=0, warm_up_ns=1_000_000)


class Coin:
    """Falls as it is told."""

    def __init__(self, *falls: float) -> None:
        self._falls = iter(falls)

    def random(self) -> float:
        return next(self._falls)


def sampler(a_ns: int, b_ns: int, coin=None, step: int = 1, read_cost: int = 0, **more):
    clock = _core.SimulatedClock(step, read_cost)
    contenders = [Contender(name, call(clock.advance, ns, **more), clock) for name, ns in (("a", a_ns), ("b", b_ns))]
    for contender in contenders:
        contender.warm_up(EFFORT.warm_up_ns)
    return PairSampler(*contenders, EFFORT, coin or random.Random(1))


@pytest.mark.parametrize(("a_ns", "b_ns"), [(100, 105), (20, 760), (50_000, 45_000), (2_000_000, 1_000_000)])
@pytest.mark.parametrize(("step", "read_cost"), [(1, 0), (10, 25)])
def test_a_known_ratio_is_sampled(a_ns, b_ns, step, read_cost):
    made = sampler(a_ns, b_ns, step=step, read_cost=read_cost)
    for _ in range(10):
        made.take_block()
    samples = made.samples
    assert len(samples.blocks) == 10
    assert pair_ratios(samples) == pytest.approx([b_ns / a_ns] * 20, rel=0.005)
    a, b = figures_of(samples)
    assert (a.p50_ns, b.p50_ns) == (pytest.approx(a_ns, rel=0.005), pytest.approx(b_ns, rel=0.005))


def test_the_tail_is_sampled_call_by_call():
    made = sampler(1_000, 2_000)
    for _ in range(10):
        made.take_block()
    assert tail_ratio(made.samples).ratio == pytest.approx(2.0, rel=0.01)


def test_what_does_many_items_a_call_is_compared_by_the_item():
    clock = _core.SimulatedClock(10, 25)
    contenders = [
        Contender("one", call(clock.advance, 2_000), clock),
        Contender("many", call(clock.advance, 500_000, items=1_000), clock),
    ]
    for contender in contenders:
        contender.warm_up(EFFORT.warm_up_ns)
    made = PairSampler(*contenders, EFFORT, random.Random(1))
    for _ in range(60):
        made.take_block()
    assert pair_ratios(made.samples) == pytest.approx([0.25] * 120, rel=0.02)
    assert tail_ratio(made.samples).ratio == pytest.approx(0.25, rel=0.02)
    one, many = figures_of(made.samples)
    assert (one.p50_ns, many.p50_ns) == (pytest.approx(2_000, rel=0.02), pytest.approx(500, rel=0.02))
    assert (one.resolution_ns, many.resolution_ns) == (10, 0.01)


def test_blocks_are_abba_or_baab_as_the_coin_falls(monkeypatch):
    order = []
    timings = Contender.timings_ns

    def spy(self, count):
        order.append(self.name)
        return timings(self, count)

    made = sampler(100, 200, Coin(0.1, 0.9))
    monkeypatch.setattr(Contender, "timings_ns", spy)
    made.take_block()
    made.take_block()
    assert "".join(order) == "abba" + "baab"
    assert made.pairs == 4


def test_a_sample_is_several_batches_fewer_for_slow_operations():
    quick, slow = sampler(100, 200), sampler(5_000_000, 100)
    for made in (quick, slow):
        made.take_block()
    assert len(quick.samples.blocks[0].pairs[0].a_ns) == pairing.TIMINGS
    assert len(slow.samples.blocks[0].pairs[0].b_ns) == pairing.SLOW_TIMINGS


def test_batches_are_as_long_as_those_of_bench_and_of_one_size_for_operations_alike():
    alike = sampler(100, 105)
    alike.take_block()
    assert alike.samples.a.batch_size == alike.samples.b.batch_size == 200
    unlike = sampler(100, 1_000)
    unlike.take_block()
    assert (unlike.samples.a.batch_size, unlike.samples.b.batch_size) == (200, 20)


def test_the_pause_runs_after_no_more_calls_than_a_burst():
    calls = []
    since = [0]
    clock = _core.SimulatedClock()

    def operation():
        since[0] += 1
        clock.advance(10)

    def pause():
        calls.append(since[0])
        since[0] = 0

    contender = Contender("a", call(operation, between=pause), clock)
    contender.warm_up(10_000_000)
    contender.timings_ns(5)
    assert max(calls) <= 4_096


def test_the_floor_is_what_an_empty_batch_takes():
    made = sampler(1_000, 1_500, read_cost=400)
    made.take_block()
    samples = made.samples
    pair = samples.blocks[0].pairs[0]
    assert pair.a_floor_ns == pytest.approx(400 / samples.a.batch_size)
    assert min(pair.a_ns) - pair.a_floor_ns == pytest.approx(1_000)
    assert samples.a.call_floor_ns == 400


def test_the_one_at_work_is_known():
    made = sampler(100, 200, Coin(0.1))
    assert made.working == ""
    made.take_block()
    assert made.working in ("a", "b")

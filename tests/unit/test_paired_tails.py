"""Figures and tails of pairs, from histograms made by hand."""

import numpy as np
from simulated_pairs import shape_of

from latencykit.analysis.paired_tails import figures_of, net_quantile, tail_ratio
from latencykit.comparison import Block, Pair, PairSamples
from latencykit.histogram import Histogram, decode, encode

PAIR = Pair(a_ns=[120.0, 110.0, 140.0], b_ns=[220.0, 210.0, 240.0], a_floor_ns=10.0, b_floor_ns=20.0)


def histogram(values) -> str:
    made = Histogram()
    made.record_many(np.array(values, np.float64))
    return encode(made)


def samples(a_calls, b_calls) -> PairSamples:
    blocks = [
        Block(pairs=(PAIR, PAIR), a_calls=histogram(a), b_calls=histogram(b))
        for a, b in zip(a_calls, b_calls, strict=True)
    ]
    return PairSamples(a=shape_of("a"), b=shape_of("b"), blocks=blocks)


def calls(common: float, rare: float, count: int = 100) -> list[float]:
    """One in fifty is rare, so that p99 is."""
    return [common] * (count - count // 50) + [rare] * (count // 50)


def test_figures_are_net_of_their_own_floors():
    a, b = figures_of(samples([calls(130, 530)] * 10, [calls(230, 1030)] * 10))
    assert (a.p50_ns, b.p50_ns) == (110.0, 200.0)  # the median over all batches
    assert (a.samples_ns[0], b.samples_ns[0]) == (100.0, 190.0)  # the fastest timing of each pair
    assert (a.p90_ns, a.p99_ns, b.p99_ns) == (100.0, 500.0, 1000.0)  # single calls, whose floor is 30
    assert a.p999_ns is None  # 1,000 calls do not bound it
    assert (a.count, a.floor_ns, len(a.samples_ns)) == (1_000, 10.0, 20)
    assert decode(a.histogram).max == 530


def test_a_percentile_is_never_below_nothing():
    made = Histogram()
    made.record_n(20, 1_000)
    assert net_quantile(made, 0.99, 30.0) == 0.0
    assert net_quantile(made, 0.9999, 30.0) is None


def test_the_ratio_of_tails():
    tail = tail_ratio(samples([calls(130, 530)] * 10, [calls(230, 1030)] * 10))
    assert (tail.statistic, tail.ratio, tail.level) == ("p99", 2.0, 0.95)
    assert tail.interval == (2.0, 2.0)  # all blocks are alike


def test_the_interval_of_tails_knows_that_blocks_differ():
    wild = [calls(130, 530 if i % 2 else 2_030) for i in range(20)]
    tail = tail_ratio(samples([calls(130, 530)] * 20, wild))
    assert tail.interval == (1.0, 4.0)
    assert tail_ratio(samples([calls(130, 530)] * 20, wild)) == tail  # one file, one answer


def test_there_is_no_ratio_of_tails_that_are_not_known():
    assert tail_ratio(samples([calls(130, 530)] * 3, [calls(230, 1030)] * 3)) is None  # 300 calls do not bound p99
    assert tail_ratio(samples([[30.0] * 100] * 10, [calls(230, 1030)] * 10)) is None  # at the floor
    few = tail_ratio(samples([calls(130, 530)] * 5, [calls(230, 1030)] * 5))
    assert few.ratio == 2.0
    assert few.interval is None  # too few blocks to know how they differ


def test_the_interval_of_tails_covers_the_truth():
    """Both operations are alike; blocks differ by a factor that both share."""
    covered = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        weather = 1_000 * np.exp(random.normal(0, 0.2, 20))
        sides = [[factor * np.exp(random.normal(0, 0.3, 500)) for factor in weather] for _ in range(2)]
        low, high = tail_ratio(samples(*sides)).interval
        covered += low <= 1 <= high
    assert covered >= 34  # 38 are promised; a bootstrap of a high quantile holds a little less

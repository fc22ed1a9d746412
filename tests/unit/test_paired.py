"""The arithmetic of paired comparisons, on samples made by hand."""

import math

import pytest
from simulated_pairs import shape_of

from latencykit.analysis.paired import (
    LOOKS,
    decided,
    drift_remarks,
    least_ns,
    level_of,
    pair_ratios,
    ratio_at_look,
    sign_interval,
    verdict_of,
)
from latencykit.comparison import Block, Pair, PairSamples


def samples(ratios, *, net=100.0, floor=20.0, b_floor=20.0):
    """Return pairs whose first operation takes `net` and whose second takes each ratio of it."""
    pairs = [
        Pair(
            a_ns=[net + floor, 3 * net + floor],
            b_ns=[2 * net * ratio + b_floor, net * ratio + b_floor],
            a_floor_ns=floor,
            b_floor_ns=b_floor,
        )
        for ratio in ratios
    ]
    blocks = [Block(pairs=(pairs[i], pairs[i + 1]), a_calls="", b_calls="") for i in range(0, len(pairs), 2)]
    return PairSamples(a=shape_of("c/a"), b=shape_of("c/b"), blocks=blocks)


def test_a_ratio_is_of_the_fastest_timings_net_of_their_floors():
    assert pair_ratios(samples([1.5, 2.0], floor=20, b_floor=50)) == pytest.approx([1.5, 2.0])


def test_the_interval_is_made_of_order_statistics():
    values = [float(i) for i in range(1, 27)]
    # Of 26 fair coins at most 5 fall one way with a chance of 0.125 %, at most 4 with one of 0.027 %.
    assert sum(math.comb(26, k) for k in range(6)) / 2**26 == pytest.approx(0.00125, rel=0.01)
    assert sign_interval(values, 0.00125) == (6.0, 21.0)
    assert sign_interval(values, 0.0012) == (5.0, 22.0)
    assert sign_interval(values[::-1], 0.5**26) == (1.0, 26.0)
    assert sign_interval(values, 0.4**26) is None
    assert sign_interval([], 0.4) is None


def test_the_interval_narrows_as_pairs_come_and_widens_with_comparisons():
    ratios = [1 + 0.001 * (i % 13 - 6) for i in range(104)]
    widths = [interval_width(ratio_at_look(samples(ratios[:look]), 1)) for look in LOOKS]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > widths[-1]
    assert interval_width(ratio_at_look(samples(ratios), 1000)) > widths[-1]
    assert (level_of(1), level_of(10)) == (0.99, 0.999)


def interval_width(found) -> float:
    return found.interval[1] - found.interval[0]


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((1.0101, 1.2), "slower"),
        ((1.0099, 1.2), "inconclusive"),
        ((1.011, 1.015), "slower"),  # shown to be beyond 1 %, though not beyond 2 %
        ((0.5, 0.9900), "faster"),
        ((0.5, 0.9902), "inconclusive"),
        ((0.981, 1.0199), "same"),
        ((0.980, 1.01), "inconclusive"),
        ((0.99, 1.021), "inconclusive"),
    ],
)
def test_verdicts(interval, verdict):
    assert verdict_of(interval) == verdict


def test_verdicts_are_symmetric():
    for low, high in [(1.02, 1.1), (0.985, 1.015), (0.9, 1.2), (1.009, 1.3)]:
        other = {"slower": "faster", "faster": "slower"}
        verdict = verdict_of((low, high))
        assert verdict_of((1 / high, 1 / low)) == other.get(verdict, verdict)


def test_it_stops_when_decided_or_when_all_pairs_are_taken():
    assert decided(samples([1.5] * 26), 1)
    assert decided(samples([1.0] * 26), 1)
    wide = [0.9, 1.1] * 52
    assert not decided(samples(wide[:78]), 1)
    assert decided(samples(wide), 1)
    found = ratio_at_look(samples(wide), 1)
    assert found.verdict == "inconclusive"
    assert "the interval 0.900 to 1.100 is neither beyond 1 % on one side nor within 2 % of equal" in found.reason


def test_too_few_pairs_for_many_comparisons_say_so():
    found = ratio_at_look(samples([1.5] * 8), 100)
    assert (found.interval, found.verdict) == (None, "inconclusive")
    assert "8 pairs are too few" in found.reason


def test_what_is_at_the_floor_gives_a_bound():
    found = ratio_at_look(samples([0.0] * 26), 1)
    assert found.verdict == "faster"
    assert found.ratio == pytest.approx(least_ns(shape_of("c/b"), 20.0) / 100)
    assert found.remarks == ("c/b cannot be told from an empty call, so that the true ratio may be farther from 1",)


def test_two_operations_at_the_floor_are_not_compared():
    found = ratio_at_look(samples([1.5] * 26, net=0.01), 1)
    assert (found.ratio, found.interval, found.verdict) == (None, None, "inconclusive")
    assert "neither can be told from an empty call" in found.reason
    assert decided(samples([1.5] * 26, net=0.01), 1)


def test_a_ratio_that_drifts_is_told():
    steady = [1 + 0.01 * (i % 7 - 3) for i in range(52)]
    assert drift_remarks(steady) == []
    assert drift_remarks([1.0] * 26 + [1.04] * 26) == []
    (remark,) = drift_remarks(steady[:26] + [1.3 * value for value in steady[26:]])
    assert "drifted from 1 to 1.3" in remark
    assert drift_remarks([1.0, 2.0]) == []

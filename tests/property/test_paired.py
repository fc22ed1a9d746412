"""What holds of paired comparisons whatever was sampled."""

import math

from hypothesis import given
from hypothesis import strategies as st
from simulated_pairs import shape_of

from latencykit.analysis.paired import pair_ratios, ratio_at_look, sign_interval, verdict_of
from latencykit.comparison import Block, Pair, PairSamples

TIMES = st.floats(0, 1e9)
PAIRS = st.builds(
    lambda a, b, floors: Pair(a_ns=a, b_ns=b, a_floor_ns=floors[0], b_floor_ns=floors[1]),
    st.lists(TIMES, min_size=1, max_size=5),
    st.lists(TIMES, min_size=1, max_size=5),
    st.tuples(st.floats(0, 1e3), st.floats(0, 1e3)),
)
SAMPLES = st.lists(st.tuples(PAIRS, PAIRS), min_size=1, max_size=52).map(
    lambda blocks: PairSamples(
        a=shape_of("a"), b=shape_of("b"), blocks=[Block(pairs=pairs, a_calls="", b_calls="") for pairs in blocks]
    )
)


def swapped(samples: PairSamples) -> PairSamples:
    blocks = [
        Block(
            pairs=tuple(
                Pair(a_ns=p.b_ns, b_ns=p.a_ns, a_floor_ns=p.b_floor_ns, b_floor_ns=p.a_floor_ns) for p in block.pairs
            ),
            a_calls="",
            b_calls="",
        )
        for block in samples.blocks
    ]
    return PairSamples(a=samples.b, b=samples.a, blocks=blocks)


@given(SAMPLES, st.integers(1, 50))
def test_ratios_are_positive_and_finite_and_lie_in_their_interval(samples, comparisons):
    assert all(0 < ratio < math.inf for ratio in pair_ratios(samples))
    found = ratio_at_look(samples, comparisons)
    if found.interval is not None:
        assert found.interval[0] <= found.ratio <= found.interval[1]
        assert found.verdict == verdict_of(found.interval)
    else:
        assert found.verdict == "inconclusive"
        assert found.reason


@given(SAMPLES)
def test_what_is_slower_than_another_leaves_that_faster(samples):
    there, back = ratio_at_look(samples, 1), ratio_at_look(swapped(samples), 1)
    assert (there.interval is None) == (back.interval is None)
    if there.interval and back.interval:
        low, high = there.interval
        assert math.isclose(back.interval[0], 1 / high)
        assert math.isclose(back.interval[1], 1 / low)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.floats(1e-9, 0.4))
def test_an_interval_holds_the_sample_median_and_grows_with_confidence(values, one_sided):
    interval = sign_interval(values, one_sided)
    if interval is None:
        assert 0.5 ** len(values) > one_sided
        return
    ordered = sorted(values)
    assert interval[0] <= ordered[(len(values) - 1) // 2]
    assert ordered[len(values) // 2] <= interval[1]
    stricter = sign_interval(values, one_sided / 2)
    assert stricter is None or (stricter[0] <= interval[0] and stricter[1] >= interval[1])

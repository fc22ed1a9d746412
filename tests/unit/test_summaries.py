import pytest
from hypothesis import given
from hypothesis import strategies as st
from sampled import batched, per_call

from latencykit.analysis.summaries import summarise, with_speedups


def test_batched_figures_are_net_of_the_floor_and_only_central():
    row = summarise(batched([47.0] * 50 + [57.0] * 51, floor=7.0)).result
    assert (row.min_ns, row.p50_ns) == (40.0, 50.0)
    assert row.mean_ns == pytest.approx(45.0495, rel=1e-4)
    assert (row.p90_ns, row.p99_ns, row.p999_ns, row.max_ns) == (None, None, None, None)
    assert row.count == 10_100


def test_too_few_batches_give_a_centre_without_an_interval():
    few, enough = summarise(batched([57.0] * 5, floor=7.0)), summarise(batched([57.0] * 6, floor=7.0))
    assert (few.result.p50_ns, few.result.p50_interval_ns, dict(few.intervals)) == (50.0, None, {})
    assert enough.result.p50_interval_ns == enough.intervals["p50"] == (50.0, 50.0)


def test_calls_give_the_quantiles_that_they_support():
    durations = [130] * 950 + [1030] * 49 + [50_030]
    row = summarise(per_call(durations)).result
    assert row.p50_ns == pytest.approx(100, abs=1)
    assert row.p90_ns == pytest.approx(100, abs=1)
    assert row.p99_ns == pytest.approx(1000, rel=0.002)
    assert row.max_ns == pytest.approx(50_000, rel=0.002)
    assert row.p999_ns is None
    assert summarise(per_call(durations * 4)).result.p999_ns == pytest.approx(1000, rel=0.002)


def test_figures_never_fall_below_nothing():
    row = summarise(per_call([20] * 100, floor=30.0)).result
    assert (row.min_ns, row.p50_ns, row.mean_ns) == (0, 0, 0)


@given(st.lists(st.floats(1, 1e6), min_size=6, max_size=200), st.floats(0, 50))
def test_the_interval_encloses_the_median(values, floor):
    row = summarise(batched(values, floor=floor)).result
    low, high = row.p50_interval_ns
    assert row.min_ns <= low <= row.p50_ns <= high


def test_ratios_are_taken_within_component_parameters_and_mode():
    rows = [
        summarise(batched([1007.0] * 10, variant="naive"), baseline=True).result,
        summarise(per_call([2030] * 10, variant="naive"), baseline=True).result,
        summarise(batched([17.0] * 10, variant="fast")).result,
        summarise(per_call([1030] * 10, variant="fast")).result,
        summarise(batched([17.0] * 10, variant="fast", parameters={"length": 10})).result,
    ]
    ratios = [row.speedup_vs_baseline for row in with_speedups(rows)]
    assert ratios[:3] == [1, 1, pytest.approx(100)]
    assert ratios[3] == pytest.approx(2, rel=0.002)
    assert ratios[4] is None


def test_no_ratio_below_the_clocks_step():
    rows = [
        summarise(per_call([2030] * 10, variant="naive"), baseline=True).result,
        summarise(per_call([35] * 10, variant="fast")).result,
    ]
    assert with_speedups(rows)[1].speedup_vs_baseline is None

from typing import Any

import pytest
from fabricated import make_claim, make_results, make_run

from latencykit.model import Failure, Result, TargetVerdict
from latencykit.reporters.rows import claim_sentence, failure_name, figure, plain_ns, rows_of


def result(**changes: Any) -> Result:
    fields: dict[str, Any] = {
        "component": "orders",
        "variant": "arena",
        "baseline": False,
        "mode": "batched",
        "count": 10,
        "batch_size": 100,
        "floor_ns": 17.6,
        "resolution_ns": 10.0,
        "min_ns": 30.0,
        "p50_ns": 35.24,
        "mean_ns": 36.0,
        "histogram": "",
        **changes,
    }
    return Result(**fields)


def test_one_row_takes_the_centre_from_batches_and_the_tail_from_calls():
    baseline, arena = rows_of(make_results("orders"))
    assert (arena.component, arena.variant, arena.name) == ("orders", "arena", "orders/arena")
    assert (arena.p50, arena.p99, arena.p999) == ("35.2 ns", "40 ns", "80 ns")
    assert arena.floor == "17.6 ns"
    assert (arena.allocations, arena.cache_hits, arena.speedup) == ("0", "n/a", "5.30 ×")
    assert (arena.target, arena.verdict, arena.claimed) == ("p50 < 100 ns", "met", "-")
    assert (baseline.speedup, baseline.target, baseline.verdict, baseline.claimed) == (
        "1 ×",
        "-",
        "baseline",
        "100 µs",
    )


def test_the_order_of_modes_does_not_matter():
    results = make_results("signals")
    assert rows_of(reversed(results))[::-1] == rows_of(results)


def test_components_stay_together_and_in_order():
    results = make_run().results
    mixed = results[::2] + results[1::2]
    assert rows_of(mixed) == rows_of(results)


def test_a_long_operation_without_batches_shows_its_per_call_centre():
    (row,) = rows_of([result(mode="per_call", p50_ns=12_340_000.0, floor_ns=40.0, p99_ns=13e6)])
    assert (row.p50, row.p99, row.p999, row.floor) == ("12.3 ms", "13.0 ms", "n/a", "40.0 ns")


def test_the_tail_of_an_operation_without_calls_is_not_available():
    (row,) = rows_of([result()])
    assert (row.p50, row.p99, row.p999) == ("35.2 ns", "n/a", "n/a")


def test_another_mode_is_a_row_of_its_own():
    rows = rows_of([result(), result(mode="first_call", p50_ns=9000.0), result(mode="per_call")])
    assert [(row.variant, row.p50) for row in rows] == [
        ("arena", "35.2 ns"),
        ("arena (first call)", "9.00 µs"),
    ]


def test_parameters_make_operations_of_their_own():
    rows = rows_of([result(parameters={"size": 1}), result(parameters={"size": 8})])
    assert [row.variant for row in rows] == ["arena[size=1]", "arena[size=8]"]


def test_the_verdict_comes_from_whichever_result_carries_it():
    judged = TargetVerdict("p999", 1e6, "inconclusive", "too noisy")
    (row,) = rows_of([result(), result(mode="per_call", target=judged)])
    assert (row.target, row.verdict, row.reason) == ("p99.9 < 1 ms", "inconclusive", "too noisy")


def test_what_is_claimed_stands_beside_the_judged_where_there_is_no_baseline():
    judged = TargetVerdict("p50", 100, "met", claimed_ns=100e3)
    rows = rows_of([result(target=judged), result(variant="plain")])
    assert [row.claimed for row in rows] == ["100 µs", "-"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "<10 ns"),
        (-5.0, "<10 ns"),
        (9.9, "<10 ns"),
        (10.0, "10 ns"),
        (83.0, "83 ns"),
        (1234.0, "1.23 µs"),
        (None, "n/a"),
    ],
)
def test_a_call_claims_nothing_below_the_clocks_step(value, text):
    assert figure(result(mode="per_call"), value) == text


def test_a_fine_clock_keeps_its_digits():
    assert figure(result(mode="per_call", resolution_ns=0.4), 8.26) == "8.26 ns"


@pytest.mark.parametrize("value", [0.0, -1.2])
def test_a_batch_that_is_no_slower_than_an_empty_call_is_at_the_floor(value):
    assert figure(result(), value) == "at floor"


def test_a_batch_whose_interval_holds_zero_is_at_the_floor():
    assert figure(result(p50_interval_ns=(-0.5, 1.5)), 0.5) == "at floor"
    assert figure(result(p50_interval_ns=(0.2, 0.8)), 0.5) == "0.50 ns"


def test_no_ratio_is_claimed_to_a_figure_that_is_not():
    (row,) = rows_of([result(p50_ns=-0.1, speedup_vs_baseline=900.0)])
    assert row.speedup == "n/a"


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.5, "0.500 ×"), (61.2, "61.2 ×"), (99.96, "100 ×"), (1234.4, "1,234 ×"), (None, "-")],
)
def test_ratios(ratio, text):
    assert rows_of([result(speedup_vs_baseline=ratio)])[0].speedup == text


@pytest.mark.parametrize(
    ("count", "text"), [(None, "n/a"), (0.0, "0"), (0.0001, "<0.001"), (2.5, "2.5"), (1002.0, "1,002")]
)
def test_allocations(count, text):
    assert rows_of([result(allocations_per_op=count)])[0].allocations == text


def test_a_counted_cache_shows_its_share():
    assert rows_of([result(cache_hit_rate=0.9876)])[0].cache_hits == "98.8 %"


@pytest.mark.parametrize(
    ("value", "text"), [(100, "100 ns"), (1000, "1 µs"), (1500, "1.5 µs"), (10e6, "10 ms"), (2e9, "2 s")]
)
def test_limits_are_written_plainly(value, text):
    assert plain_ns(value) == text


def test_a_failure_before_any_variant_has_its_components_name():
    assert failure_name(Failure("orders", "", {}, "died")) == "orders"
    assert failure_name(Failure("orders", "arena", {"n": 2}, "died")) == "orders/arena[n=2]"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "10 µs and more: measured 151 ns"),
        ({"low": 5e3, "high": 10e3, "measured": -37.0}, "5 µs to 10 µs: measured -37 ns"),
        ({"unit": "times", "low": 20, "high": 20, "measured": 231.9}, "20 ×: measured 232 ×"),
        ({"unit": "times", "low": 4, "high": 8, "measured": None}, "4 × to 8 ×: not measured"),
    ],
)
def test_a_claim_stands_beside_what_was_measured(changes, sentence):
    assert claim_sentence(make_claim("this saves", **changes)) == (
        f"this saves {sentence} (orders/dataclass against orders/arena)"
    )

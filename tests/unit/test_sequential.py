"""Runs on file: each was measured at its own time, and that limits what they show."""

import msgspec
import pytest
from fabricated import make_environment, make_run, make_validity
from sampled import batched, per_call

from latencykit.analysis.sequential import SHIFT, compare_runs, only_in, unlike
from latencykit.analysis.summaries import summarise
from latencykit.model import Run

PER_OP = [100.0 + 0.1 * (i % 11) for i in range(500)]
CALLS = [130.0 + i % 7 for i in range(3_000)] + [1_030.0] * 60


def saved(factor: float = 1.0, *, variant: str = "arena", more=(), **changes) -> Run:
    """Return a run whose one operation takes `factor` times the usual time, net of its floor."""
    rows = [
        summarise(batched([7 + (value - 7) * factor for value in PER_OP], variant=variant)).result,
        summarise(per_call([30 + (value - 30) * factor for value in CALLS], variant=variant)).result,
    ]
    return make_run(results=[*rows, *more], **changes)


def test_batches_decide_and_single_calls_stand_beside():
    (found,) = compare_runs(saved(), saved(3.0))
    assert (found.component, found.a, found.b, found.mode, found.statistic) == (
        "orders",
        "arena",
        "arena",
        "batched",
        "p50",
    )
    assert found.ratio == pytest.approx(3.0, rel=0.01)
    assert found.verdict == "slower"
    assert found.tail.ratio == pytest.approx(3.0, rel=0.02)
    assert found.a_figures.p99_ns == pytest.approx(1_000, rel=0.01)


def test_the_order_of_rows_on_file_changes_nothing():
    base, head = saved(), saved(3.0)
    turned = msgspec.structs.replace(head, results=head.results[::-1])
    assert compare_runs(base, turned) == compare_runs(base, head)


@pytest.mark.parametrize("factor", [0.7, 0.95, 1.0, 1.05, 1.3, 1.45])
def test_what_a_machine_may_change_between_two_runs_decides_nothing(factor):
    (found,) = compare_runs(saved(), saved(factor))
    assert found.verdict == "inconclusive"
    assert "measured one after the other" in found.reason
    low, high = found.interval
    assert low < factor / SHIFT * 1.01
    assert high > factor * SHIFT * 0.99


def test_faster_is_said_only_beyond_that():
    (found,) = compare_runs(saved(), saved(0.5))
    assert found.verdict == "faster"
    assert found.interval[1] < 1


def test_only_operations_that_both_have_are_compared():
    base, head = saved(), saved(3.0, variant="slots")
    assert compare_runs(base, head) == []
    assert only_in(base, head) == ["orders/arena"]
    both = saved(more=saved(variant="slots").results)
    assert [found.a for found in compare_runs(both, both)] == ["arena", "slots"]
    assert compare_runs(both, both)[0].level == pytest.approx(0.995)


def test_other_modes_are_comparisons_of_their_own():
    cold = [msgspec.structs.replace(saved().results[1], mode="cold")]
    modes = [found.mode for found in compare_runs(saved(more=cold), saved(more=cold))]
    assert modes == ["batched", "cold"]


def test_an_unfit_machine_decides_nothing():
    (found,) = compare_runs(saved(), saved(3.0, validity=make_validity("unfit", 0.5)))
    assert (found.verdict, found.reason) == ("inconclusive", "the machine lost too much time to others")


def test_what_is_at_the_floor_has_no_ratio():
    (found,) = compare_runs(saved(0.0), saved())
    assert (found.ratio, found.interval, found.verdict) == (None, None, "inconclusive")
    assert "empty call" in found.reason


def test_too_few_batches_have_no_interval():
    rows = [summarise(batched([100.0] * 5)).result]
    (found,) = compare_runs(make_run(results=rows), make_run(results=rows))
    assert (found.interval, found.verdict) == (None, "inconclusive")
    assert found.reason == "too few samples are on file for an interval"


def test_conditions_that_differ_are_remarked():
    on = [summarise(batched(PER_OP, gc="on", input_rows=7)).result]
    off = [summarise(batched(PER_OP)).result]
    (found,) = compare_runs(make_run(results=on), make_run(results=off))
    assert found.remarks == [
        "the cyclic garbage collector was on in the base and off in the head",
        "the base was called with 7 rows of input in turn, the head with 1",
    ]


def test_unlike_machines_are_told_apart():
    assert unlike(saved(), saved()) == []
    other = make_environment(fingerprint="fedcba9876543210")
    assert unlike(saved(), saved(environment=other)) == ["fingerprint 0123456789abcdef and fedcba9876543210"]
    newer = msgspec.structs.replace(make_environment().python, version="3.13.0")
    python = make_environment(fingerprint="fe", python=newer)
    assert unlike(saved(), saved(environment=python)) == ["Python 3.11.7 and 3.13.0"]

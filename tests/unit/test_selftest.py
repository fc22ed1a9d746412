import pytest
from click.testing import CliRunner

from latencykit.commands.selftest import selftest
from latencykit.measuring.effort import Effort
from latencykit.measuring.sampling import Subject, measure_operation
from latencykit.model import Hiccups, Validity
from latencykit.selftest import truths
from latencykit.selftest.checks import Check, centre, chain_checks, tail
from latencykit.suite import as_operation


@pytest.mark.parametrize(("found", "outcome"), [(1_039, "true"), (961, "true"), (1_041, "false"), (959, "false")])
def test_a_centre_is_true_within_three_percent_and_a_step(found, outcome):
    assert centre("x", 1_000, found, 10).outcome("fit") == outcome


def test_a_tail_may_be_off_by_five_percent():
    assert tail("x", 50_000, 52_400, 10).outcome("fit") == "true"
    assert tail("x", 50_000, 52_600, 10).outcome("fit") == "false"


def test_on_an_unfit_machine_a_wrong_figure_decides_nothing():
    wrong = Check("x", 1, 2, 0)
    assert [wrong.outcome(word) for word in ("fit", "noisy", "unfit")] == ["false", "false", "inconclusive"]
    assert Check("x", 1, 1, 0).outcome("unfit") == "true"


def test_chains_are_held_against_the_median_slope():
    lengths = (64, 128, 256, 512, 1_024)
    straight = [5 + 0.8 * length for length in lengths]
    assert all(check.outcome("fit") == "true" for check in chain_checks(lengths, straight, 3))
    bent = [*straight[:2], straight[2] + 20, *straight[3:]]
    outcomes = [check.outcome("fit") for check in chain_checks(lengths, bent, 3)]
    assert outcomes == ["true", "false", "true", "true"]


@pytest.mark.parametrize("count", truths.ALLOCATIONS)
def test_planted_allocations_are_counted_exactly(count):
    operation = as_operation(truths.planted_allocations(count))
    batched, _ = measure_operation(Subject("c", "v"), operation, Effort(operation_ns=10_000_000, meter_ns=0))
    assert batched.allocations_per_op == count


@pytest.mark.parametrize(
    ("found", "machine", "status"), [(1_000, "fit", 0), (2_000, "fit", 1), (2_000, "unfit", 3), (1_000, "unfit", 0)]
)
def test_the_exit_status_tells_whether_the_tool_told_the_truth(monkeypatch, found, machine, status):
    validity = Validity(verdict=machine, stolen_ratio=0.5, hiccups=Hiccups())
    finding = truths.Finding([centre("p50 of a spin", 1_000, found, 10)], validity)
    monkeypatch.setattr(truths, "findings", lambda _level, _cpu: iter([finding]))
    result = CliRunner().invoke(selftest, standalone_mode=False)
    assert result.return_value == status
    assert "p50 of a spin" in result.stdout
    assert f"{1 - (found != 1_000)} of 1 figures are true" in result.stdout

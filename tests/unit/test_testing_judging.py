"""Several targets and an allocation limit on one measurement: verdicts, rows and the table."""

import pytest
import sampled

from latencykit import measurement
from latencykit.analysis.summaries import summarise
from latencykit.measurement import Measurement
from latencykit.model import Hiccups, Validity
from latencykit.reporters.rows import rows_of
from latencykit.targets import parse_targets
from latencykit.testing.judging import judge, table
from latencykit.testing.outcome import name_of

EVERY = {"raw": 0.0, "mem": 0.0, "object": 0.0, "malloc": 0.0}
CALLS = [float(value) for value in range(100, 1100)]


@pytest.fixture(autouse=True)
def fit(monkeypatch):
    """The machine is fit."""
    made = Validity(verdict="fit", stolen_ratio=0.01, hiccups=Hiccups(windows=2))
    monkeypatch.setattr(measurement, "judge_machine", lambda readings: made)


def found(*, batches=True, calls=True, **more):
    more = {"allocations": EVERY, **more}
    samples = [sampled.batched([107.0] * 100, **more)] if batches else []
    samples += [sampled.per_call(CALLS, **more)] if calls else []
    return Measurement(tuple(map(summarise, samples)), ())


def verdicts(measured, targets=None, allocations=None):
    judged = judge(measured, parse_targets(targets), allocations)
    return judged.verdict, [judgement.verdict for judgement in judged.judgements]


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (None, (None, [])),
        ("p50 < 1us", ("met", ["met"])),
        ("p50 < 50ns", ("missed", ["missed"])),
        ("p50 < 1us, p90 < 500ns, p99 < 2us", ("missed", ["met", "missed", "met"])),
        ("p50 < 1us, p99 < 1060ns", ("inconclusive", ["met", "inconclusive"])),
        ("p50 < 1us, p999 < 2us", ("inconclusive", ["met", "inconclusive"])),
        ("p50 < 50ns, p999 < 2us", ("missed", ["missed", "inconclusive"])),
    ],
)
def test_the_worst_verdict_counts(targets, expected):
    assert verdicts(found(), targets) == expected


@pytest.mark.parametrize(
    ("more", "limit", "expected"),
    [
        ({"allocations_per_op": 0.0}, 0, "met"),
        ({"allocations_per_op": 2.0}, 2, "met"),
        ({"allocations_per_op": 0.01}, 0, "missed"),
        ({"allocations_per_op": None}, 0, "inconclusive"),
        ({"allocations_per_op": 0.0, "allocations": {"raw": 0.0, "mem": 0.0, "object": 0.0}}, 0, "inconclusive"),
        ({"allocations_per_op": 1.0, "allocations": {"raw": 0.0, "mem": 0.0, "object": 1.0}}, 0, "missed"),
    ],
)
def test_allocations_are_met_only_if_all_were_watched(more, limit, expected):
    assert verdicts(found(**more), None, limit) == (expected, [expected])


def test_what_was_not_timed_is_not_judged_by_something_else():
    assert verdicts(found(calls=False), "p99 < 1s") == ("inconclusive", ["inconclusive"])
    assert verdicts(found(batches=False), "p50 < 1us, p99 < 2us") == ("met", ["met", "met"])


def test_rows_carry_all_targets_and_show_the_worst():
    judged = judge(found(), parse_targets("p50 < 1us, p90 < 500ns, p99 < 2us"), 0)
    batched, per_call = judged.results
    assert [target.statistic for target in batched.targets] == ["p50"]
    assert [target.statistic for target in per_call.targets] == ["p90", "p99"]
    assert (per_call.target.statistic, per_call.target.verdict) == ("p90", "missed")
    (row,) = rows_of(judged.results)
    assert row.target == "p50 < 1 µs, allocs <= 0, p90 < 500 ns, p99 < 2 µs"
    assert row.verdict == "missed"


def test_a_row_with_nothing_but_a_missed_allocation_limit_is_missed():
    judged = judge(found(allocations_per_op=1.0), (), 0)
    (row,) = rows_of(judged.results)
    assert (row.target, row.verdict) == ("allocs <= 0", "missed")


def test_the_table_says_what_it_rests_on():
    measured = found(allocations_per_op=1.0)
    text = table("title", measured, judge(measured, parse_targets("p99 < 2us"), 0), ["  1 × mem: here"])
    lines = text.splitlines()
    assert lines[0] == "title"
    assert lines[1].split() == ["target", "actual", "95", "%", "interval", "verdict"]
    assert lines[2].split()[:3] == ["p99", "<", "2"]
    assert lines[3].endswith("missed")
    assert "net of a floor of 7.00 ns; 100 batches of 100 calls and 1,000 single calls" in text
    assert "machine fit, 1.0 % of its time taken away" in text
    assert lines[-1] == "    1 × mem: here"


@pytest.mark.parametrize(
    ("nodeid", "params", "expected"),
    [
        ("test_a.py::test_x", None, ("test_a", "test_x", {})),
        ("tests/unit/test_a.py::TestB::test_x[3-list]", {"n": 3, "kind": list},
         ("tests.unit.test_a", "TestB.test_x", {"n": 3, "kind": "list"})),
        ("a.py::test_x[a/b::c]", {"path": "a/b::c"}, ("a", "test_x", {"path": "a/b::c"})),
    ],
)  # fmt: skip
def test_a_test_is_named_as_an_operation(nodeid, params, expected):
    assert name_of(nodeid, "test_x", params) == expected

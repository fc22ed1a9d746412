"""A session in this process: what is measured, put together and judged."""

import pytest
from suite_files import write_suite

from latencykit import session
from latencykit.environment import Clock
from latencykit.errors import DataError, UnsupportedError, UsageError
from latencykit.hardware import detection
from latencykit.measuring import effort, events
from latencykit.model import Validity
from latencykit.session import Plan, bench, select

SUITE = """
import ctypes
c.baseline, c.target = "slow", lk.Target("p50", "1s")

@c.variant
def slow():
    return lk.call(sum, range(100))

@c.variant
def fast():
    return lk.call(abs, -1)

@c.variant(contrast=True)
def shown():
    return lk.call(abs, -1)

@c.variant
def bad():
    raise ValueError("no")
"""


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Measure for 20 ms an operation, on a machine that is always fit."""
    monkeypatch.setitem(effort._LEVELS, "quick", (20_000_000, None, 1_000_000))
    judge = session.judge_machine
    monkeypatch.setattr(
        session, "judge_machine", lambda r: Validity(verdict="fit", stolen_ratio=0, hiccups=judge(r).hiccups)
    )
    monkeypatch.delenv("LATENCYKIT_CLOCK", raising=False)


def run(path, observe=lambda event: None, **plan):
    return bench(select([path]), Plan(level="quick", **plan), observe, ["bench", path])


def test_a_run_holds_results_verdicts_and_failures(tmp_path):
    told = []
    made = run(write_suite(tmp_path, SUITE), told.append)
    assert made.complete
    assert [(row.variant, row.mode) for row in made.results] == [
        (variant, mode) for variant in ("slow", "fast", "shown") for mode in ("batched", "per_call")
    ]
    assert [row.variant for row in made.results if row.target] == ["fast"]
    (judged,) = (row for row in made.results if row.target)
    assert (judged.mode, judged.target.verdict, judged.target.limit_ns) == ("batched", "met", 1e9)
    assert [row.variant for row in made.results if row.baseline] == ["slow", "slow"]
    assert judged.speedup_vs_baseline > 1
    assert [failure.reason for failure in made.failures] == ["it raised ValueError: no"]
    assert made.validity.hiccups.windows == 2
    assert isinstance(told[-1], events.ComponentFinished)


def test_each_component_is_judged_by_its_own(tmp_path):
    one = write_suite(tmp_path, SUITE, name="one.py", component="one")
    two = write_suite(
        tmp_path, SUITE.replace("'1s'", "'1ns'").replace('"1s"', '"0.1ns"'), name="two.py", component="two"
    )
    made = bench(select([one, two], ["fast"]), Plan(level="quick"), lambda event: None, [])
    limits = {row.component: row.target.limit_ns for row in made.results if row.target}
    assert limits == {"one": 1e9, "two": 0.1}


@pytest.mark.parametrize("after", [events.OperationStarted, events.OperationFinished, events.MeterRead])
def test_an_interrupt_keeps_what_was_finished(after, tmp_path):
    seen = []

    def observe(event):
        seen.append(event)
        if isinstance(event, after):
            raise KeyboardInterrupt

    made = run(write_suite(tmp_path, SUITE), observe)
    assert not made.complete
    finished = sum(isinstance(event, events.OperationFinished) for event in seen)
    assert len(made.results) == 2 * finished


def test_no_usable_clock_is_told_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(detection, "measured_clock", lambda: Clock(source="monotonic", invariant=False))
    told = []
    with pytest.raises(UnsupportedError, match="set LATENCYKIT_CLOCK=monotonic"):
        run(write_suite(tmp_path, SUITE), told.append)
    assert told == []


def test_an_unknown_clock_is_not_ignored(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENCYKIT_CLOCK", "hpet")
    with pytest.raises(UsageError, match="LATENCYKIT_CLOCK is 'hpet'"):
        run(write_suite(tmp_path, SUITE))


@pytest.mark.parametrize(
    ("plan", "error", "message"),
    [({"cpu": 99_999}, UsageError, "CPU 99999 is not ours"), ({"ticks": "missing.csv"}, DataError, "missing.csv")],
)
def test_what_cannot_be_is_told_before_anything_is_measured(plan, error, message, tmp_path):
    told = []
    with pytest.raises(error, match=message):
        run(write_suite(tmp_path, SUITE), told.append, **plan)
    assert told == []

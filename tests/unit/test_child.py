"""What the child does with a task, in this process and without a pipe."""

import gc
import os

import pytest
from suite_files import EFFORT, finished, reasons, write_suite

from latencykit.errors import InvalidTypeError, UsageError
from latencykit.measuring import child, events
from latencykit.measuring.child import prepared, run_task
from latencykit.measuring.task import Task, Wanted
from latencykit.suite import use_ticks

BODY = """
@c.variant
def good():
    return lk.call(abs, -1)

@c.variant(peer="absent")
def peer():
    import absent

@c.variant
def not_a_peer():
    import absent

@c.variant
def rows():
    lk.market()
    return lk.replay(time.sleep, [(0.001,)] * 1_000)
"""


def run(path, *variants, ticks=None):
    told = []
    task = Task(path, "made", [Wanted(variant, {}) for variant in variants], EFFORT, None, ticks)
    try:
        run_task(task, told.append)
    finally:
        use_ticks(None)
    return told


def test_events_come_in_order(tmp_path):
    told = run(write_suite(tmp_path, BODY), "good")
    assert [type(event).__name__ for event in told] == [
        "MeterRead", "OperationStarted", "OperationFinished", "MeterRead",
    ]  # fmt: skip
    assert [sample.mode for sample in told[2].samples] == ["batched", "per_call"]


def test_events_survive_the_pipe(tmp_path):
    for event in run(write_suite(tmp_path, BODY), "good", "not_a_peer"):
        assert events.decode(events.encode(event).rstrip(b"\n")) == event


def test_only_a_peer_that_is_not_installed_is_skipped(tmp_path):
    told = run(write_suite(tmp_path, BODY), "peer", "not_a_peer")
    failures = [event.failure for event in told if isinstance(event, events.OperationFailed)]
    assert [failure.skipped for failure in failures] == [True, False]
    assert all("needs the package 'absent'" in failure.reason for failure in failures)


def test_a_variant_that_is_gone_fails_alone(tmp_path):
    told = run(write_suite(tmp_path, BODY), "gone", "good")
    assert finished(told) == ["made/good"]
    assert list(reasons(told)) == ["made/gone"]


def test_a_suite_that_is_gone_fails_everything(tmp_path):
    told = run(str(tmp_path / "gone.py"), "good", "rows")
    assert list(reasons(told)) == ["made/good", "made/rows"]
    assert all("cannot be imported" in reason for reason in reasons(told).values())


def test_conditions_are_put_back_after_errors(tmp_path):
    collecting, cpus = gc.isenabled(), os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    run(write_suite(tmp_path, "@c.variant\ndef bad():\n    return lambda: 1 / 0\n"), "bad")
    assert gc.isenabled() is collecting
    assert cpus is None or os.sched_getaffinity(0) == cpus


@pytest.mark.parametrize("given", [True, False])
def test_rows_of_a_file_that_time_was_too_short_for_are_told(given, tmp_path):
    ticks = tmp_path / "bars.csv"
    ticks.write_text("timestamp,open,high,low,close,volume\n2024-01-01 00:00:00,1,1,1,1,7\n")
    told = run(write_suite(tmp_path, BODY), "rows", ticks=str(ticks) if given else None)
    notices = [event.text for event in told if isinstance(event, events.Notice)]
    assert len(notices) == given
    assert all("of its 1,000 rows of input" in notice for notice in notices)


def test_a_generator_is_closed_whatever_happens():
    closed = []

    def setup(n):
        try:
            yield abs
        finally:
            closed.append(n)

    with prepared(setup, {"n": 1}) as operation:
        assert operation.function is abs
        assert closed == []
    with pytest.raises(ZeroDivisionError), prepared(setup, {"n": 2}):
        raise ZeroDivisionError
    with pytest.raises(child.Stopped), prepared(setup, {"n": 3}):
        raise child.Stopped
    assert closed == [1, 2, 3]


@pytest.mark.parametrize("made", [(), (3,)])
def test_a_generator_that_yields_nothing_or_nonsense(made):
    with pytest.raises(InvalidTypeError), prepared(lambda: (item for item in made), {}):
        pass


def test_what_a_generator_raises_after_it_yielded_is_told():
    def setup():
        yield abs
        raise UsageError("cannot clean up")

    with pytest.raises(UsageError, match="cannot clean up"), prepared(setup, {}):
        pass

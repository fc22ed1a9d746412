"""The variants of the pinning suite do to their thread what they say, and leave nothing behind."""

import os
from types import GeneratorType

import psutil
import pytest

from latencykit.errors import UnsupportedError
from latencykit.suites import pinning as suite

ALLOWED = os.sched_getaffinity(0)
two_cpus = pytest.mark.skipif(len(ALLOWED) < 2, reason="this machine lends us one CPU only")


@pytest.fixture(autouse=True)
def _affinity_is_put_back():
    yield
    os.sched_setaffinity(0, ALLOWED)


def prepared(name):
    """Return a variant's operation, and what cleans up after it."""
    made = suite.pinning.variants[name].setup()
    return (next(made), made.close) if isinstance(made, GeneratorType) else (made, lambda: None)


def call_each_row(operation):
    """Call the operation with each of its rows, and return the CPUs of the thread after each."""
    after = []
    for row in operation.rows:
        operation.function(*row)
        after.append(os.sched_getaffinity(0))
    return after


@two_cpus
@pytest.mark.parametrize(("name", "cpus"), [("moved", 2), ("move_alone", 2), ("stayed", 1)])
def test_the_thread_is_moved_or_stays(name, cpus):
    operation, _ = prepared(name)
    after = call_each_row(operation)
    assert [len(each) for each in after] == [1, 1]
    assert len(set.union(*after)) == cpus


@two_cpus
@pytest.mark.parametrize(
    ("name", "own", "busy"),
    [("free_under_load", 2, 2), ("pinned_under_load", 1, 2), ("reserved_under_load", 1, 1)],
)
def test_the_load_runs_where_it_may_and_ends_with_the_variant(name, own, busy):
    before = set(psutil.Process().children())
    operation, close = prepared(name)
    try:
        load = set(psutil.Process().children()) - before
        masks = {frozenset(process.cpu_affinity()) for process in load}
        assert len(load) == 2
        assert [len(mask) for mask in masks] == [busy]
        operation.between()
        assert len(os.sched_getaffinity(0)) == own
        apart = not any(os.sched_getaffinity(0) & mask for mask in masks)
        assert apart == (name == "reserved_under_load")
    finally:
        close()
    assert not any(process.is_running() for process in load)


def test_every_piece_of_work_is_the_same():
    work = suite.hot_work()
    state = work.args[0]
    assert state.nbytes == suite.STATE_BYTES
    work()
    work()
    assert (state == 2).all()


@pytest.mark.parametrize("name", [name for name in suite.pinning.variants if name != "work_alone"])
def test_one_cpu_is_too_few_and_that_is_said(name, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    with pytest.raises(UnsupportedError, match="only CPU 3 is ours to use"):
        prepared(name)


def test_a_system_that_moves_no_thread(monkeypatch):
    monkeypatch.delattr(os, "sched_setaffinity")
    with pytest.raises(UnsupportedError, match="on Linux"):
        prepared("moved")

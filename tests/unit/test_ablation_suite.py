"""Every variant of the ablation runs with the switches that it names, and leaves the thread where it was."""

import os
import threading

import pytest

from latencykit.engine import engine as engine_module
from latencykit.suite import as_operation
from latencykit.suites import ablation as suite

ALLOWED = os.sched_getaffinity(0)
pytestmark = pytest.mark.skipif(len(ALLOWED) < 2, reason="this machine lends us one CPU only")
ON = {"cpu_pinning": True, "lockfree": True, "simd": True, "sample_every": 64, "preallocated_memory": 10_000_000}
SWITCHED = {
    "everything": {},
    "no_pinning": {"cpu_pinning": False},
    "no_lockfree": {"lockfree": False},
    "no_memory_ahead": {"preallocated_memory": 0},
    "no_simd": {"simd": False},
    "every_tick_timed": {"sample_every": 1},
    "no_tick_timed": {"sample_every": 0},
    "no_journal": {},
    "nothing": {"cpu_pinning": False, "lockfree": False, "simd": False, "preallocated_memory": 0},
}


@pytest.fixture
def config(monkeypatch):
    """Collect the configuration that an engine is made with."""
    seen = []
    make = engine_module._make_core

    def spy(cls, config, *rest):
        seen.append(config)
        return make(cls, config, *rest)

    monkeypatch.setattr(engine_module, "_make_core", spy)
    return seen


def test_all_variants_are_told_of():
    assert set(suite.ablation.variants) == set(SWITCHED)
    assert suite.ablation.baseline == "everything"
    assert suite.ablation.on_request


@pytest.mark.parametrize("name", SWITCHED)
def test_a_variant_switches_what_it_names_and_nothing_else(name, config):
    threads = threading.active_count()
    made = suite.ablation.variants[name].setup()
    operation = as_operation(next(made))
    os.sched_setaffinity(0, {max(ALLOWED)})  # as a runner does
    operation.function()
    assert os.sched_getaffinity(0) == {max(ALLOWED)}
    if operation.between is not None:
        operation.between()
    os.sched_setaffinity(0, ALLOWED)
    assert next(made, "done") == "done"
    used = {switch: getattr(config[0], switch) for switch in ON}
    assert used == {**ON, **SWITCHED[name]}
    assert (config[0].journal_path is None) == (name == "no_journal")
    assert operation.items == 20_000
    assert os.sched_getaffinity(0) == ALLOWED
    assert threading.active_count() == threads


def test_an_engine_that_does_not_pin_may_run_on_every_cpu():
    where = []
    work = suite.free_to_move(lambda: where.append(os.sched_getaffinity(0)))
    os.sched_setaffinity(0, {max(ALLOWED)})
    try:
        work()
        assert os.sched_getaffinity(0) == {max(ALLOWED)}
    finally:
        os.sched_setaffinity(0, ALLOWED)
    assert where == [ALLOWED]

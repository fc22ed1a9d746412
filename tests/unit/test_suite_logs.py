"""The suites that log: every variant cleans up after itself, and its file does not grow with the time it is given."""

import tempfile
from contextlib import contextmanager

import pytest

from latencykit.suite import as_operation
from latencykit.suites import _logs, engine
from latencykit.suites import logging as logging_suite

# The native runs take many ticks a call; how their journal is kept short, the engine's suite tests.
WHOLE_RUNS = ("run", "run_decided")
VARIANTS = [
    variant
    for component in (engine.engine, logging_suite.component)
    for variant in component.variants.values()
    if variant.name not in WHOLE_RUNS
]
every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)


@contextmanager
def prepared(variant, folder, monkeypatch):
    """Yield a variant's operation and its log."""
    if variant.peer is not None:
        pytest.importorskip(variant.peer, reason=f"{variant.peer}, a peer, is not installed")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    made = variant.setup()
    operation = as_operation(next(made))
    (log,) = folder.glob("*/*.log")
    try:
        yield operation, log
    finally:
        made.close()


def lines_of(log):
    """Return its lines but the head that a journal has."""
    return [line for line in log.read_text().splitlines() if not line.startswith("#")]


def call(operation, times):
    for i in range(times):
        operation.function(*operation.rows[i % len(operation.rows)])
    operation.between()


@every_variant
def test_every_call_is_a_line_after_the_pause_and_no_file_is_left(variant, tmp_path, monkeypatch):
    with prepared(variant, tmp_path, monkeypatch) as (operation, log):
        call(operation, 50)
        assert len(lines_of(log)) == 50
    assert list(tmp_path.iterdir()) == []


@every_variant
def test_a_log_that_is_too_long_begins_again(variant, tmp_path, monkeypatch):
    monkeypatch.setattr(_logs, "LARGEST_LOG", 1_000)
    with prepared(variant, tmp_path, monkeypatch) as (operation, log):
        call(operation, 100)
        assert log.stat().st_size == 0
        call(operation, 1)
        assert len(lines_of(log)) == 1

"""The ways of the engine suite do the same work, down to the bytes of their journals: a ratio means something."""

import math
from itertools import islice
from types import GeneratorType

import numpy as np
import pytest

from latencykit.suite import as_operation
from latencykit.suites import _engine_runs as runs
from latencykit.suites import engine as suite
from latencykit.suites._pipelines import IncrementalPipeline, NaivePipeline

TICKS = runs.busy_market(21)
FAULTS = [(3, 1, 0.0), (5, 1, math.nan), (7, 2, -1.0), (9, 2, math.inf), (11, 0, 5), (600, 1, -2.5), (601, 2, math.nan)]


def journal_of(path):
    """Return the lines behind the head, which tells the settings."""
    lines = path.read_bytes().splitlines(keepends=True)
    return [line for line in lines if not line.startswith(b"#")]


def native(rows, path, how="on_tick"):
    with runs.engine_of(path) as engine:
        if how == "run":
            columns = list(zip(*rows, strict=True))
            engine.run({name: np.array(column) for name, column in zip(("timestamp_ns", "price", "volume"), columns,
                                                                       strict=True)})  # fmt: skip
        else:
            for row in rows:
                engine.on_tick(*row)
    return journal_of(path)


def plain(pipeline, rows, path):
    made = pipeline(path)
    for row in rows:
        made.on_tick(*row)
    made.close()
    return journal_of(path)


def test_journals_are_identical_over_twenty_thousand_ticks(tmp_path):
    rows = TICKS.rows()
    one_by_one = native(rows, tmp_path / "on_tick")
    assert len(rows) > 20_000
    assert native(rows, tmp_path / "run", "run") == one_by_one
    assert plain(IncrementalPipeline, rows, tmp_path / "incremental") == one_by_one


def test_the_naive_journal_is_identical(tmp_path):
    rows = TICKS.rows()[:1_800]
    naive = plain(NaivePipeline, rows, tmp_path / "naive")
    assert naive == native(rows, tmp_path / "native")
    assert any(line.startswith(b"O,") and b",sell," in line for line in naive)


def test_journals_are_identical_where_ticks_are_bad(tmp_path):
    rows = [list(row) for row in TICKS.rows()[:800]]
    for at, column, value in FAULTS:
        rows[at][column] = value
    journal = native(rows, tmp_path / "native")
    assert sum(line.startswith(b"S,") for line in journal) == len(FAULTS)
    assert plain(IncrementalPipeline, rows, tmp_path / "incremental") == journal
    assert plain(NaivePipeline, rows, tmp_path / "naive") == journal


def test_a_take_profit_is_taken_alike(tmp_path):
    rows = [list(row) for row in TICKS.rows()[:1_000]]
    entry = next(line for line in native(rows, tmp_path / "first") if line.startswith(b"O,")).decode().split(",")
    row, take_profit = int(entry[1]), entry[7]
    rows[row + 1][1] = float(take_profit)
    journal = native(rows, tmp_path / "native")
    assert f"O,{row + 1},2,sell,100,{take_profit},,,\n".encode() in journal
    assert plain(IncrementalPipeline, rows, tmp_path / "incremental") == journal


def test_the_risk_gate_refuses_alike(tmp_path, monkeypatch):
    from latencykit.engine import RiskLimits
    from latencykit.suites import _pipelines

    rows = TICKS.rows()[:3_000]
    monkeypatch.setattr(_pipelines, "MAX_POSITION", 50)
    path = tmp_path / "native"
    with runs.engine_of(path, risk=RiskLimits(max_position=50)) as engine:
        for row in rows:
            engine.on_tick(*row)
    journal = journal_of(path)
    assert any(line.startswith(b"R,") for line in journal)
    assert plain(IncrementalPipeline, rows, tmp_path / "incremental") == journal


def test_there_is_an_order_in_every_thousand_ticks():
    with runs.engine_of(None) as engine:
        report = engine.run(TICKS)
    assert report.orders >= len(TICKS) / 1_000
    assert report.refused == report.skipped == 0


def test_rounds_go_on_in_time(tmp_path):
    ticks = runs.busy_market(1)
    with runs.engine_of(tmp_path / "journal") as engine:
        once = runs.rounds(engine, ticks, drained=True)
        for _ in range(3):
            once()
        assert not engine.faults()
        assert len(journal_of(tmp_path / "journal")) >= 3 * len(ticks)  # drained, so without a close


def test_a_round_gives_what_single_calls_give(tmp_path):
    ticks = runs.busy_market(2)
    with runs.engine_of(tmp_path / "rounds") as engine:
        once = runs.rounds(engine, ticks, drained=False)
        once()
        once()
    with runs.engine_of(tmp_path / "fed") as engine:
        operation = runs.fed(engine.on_tick, ticks)
        for _ in range(2 * len(ticks)):
            operation.function(*operation.rows[0])
    assert journal_of(tmp_path / "rounds") == journal_of(tmp_path / "fed")


def test_ticks_are_fed_for_ever_and_forward():
    ticks = runs.busy_market(1)
    taken = runs.fed(lambda *row: row, ticks).rows[0][0]
    rows = list(islice(taken, 2 * len(ticks) + 1))
    assert rows[: len(ticks)] == ticks.rows()
    times = [row[0] for row in rows]
    assert times == sorted(times)
    assert [row[1:] for row in rows[len(ticks) : -1]] == [row[1:] for row in rows[: len(ticks)]]


@pytest.mark.parametrize("name", suite.engine.variants)
def test_a_variant_runs_and_cleans_up(name):
    made = suite.engine.variants[name].setup()
    assert isinstance(made, GeneratorType)
    operation = as_operation(next(made))
    for _ in range(3):
        operation.function(*operation.rows[0])
    operation.between()
    assert operation.items == (20_000 if name.startswith("run") else 1)
    assert next(made, "done") == "done"

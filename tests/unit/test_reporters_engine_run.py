"""A run of the engine, and rates, as they are shown."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from latencykit.analysis.open_loop import RatePoint
from latencykit.engine.feed import Damage
from latencykit.engine.run_summary import FaultPlace, JournalFile, RunSummary, StageTime, StrategyFailure
from latencykit.reporters import engine_json
from latencykit.reporters.console import render_blocks
from latencykit.reporters.engine_run import run_blocks
from latencykit.reporters.open_loop import open_loop_block

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
PLAIN = RunSummary(
    source="january.csv",
    ticks=45_031, skipped=0, held=12, updates=45_019, signals=14, entries=14, exits=13, refused=1,
    profit=-20_000.0,
    elapsed_ns=398_500_000,
    stages=(
        StageTime("feed", 703, 14.9, 10.0, 40.0, None, 361.0),
        StageTime("tick", 703, 89.5, 90.0, 130.0, None, 1_320.0),
    ),
    sample_every=64, sample_floor_ns=10.0, resolution_ns=10.0, latency_limit_ns=10_000.0, degraded_times=0,
    faults=(), damage=(), journal=None, stopped=None, failure=None, interrupted=False,
)  # fmt: skip
EVENTFUL = replace(
    PLAIN,
    faults=(
        FaultPlace("bad_price", "skip", 3, 17, "january.csv:19"),
        FaultPlace("gap", "accept", 1_200, 4, "january.csv:6"),
        FaultPlace("backwards", "halt", 1, 44_000, "january.csv:44002"),
    ),
    damage=(Damage("fields", 2, 7, 4_711, "january.csv:7: expected 6 fields, got 3; repair or remove the row"),),
    degraded_times=1,
    journal=JournalFile("day.journal", 45_059, 5, 2, 1_250_000, "62777062c0080603" * 4),
    stopped=("january.csv:44002", "backwards"),
    failure=StrategyFailure(1, 11, "january.csv:13", "ValueError: no good"),
    interrupted=True,
)
EMPTY = replace(PLAIN, stages=(StageTime("tick", 0, None, None, None, None, None),), sample_every=0, entries=0, ticks=0)
POINTS = [
    RatePoint(10_000.0, 9_999.0, 10_000, 120.0, 180.0, 900.0, 8_000.0, 25_000.0),
    RatePoint(8_000_000.0, 5_000_000.0, 1_000_000, 2.6e7, 3.8e7, 4.5e7, None, 4.6e7),
    RatePoint(2_000_000_00.0, 5_000_000.0, 1_000_000, 2.6e7, 3.8e7, 4.5e7, None, 4.6e7),
    RatePoint(5_000_000.0, 4_990_000.0, 1_000_000, 140.0, 280.0, 2_100.0, 12_000.0, 1_100_000.0),
]
BLOCKS = {
    "plain": lambda: run_blocks(PLAIN, ["target tick p99 < 1 µs: met (130 ns)"]),
    "eventful": lambda: run_blocks(EVENTFUL),
    "untimed": lambda: run_blocks(EMPTY),
    "sweep": lambda: [*run_blocks(PLAIN), open_loop_block(POINTS, 10.0, sweep=True)],
}


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
def test_looks_as_it_should(width, name, colour):
    """Set LATENCYKIT_UPDATE_GOLDEN=1 to write what it looks like now; then read the difference."""
    text = render_blocks(BLOCKS[name](), width=width, colour=colour)
    path = GOLDEN / f"engine_run_{name}_{width}.{'ansi' if colour else 'txt'}"
    if os.environ.get("LATENCYKIT_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("width", [80, 140, 200])
def test_keeps_to_the_width_and_colours_change_no_word(name, width):
    plain = render_blocks(BLOCKS[name](), width=width, colour=False)
    assert max(map(len, plain.splitlines())) <= width
    coloured = ANSI.sub("", render_blocks(BLOCKS[name](), width=width, colour=True))
    assert [line.rstrip() for line in coloured.splitlines()] == plain.splitlines()


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (POINTS, "between 5,000,000 and 8,000,000 ticks/s"),
        (POINTS[:1], "not reached"),
        (POINTS[1:2], "below 8,000,000 ticks/s"),
    ],
)
def test_the_limit_of_a_sweep_is_said(points, said):
    (fact,) = open_loop_block(points, 10.0, sweep=True).facts
    assert said in fact
    assert open_loop_block(points, 10.0, sweep=False).facts == ()


def test_what_the_clock_cannot_tell_apart_is_said():
    assert any("closer together" in line for line in open_loop_block(POINTS, 10.0, sweep=True).legend)
    assert not any("closer together" in line for line in open_loop_block(POINTS[:1], 10.0, sweep=True).legend)


def test_json_has_all_of_it():
    data = engine_json.render(EVENTFUL, cost=None, rates=POINTS, targets=[{"verdict": "met"}], histograms={"tick": "x"})
    read = json.loads(data)
    assert list(read) == ["schema", "run", "latency_cost", "rates", "targets", "histograms"]
    assert read["schema"] == "latencykit.engine_run/1"
    assert read["run"]["journal"]["sha256"] == EVENTFUL.journal.sha256
    assert read["run"]["faults"][1]["first_place"] == "january.csv:6"
    assert read["run"]["stages"][0]["p999_ns"] is None
    assert read["rates"][0]["max_ns"] == 25_000.0
    assert data.endswith(b"\n")

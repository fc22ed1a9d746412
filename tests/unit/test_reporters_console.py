import os
import re
from pathlib import Path

import msgspec
import pytest
from fabricated import make_environment, make_growth, make_growths, make_results, make_run, make_troubled_run

from latencykit.environment import Cpu
from latencykit.model import Failure, Result, Run
from latencykit.reporters.console import render

RUNS = {
    "good": make_run,
    "troubled": make_troubled_run,
    "growth": lambda: make_run(results=make_results("indicators"), claims=[], growth=make_growths()),
}
GOLDEN = Path(__file__).parents[1] / "data" / "golden"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
def test_looks_as_it_should(width, name, colour):
    """Set LATENCYKIT_UPDATE_GOLDEN=1 to write what it looks like now; then read the difference."""
    run = RUNS[name]()
    text = render(run, width=width, colour=colour)
    path = GOLDEN / f"console_{name}_{width}.{'ansi' if colour else 'txt'}"
    if os.environ.get("LATENCYKIT_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [80, 140])
def test_colours_change_no_word(width):
    run = make_troubled_run()
    bare = [ANSI.sub("", line).rstrip() for line in render(run, width=width, colour=True).splitlines()]
    assert bare == render(run, width=width, colour=False).splitlines()


def test_the_environment_changes_nothing(monkeypatch):
    before = render(make_run(), width=100, colour=False)
    for name, value in {"COLUMNS": "30", "FORCE_COLOR": "1", "TERM": "dumb", "TTY_COMPATIBLE": "1"}.items():
        monkeypatch.setenv(name, value)
    assert render(make_run(), width=100, colour=False) == before
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" in render(make_run(), width=100, colour=True)


@pytest.mark.parametrize("width", [80, 100, 118, 126, 140, 200])
def test_keeps_to_the_width(width):
    lines = render(make_run(), width=width, colour=False).splitlines()
    assert max(map(len, lines)) <= width
    assert not any(line != line.rstrip() for line in lines)


def test_names_too_long_for_a_table_are_stacked_and_not_cut():
    name = "lockfree_with_a_name_that_fills_half_a_line"
    parameters = {"capacity": 1024, "producers": 4}
    run = make_run(results=[with_fields(r, variant=name, parameters=parameters) for r in make_results("orders")[2:]])
    text = render(run, width=80, colour=False)
    assert f"orders/{name}[capacity=1024,producers=4]\n" in text
    assert "p50 35.2 ns" in text
    assert "target p50 < 100 ns" in text
    assert "verdict met" in text


def test_a_name_longer_than_the_line_is_whole():
    run = make_run(results=[with_fields(r, variant="v" * 150) for r in make_results("orders")[2:]])
    assert f"orders/{'v' * 150}\n" in render(run, width=80, colour=False)


def test_markup_in_names_and_reasons_is_shown_as_it_is():
    run = make_run(environment=make_environment(cpu=Cpu(model="[red]odd[/red] :smile:")))
    assert "[red]odd[/red] :smile:" in render(run, width=140, colour=False)


def test_a_run_without_results_says_so():
    text = render(make_run(results=[]), width=80, colour=False)
    assert "No operation was measured." in text
    assert text.endswith("No targets to judge\n")


def test_words_and_colours_of_verdicts():
    text = render(make_troubled_run(), width=140, colour=True)
    assert "\x1b[1;31mmissed" in text
    assert "\x1b[33minconclusive" in text
    assert "\x1b[32mmet" in text


def with_fields(result: Result, **changes: object) -> Result:
    return msgspec.structs.replace(result, **changes)


def test_the_run_on_file_looks_the_same_as_the_run_in_memory():
    run = make_troubled_run()
    again = msgspec.json.decode(msgspec.json.encode(run), type=Run)
    assert render(again, width=80, colour=False) == render(run, width=80, colour=False)


def test_a_peer_that_is_not_installed_is_shown_as_skipped():
    peer = Failure("orders", "peer", {}, "it needs the package 'peer'", skipped=True)
    text = render(make_run(failures=[peer]), width=140, colour=False)
    assert "skipped  orders/peer: it needs the package 'peer'" in text
    assert text.endswith("5 of 5 targets met; 1 skipped\n")


def test_growth_stands_below_the_table_on_a_line_a_variant():
    run = RUNS["growth"]()
    text = render(run, width=80, colour=False)
    assert text.index("p50 < 500 ns") < text.index("growth of indicators with length\n")
    for line in (
        "naive                         10.0 ×  1.00 (1.00 to 1.00)  1000 to 10,000,000",
        "simd[series=32]  uneven, last 10.1 ×  0.71 (0.40 to 1.02)  1000 to 10,000,000",
        "numpy                            n/a  -                    -",
    ):
        assert f"\n{line}\n" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_name_that_leaves_its_growth_no_room_stands_above_it():
    run = make_run(growth=[make_growth("v" * 90, parameters={"series": 32})])
    text = render(run, width=80, colour=False)
    assert f"\n{'v' * 90}[series=32]\n               9.71 ×  0.99 (0.96 to 1.01)  1000 to 10,000,000\n" in text

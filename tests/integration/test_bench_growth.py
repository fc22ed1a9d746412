"""``latencykit bench`` on a user's suite that grows with a parameter and is on request, as a user runs it."""

import json
import subprocess
from pathlib import Path

import pytest
from commands import run_command
from suite_files import HEAD

SUITE = f"""{HEAD}
sizes = {{"length": [1000, 4000, 16000], "start": [0, 1]}}
c = lk.Component("adding", parameters=sizes, growth="length", on_request=True)

@c.variant
def loop(length, start):
    return lk.call(sum, range(length), start)

@c.variant
def formula(length, start):
    return lk.call(sum, range(300), start)

@c.variant
def fails(length, start):
    raise ValueError("no")
"""


def bench(*arguments: str, cwd: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    return run_command("bench", *arguments, cwd=cwd, **environ)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("growth")
    (made / "bench_adding.py").write_text(SUITE)
    return made


@pytest.fixture(scope="module")
def measured(folder) -> "tuple[str, dict]":
    """What was shown, and the file, of a real run into a pipe of 80 columns."""
    arguments = ["bench_adding.py", "--quick", "--json", "run.json"]
    done = bench(*arguments, cwd=folder, COLUMNS="80", NO_COLOR="1")
    assert done.returncode == 2, done.stderr  # one variant fails
    return done.stdout, json.loads((folder / "run.json").read_text())


def test_the_file_holds_a_fit_for_each_variant_and_setting_that_was_measured(measured):
    growths = measured[1]["growth"]
    assert [(growth["variant"], growth["parameters"]) for growth in growths] == [
        ("loop", {"start": 0}), ("formula", {"start": 0}), ("loop", {"start": 1}), ("formula", {"start": 1}),
    ]  # fmt: skip
    for growth in growths:
        assert (growth["component"], growth["parameter"]) == ("adding", "length")
        assert (growth["points"], growth["low"], growth["high"]) == (3, 1000, 16000)
        assert growth["interval"][0] <= growth["exponent"] <= growth["interval"][1]
        assert growth["power_law"] in {True, False}


def test_work_in_proportion_and_work_that_is_fixed_are_told_apart(measured):
    for growth in measured[1]["growth"]:
        truth = 1 if growth["variant"] == "loop" else 0
        assert growth["exponent"] == pytest.approx(truth, abs=0.4)  # a shared machine may slow down between sizes


def test_the_growth_is_shown_below_the_table_in_80_columns_without_colours(measured):
    shown, run = measured
    lines = shown.splitlines()
    start = lines.index("growth of adding with length")
    assert " ".join(lines[start + 1].split()) == "variant time at 10 × length exponent (95 %) length"
    for line, growth in zip(lines[start + 2 :], run["growth"], strict=False):
        assert line.split()[0] == f"{growth['variant']}[start={growth['parameters']['start']}]"
        assert f"  {growth['exponent']:.2f} (".replace("-0.00", "0.00") in line
        assert line.endswith("  1000 to 16,000")
        assert ("uneven" in line) == (not growth["power_law"])
    assert max(map(len, lines[start : start + 6])) <= 80
    assert "\x1b" not in shown
    assert any("adding" in line for line in lines[:start])
    assert not any("adding/" in line and "p50" in line for line in lines[start:])


def test_one_variant_of_a_suite_has_its_own_growth(folder):
    done = bench("bench_adding.py", "--quick", "--variant", "loop", "--json", "-", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert [growth["variant"] for growth in json.loads(done.stdout)["growth"]] == ["loop", "loop"]
    assert "\ngrowth of adding with length\n" in done.stderr


def test_a_parameter_that_is_none_is_told_in_one_line(folder):
    (folder / "bench_wrong.py").write_text(SUITE.replace('growth="length"', 'growth="size"'))
    done = bench("bench_wrong.py", cwd=folder)
    assert done.returncode == 2
    assert "component 'adding' has no parameter 'size' to grow with; name one of length, start" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_says_what_all_leaves_out(folder):
    done = bench("--help", cwd=folder)
    assert done.returncode == 0
    assert "built-in component but those on request: they are measured when they are named" in " ".join(
        done.stdout.split()
    )

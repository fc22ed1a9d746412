"""The command line as a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from latencykit import __version__

HEAVY = {"numpy", "rich", "msgspec", "latencykit._core", "latencykit.model", "latencykit.session"}
PRINT_MODULES = """
import sys
from latencykit.__main__ import run
status = run(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(status)
"""


def run_python(*arguments: str, cwd: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *arguments]
    env = {**os.environ, **environ}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False)


def latencykit(*arguments: str, cwd: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    return run_python("-m", "latencykit", *arguments, cwd=cwd, **environ)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], [], ["bench", "--help"], ["bench", "--fast"], ["compare", "--help"]]
)
def test_what_measures_nothing_loads_nothing_heavy(arguments, tmp_path):
    loaded = set(run_python("-c", PRINT_MODULES, *arguments, cwd=tmp_path).stderr.splitlines()[-1].split())
    assert "click" in loaded
    assert not HEAVY & loaded


def test_help_imports_no_command(tmp_path):
    done = run_python("-c", PRINT_MODULES, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert re.search(r"bench +Measure components", done.stdout)
    assert "latencykit.commands.bench" not in done.stderr.split()


def test_version(tmp_path):
    done = latencykit("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"latencykit {__version__}\n")


def test_help_names_every_option(tmp_path):
    done = latencykit("bench", "--help", cwd=tmp_path)
    assert done.returncode == 0
    options = {"quick", "rigorous", "variant", "peers", "json", "cpu", "check", "ticks", "quiet"}
    assert {f"--{name}" for name in options} <= set(done.stdout.split())
    assert "Exit status" in done.stdout


def test_no_command_shows_the_help_and_is_wrong(tmp_path):
    done = latencykit(cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Commands:" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["bench", "--fast"],
        ["bnch"],
        ["bench", "--json"],
        ["bench", "--quick", "--rigorous"],
        ["bench", "--json", "missing/run.json"],
        ["bench", "--ticks", "missing.csv"],
        ["bench", "ordres"],
        ["bench", "orders", "--variant", "arnea"],
        ["bench", "missing.py"],
        ["bench", "orders", "--cpu", "99999"],
        ["bench", "orders", "--cpu", "-1"],
    ],
)
def test_wrong_usage_is_told_in_two_lines_at_most(arguments, tmp_path):
    done = latencykit(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("latencykit: error: ")
    assert len(done.stderr.splitlines()) <= 2
    assert list(tmp_path.iterdir()) == []


def test_a_traceback_is_there_for_those_who_ask(tmp_path):
    assert "Traceback" not in latencykit("bench", "--fast", cwd=tmp_path).stderr
    assert "Traceback" in latencykit("bench", "--fast", cwd=tmp_path, LATENCYKIT_DEBUG="1").stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("latencykit be", "plain,bench"),
        ("latencykit bench al", "plain,all"),
        ("latencykit compare simpleq", "plain,simplequeue"),
        ("latencykit compare queues/mut", "plain,queues/mutex"),
        ("latencykit compare --component queues_th", "plain,queues_threads"),
    ],
)
def test_the_shell_can_complete(words, expected, tmp_path):
    done = latencykit(
        cwd=tmp_path,
        _LATENCYKIT_COMPLETE="bash_complete",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split()) - 1),
    )
    assert done.stdout.split() == [expected]


def test_a_bench_from_a_folder_with_a_source_tree_measures_what_is_installed(tmp_path):
    (tmp_path / "latencykit").mkdir()
    (tmp_path / "latencykit" / "__init__.py").write_text("raise SystemExit('the source tree was imported')\n")
    command = [sys.executable, "-P", "-m", "latencykit", "bench", "orders", "--variant", "arena", "--quick"]
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "arena" in done.stdout

"""``latencykit compare`` as a user runs it, on the real machine: sentences, files, statuses, and Ctrl-C.

What the machine does meanwhile decides verdicts, so tests that need one accept that an unfit machine gives none.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from commands import run_command
from suite_files import write_suite

SUITE = """
@c.variant
def slow():
    return lk.call(sum, range(1_000))

@c.variant
def fast():
    return lk.call(sum, range(100))

@c.variant
def again():
    return lk.call(sum, range(1_000))

@c.variant(peer="absent_peer")
def foreign():
    import absent_peer
"""
FUNCTIONS = """
import asyncio, ctypes, os, time
def short(): return sum(range(100))
def long(): return sum(range(1_000))
def needs(x, y=1): pass
async def awaited(): pass
def generated(): yield 1
def returned(): return awaited()
def raises(): raise ValueError("one\\ntwo")
def crashes(): ctypes.string_at(0)
def ends(): os._exit(3)
def leaves(): raise SystemExit(3)
def prints(): print("noise")
class Book:
    @staticmethod
    def look(): return sum(range(100))
"""
HANGING = """
c.parameters = {"n": (1, 2)}

@c.variant
def a(n):
    return lk.call(abs, -1)

@c.variant
def b(n):
    if n == 1:
        return lk.call(abs, -1)
    os.write(2, b"hanging %d\\n" % os.getpid())
    return lambda: time.sleep(3600)
"""
KEYS = {"component", "a", "b", "statistic", "ratio", "interval", "verdict"}


def compare(*arguments: str, cwd: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    return run_command("compare", *arguments, cwd=cwd, **environ)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("compared")
    write_suite(made, SUITE)
    (made / "mine.py").write_text(FUNCTIONS)
    return made


@pytest.fixture(scope="module")
def compared(folder) -> "tuple[subprocess.CompletedProcess[str], dict]":
    """A real comparison of two variants, with its file."""
    done = compare("slow", "fast", "--component", "bench_made.py", "--json", "c.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done, json.loads((folder / "c.json").read_text())


def test_the_file_has_the_fixed_keys(compared):
    _, report = compared
    assert report["schema"] == "latencykit.compare/1"
    assert {"environment", "validity", "comparisons"} <= set(report)
    (row,) = report["comparisons"]
    assert set(row) >= KEYS
    assert (row["component"], row["a"], row["b"], row["statistic"]) == ("made", "slow", "fast", "p50")


def test_the_ratio_is_b_over_a_and_the_verdict_follows(compared):
    done, report = compared
    (row,) = report["comparisons"]
    low, high = row["interval"]
    assert low <= row["ratio"] <= high < 0.5
    assert row["pairs"] in (26, 52, 78, 104)
    assert row["verdict"] == ("inconclusive" if report["validity"]["verdict"] == "unfit" else "faster")
    if row["verdict"] == "faster":
        assert "× faster than A slow" in done.stdout
    assert "made: A slow, B fast" in done.stdout
    assert done.stderr.startswith("measuring fast against slow (1 comparison)\n")


def test_the_tail_and_both_figures_are_there(compared):
    _, report = compared
    (row,) = report["comparisons"]
    assert row["tail"]["statistic"] == "p99"
    assert row["a_figures"]["p50_ns"] > row["b_figures"]["p50_ns"] > 0
    assert row["a_figures"]["count"] > 1_000
    assert len(row["a_figures"]["samples_ns"]) == row["pairs"]


@pytest.mark.parametrize("width", [80, 140])
def test_what_is_shown_keeps_to_the_width_and_has_no_escapes(folder, width):
    arguments = ("made/slow", "made/again", "--component", "bench_made.py")
    done = compare(*arguments, cwd=folder, COLUMNS=str(width), NO_COLOR="1")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= width
    assert "\x1b" not in done.stdout + done.stderr


def test_a_terminal_without_unicode_gets_a_picture_too(folder):
    done = compare("slow", "fast", "--component", "bench_made.py", cwd=folder, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "?" not in done.stdout
    assert "each to its own scale" in done.stdout
    assert "@" in done.stdout


def test_functions_of_modules_and_files_and_what_they_print(folder):
    done = compare("mine:short", "mine.py:prints", "--json", "-", cwd=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)  # what an operation prints stays out of it
    (row,) = report["comparisons"]
    assert (row["component"], row["a"], row["b"]) == ("", "mine:short", "mine.py:prints")
    assert "noise" in done.stderr


def test_quiet_leaves_only_the_result(folder):
    done = compare("mine:short", "mine:Book.look", "--quiet", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "A mine:short, B mine:Book.look" in done.stdout


def test_check_makes_a_slowdown_the_exit_status(folder):
    done = compare("mine:short", "mine:long", "--check", "--json", "slow.json", cwd=folder)
    unfit = json.loads((folder / "slow.json").read_text())["validity"]["verdict"] == "unfit"
    assert done.returncode == (3 if unfit else 1)
    assert f"latencykit: warning: {'inconclusive' if unfit else 'slower'}: A mine:short, B mine:long" in done.stderr


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("raises", "mine:raises: it raised ValueError: one two"),
        ("crashes", "mine:crashes: it crashed the process with SIGSEGV"),
        ("ends", "mine:ends: it ended the process with exit status 3"),
        ("leaves", "mine:leaves: it called exit(3)"),
        ("returned", "mine:returned: it returned a coroutine, which does its work only when awaited"),
    ],
)
def test_what_goes_wrong_is_told_of_the_operation_that_it_went_wrong_in(folder, bad, reason):
    done = compare("mine:short", f"mine:{bad}", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"latencykit: error: mine:short against mine:{bad}: {reason}")
    assert "0 comparisons: 1 failed" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_pair_that_fails_loses_no_other(folder):
    body = SUITE.replace("def fast():\n", "def fast(n):\n    assert n == 1, 'no'\n").replace(
        "def slow():", "def slow(n):"
    )
    (folder / "bench_two.py").write_text(
        f"import latencykit as lk\nc = lk.Component('two', parameters={{'n': [0, 1]}})\n{body}"
    )
    done = compare("slow", "fast", "--component", "bench_two.py", "--json", "two.json", cwd=folder)
    assert done.returncode == 2
    assert "two/slow[n=0] against two/fast[n=0]: two/fast[n=0]: it raised AssertionError: no" in done.stderr
    report = json.loads((folder / "two.json").read_text())
    assert [row["parameters"] for row in report["comparisons"]] == [{"n": 1}]
    assert [failure["parameters"] for failure in report["failures"]] == [{"n": 0}]


def test_a_peer_that_is_not_installed_is_skipped_and_nothing_is_left(folder):
    done = compare("slow", "foreign", "--component", "bench_made.py", "--peers", cwd=folder)
    assert done.returncode == 2
    assert "skipped" in done.stdout
    assert "needs the package 'absent_peer', which is not installed" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mine:needs", "mine:short"], "mine:needs takes arguments (x)"),
        (["mine:short", "mine:awaited"], "mine:awaited is an async function"),
        (["mine:short", "mine:generated"], "mine:generated is a generator function"),
        (["mine:shrt", "mine:short"], "mine has no function 'shrt', did you mean 'short'?"),
        (["mine:os", "mine:short"], "mine:os is module, which cannot be called"),
        (["absent:f", "mine:short"], "module absent cannot be imported: ModuleNotFoundError"),
        (["absent.py:f", "mine:short"], "file absent.py does not exist"),
        (["mine.py", "mine.py"], "'mine.py' names no function"),
        (["mine:", "mine:short"], "'mine:' names no function"),
        (["slow", "mine:short"], "'slow' names no function"),
        (["lockfree", "mutx"], "variant 'mutx' is unknown, did you mean 'mutex'?"),
        (["arena", "mutex"], "no component has both 'arena' and 'mutex': 'arena' is in orders"),
        (["naive", "simd", "--component", "indicatrs"], "component 'indicatrs' is unknown, did you mean 'indicators'?"),
        (["talib", "simd"], "give --peers to compare it"),
        (["a b", "simd"], "'a b' names nothing to compare"),
        (["made/slow", "made/fast"], "component 'made' is unknown"),
        (["queues/mutex[n=1]", "queues/lockfree"], "queues has no parameter 'n'"),
        (["mine:short", "mine:long", "--component", "queues"], "--component is for variants"),
        (["mine:short", "mine:long", "--force"], "--force is for two saved runs"),
        (["mine:short", "mine:long", "--cpu", "9999"], "CPU 9999 is not ours to pin"),
        (["c.json", "mutex"], "are a saved run and something else"),
        (["absent.json", "absent.json"], "run absent.json cannot be read: no such file or directory"),
        (["bench_made.py", "bench_made.py"], "names no function"),
    ],
)
def test_wrong_usage_is_told_in_two_lines_at_most(folder, arguments, words):
    done = compare(*arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("latencykit: error: ")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_two_saved_runs_say_only_what_they_can(folder):
    for name in ("base.json", "head.json"):
        done = subprocess.run(
            [sys.executable, "-m", "latencykit", "bench", "bench_made.py", "--quick", "--json", name],
            cwd=folder, capture_output=True, encoding="utf-8", timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    done = compare("base.json", "head.json", "--json", "saved.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "saved.json").read_text())
    assert (report["kind"], report["base"]["path"], report["head"]["path"]) == ("saved", "base.json", "head.json")
    assert [row["a"] for row in report["comparisons"]] == ["slow", "fast", "again"]
    for row in report["comparisons"]:
        assert row["verdict"] != "same"
        assert row["tail"] is None or row["tail"]["statistic"] == "p99"
        if row["interval"] is not None:
            assert row["interval"][1] >= 2.25 * row["interval"][0]
    assert "measured one after the other, not in turns" in " ".join(done.stdout.split())


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_ctrl_c_keeps_what_was_finished_and_leaves_nothing_behind(times, tmp_path):
    write_suite(tmp_path, HANGING)
    process = subprocess.Popen(
        [sys.executable, "-m", "latencykit", "compare", "a", "b", "--component", "bench_made.py", "--json", "c.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        told = ""
        while "hanging" not in told:
            told = process.stderr.readline()
        child = int(told.split()[-1])
        for _ in range(times):
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert not psutil.pid_exists(child)
    report = json.loads((tmp_path / "c.json").read_text())
    assert report["complete"] is False
    assert [row["parameters"] for row in report["comparisons"]] == [{"n": 1}]
    assert "interrupted; what was finished is kept" in err
    assert "interrupted, these are those that were finished" in out
    assert "Traceback" not in err

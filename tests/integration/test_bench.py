"""``latencykit bench`` as a user runs it, on the real machine: its file, its sentences, and Ctrl-C."""

import json
import math
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from commands import run_command
from hdrh.histogram import HdrHistogram
from suite_files import write_suite

RUN_KEYS = {"schema", "id", "started_at", "argv", "environment", "validity", "results"}
ENVIRONMENT_KEYS = {
    "cpu", "memory", "storage", "os", "python", "clock", "virtualized", "fingerprint", "warnings",
}  # fmt: skip
RESULT_KEYS = {
    "component", "variant", "baseline", "parameters", "mode", "corrected", "count", "floor_ns", "resolution_ns",
    "min_ns",
    "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns", "mean_ns", "histogram", "allocations_per_op",
    "speedup_vs_baseline", "target",
}  # fmt: skip
SUITE = """
c.baseline, c.target = "slow", lk.Target("p50", "1s")

@c.variant
def slow():
    return lk.call(sum, range(1_000))

@c.variant
def fast():
    return lk.call(abs, -1)

@c.variant(contrast=True)
def shown():
    return lambda: [] == []
"""
SLOW = """
import tempfile
@c.variant
def first():
    return lk.call(abs, -1)

@c.variant
def hangs():
    with tempfile.TemporaryDirectory(prefix="latencykit-") as folder:
        os.write(2, b"hanging %d\\n" % os.getpid())  # at once, for the progress goes there too
        yield lambda: time.sleep(3600)

@c.variant
def last():
    return lk.call(abs, -1)
"""


def bench(*arguments: str, cwd: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    return run_command("bench", *arguments, cwd=cwd, **environ)


def refuse_constant(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> dict:
    """A real run, from its file."""
    folder = tmp_path_factory.mktemp("measured")
    done = bench(write_suite(folder, SUITE), "--quick", "--json", "run.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "run.json").read_text(), parse_constant=refuse_constant)


def test_the_file_has_the_fixed_keys(measured):
    assert set(measured) >= RUN_KEYS
    assert measured["schema"] == "latencykit.run/1"
    assert set(measured["environment"]) >= ENVIRONMENT_KEYS
    assert set(measured["validity"]) >= {"verdict", "stolen_ratio", "hiccups"}
    assert measured["validity"]["verdict"] in {"fit", "noisy", "unfit"}
    for row in measured["results"]:
        assert set(row) >= RESULT_KEYS
    assert [(row["variant"], row["mode"]) for row in measured["results"]] == [
        (variant, mode) for variant in ("slow", "fast", "shown") for mode in ("batched", "per_call")
    ]


def test_batched_rows_claim_the_centre_alone(measured):
    for row in measured["results"]:
        tail = [row[key] for key in ("p90_ns", "p99_ns", "p999_ns", "max_ns")]
        if row["mode"] == "batched":
            assert tail == [None] * 4
            assert row["p50_interval_ns"][0] <= row["p50_ns"] <= row["p50_interval_ns"][1]
        else:
            assert sorted(tail) == tail
            assert row["p50_ns"] <= tail[0]


def test_figures_are_net_of_the_floor_and_the_histogram_is_gross(measured):
    for row in measured["results"]:
        histogram = HdrHistogram.decode(row["histogram"].encode())
        per_sample = row["batch_size"] if row["mode"] == "batched" else 1
        assert histogram.total_count * per_sample == row["count"]
        gross_p50 = histogram.get_value_at_percentile(50) / per_sample
        assert row["floor_ns"] > 0
        step = max(row["resolution_ns"], 0.002 * gross_p50)
        assert row["p50_ns"] == pytest.approx(max(0.0, gross_p50 - row["floor_ns"]), abs=step)
        assert row["min_ns"] <= row["p50_ns"]


def test_a_target_is_on_the_row_that_it_is_judged_on(measured):
    judged = [(row["variant"], row["mode"]) for row in measured["results"] if row["target"] is not None]
    assert judged == [("fast", "batched")]
    (target,) = (row["target"] for row in measured["results"] if row["target"])
    assert {"statistic", "limit_ns", "verdict"} <= set(target)
    assert (target["statistic"], target["limit_ns"]) == ("p50", 1e9)
    assert target["verdict"] in {"met", "inconclusive"}  # inconclusive on an unfit machine


def test_ratios_are_against_the_baseline_of_the_same_mode(measured):
    rows = {(row["variant"], row["mode"]): row for row in measured["results"]}
    for (variant, mode), row in rows.items():
        assert row["baseline"] is (variant == "slow")
        if row["speedup_vs_baseline"] is not None:
            expected = rows["slow", mode]["p50_ns"] / row["p50_ns"]
            assert row["speedup_vs_baseline"] == pytest.approx(expected)


def test_every_number_is_finite(measured):
    def check(value):
        if isinstance(value, float):
            assert math.isfinite(value)
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(part)

    check(measured)


def test_what_a_suite_prints_stays_out_of_the_file_on_standard_output(tmp_path):
    suite = write_suite(
        tmp_path, "print('noise')\n@c.variant\ndef v():\n    print('more')\n    return lk.call(abs, -1)\n"
    )
    done = bench(suite, "--quick", "--json", "-", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["schema"] == "latencykit.run/1"
    assert "noise" in done.stderr
    assert "more" in done.stderr


def test_the_system_clock_works_and_is_warned_of(tmp_path):
    done = bench(write_suite(tmp_path, SUITE), "--quick", cwd=tmp_path, LATENCYKIT_CLOCK="monotonic")
    assert done.returncode == 0
    assert "Samples are taken with the system clock" in " ".join(done.stdout.split())


HEAD = "timestamp,open,high,low,close,volume\n2024-01-01 00:00:00,1,1,1,1,7\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (f"{HEAD}2024-01-01 00:01:00,1,1", ":3: expected 6 fields, got 3"),
        (f"{HEAD}2024-01-01 00:01:00,1,1,1,-1,7\n", ":3: expected a positive close, got '-1'"),
        (f"{HEAD}2024-01-01 00:01:00,1,1,1,nan,7\n", ":3: expected a positive close, got 'nan'"),
        ("", ":1: expected a header"),
        ("\0\1\2\n", ":1: expected a header"),
    ],
)
def test_bad_market_data_is_told_before_anything_is_measured(content, sentence, tmp_path):
    (tmp_path / "ticks.csv").write_text(content)
    done = bench("orders", "signals", "--quick", "--ticks", "ticks.csv", "--json", "run.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"latencykit: error: ticks.csv{sentence}")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run.json").exists()


def test_a_suite_that_raises_on_import_is_one_sentence(tmp_path):
    suite = write_suite(tmp_path, "raise ValueError('one\\ntwo.\\n\\nthree')\n")
    done = bench(suite, "--quick", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"latencykit: error: suite {suite} cannot be imported: ValueError: one two. (line 4)\n"


def test_an_operation_that_raises_loses_nothing_else(tmp_path):
    suite = write_suite(tmp_path, f"{SUITE}\n@c.variant\ndef bad():\n    return lambda: {{}}['one\\ntwo']\n")
    done = bench(suite, "--quick", "--json", "run.json", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "latencykit: error: made/bad failed: it raised KeyError: 'one\\ntwo'"
    run = json.loads((tmp_path / "run.json").read_text())
    assert {row["variant"] for row in run["results"]} == {"slow", "fast", "shown"}
    (failure,) = run["failures"]
    assert (failure["variant"], failure["skipped"]) == ("bad", False)
    assert "failed made/bad: it raised KeyError" in " ".join(done.stdout.split())


def test_a_peer_that_is_not_installed_is_skipped(tmp_path):
    suite = write_suite(tmp_path, f"{SUITE}\n@c.variant(peer='absent_peer')\ndef p():\n    import absent_peer\n")
    done = bench(suite, "--quick", "--peers", cwd=tmp_path)
    assert done.returncode == 0
    assert "skipped" in done.stdout
    assert "needs the package 'absent_peer', which is not installed" in " ".join(done.stdout.split())


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_ctrl_c_keeps_what_was_finished_and_leaves_nothing_behind(terminal, times, tmp_path):
    suite, temporary = write_suite(tmp_path, SLOW), tmp_path / "temporary"
    temporary.mkdir()
    ours, theirs = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "latencykit", "bench", suite, "--quick", "--json", "run.json"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary), "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"},
        stdin=theirs if terminal else subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal if terminal else None,  # noqa: PLW1509 - this process has no threads yet
    )
    os.close(theirs)
    text = ""
    while "hanging" not in text or "\n" not in text.partition("hanging")[2]:
        text += read(ours)
    child = int(text.partition("hanging")[2].split()[0])
    for _ in range(times):
        os.write(ours, b"\x03") if terminal else process.send_signal(signal.SIGINT)
    while more := read(ours):
        text += more
    assert process.wait(60) == 130
    os.close(ours)
    assert not psutil.pid_exists(child)
    assert list(temporary.iterdir()) == []
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["complete"] is False
    assert [row["variant"] for row in run["results"]] == ["first", "first"]
    assert "interrupted; what was finished is kept" in text
    assert "Traceback" not in text


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def read(descriptor: int) -> str:
    try:
        return os.read(descriptor, 1 << 16).decode(errors="replace")
    except OSError:  # Linux's way of saying that the other side of a terminal is closed
        return ""

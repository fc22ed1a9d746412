"""``latencykit engine run`` as it is used: in processes of its own, on synthetic ticks and on real files."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from latencykit.engine import TICK_DTYPE, SharedRing, SyntheticFeed
from latencykit.engine.stats import PerformanceStats

MARKET_DATA = Path(__file__).parents[3] / "shared" / "data"
REAL = {
    "btc_perp_1m_2022-01.csv": 45_031,
    "eurusd_quotes_2020-01.csv": 9_500,
    "usdjpy_ticks_2013-01.csv": 1_000,
    "goog_daily_yahoo.csv": 2_148,
}
BARS = "timestamp,open,high,low,close,volume\n"


def command(*arguments):
    return [sys.executable, "-m", "latencykit", "engine", "run", *map(str, arguments)]


def run(*arguments, cwd, **environ):
    env = {**{name: value for name, value in os.environ.items() if name != "COLUMNS"}, **environ}
    return subprocess.run(
        command(*arguments), cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False
    )


def read(text):
    return json.loads(text)["run"]


def sentence(done):
    """Return the one line of standard error of a command that ended with 2."""
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_synthetic_ticks_without_any_option(tmp_path):
    done = run(cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("engine run: synthetic, 200000 ticks, seed 1\nstage ")
    assert "\nwhat latency costs: profit per signal by the delay of the entry" in done.stdout
    assert "on paper" in done.stdout
    assert "\x1b" not in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("columns", [80, 140])
def test_every_real_file_runs_and_fits(name, columns, tmp_path):
    path = MARKET_DATA / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    done = run("--ticks", path, "--json", "run.json", cwd=tmp_path, COLUMNS=str(columns))
    assert (done.returncode, done.stderr) == (0, "")
    summary = read((tmp_path / "run.json").read_text())
    assert summary["ticks"] == REAL[name]
    assert summary["updates"] + summary["held"] + summary["skipped"] == summary["ticks"]
    assert f"{REAL[name]:,} ticks" in done.stdout
    # The table of costs may go beyond 80 columns where its figures need more.
    assert max(map(len, done.stdout.partition("what latency costs")[0].splitlines())) <= columns


def test_a_journal_replayed_in_another_process_is_the_same(tmp_path):
    for number, feed in enumerate([("--synthetic", 30_000), ("--ticks", "0.journal"), ("--ticks", "1.journal")]):
        done = run(*feed, "--journal", f"{number}.journal", "--no-cost", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        digest = hashlib.sha256((tmp_path / f"{number}.journal").read_bytes()).hexdigest()
        assert digest in done.stdout
    journals = [path.read_bytes() for path in sorted(tmp_path.glob("*.journal"))]
    assert journals[0] == journals[1] == journals[2]
    assert journals[0].count(b"\nO,") > 0


def test_switches_change_no_decision(tmp_path):
    for name, switches in {"on": [], "off": ["--preset", "naive"], "some": ["--no-simd", "--sample-every", 1]}.items():
        done = run("--synthetic", 20_000, "--journal", name, "--no-cost", *switches, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "on").read_bytes() == (tmp_path / "off").read_bytes() == (tmp_path / "some").read_bytes()


def test_a_journal_of_other_settings_is_warned_of(tmp_path):
    run("--synthetic", 2_000, "--journal", "a", cwd=tmp_path)
    done = run("--ticks", "a", "--max-order", 7, "--no-cost", cwd=tmp_path)
    assert done.returncode == 0
    assert "other settings: max_order_quantity was 1000 and is 7" in done.stderr
    assert run("--ticks", "a", "--max-order", 7, "--quiet", cwd=tmp_path).stderr == ""


def test_faults_and_damage_are_told_with_their_lines(tmp_path):
    rows = [f"2022-01-05 00:{minute:02}:00,10,12,9,11,100" for minute in range(30)]
    rows[5] = "2022-01-05 00:05:00,10,12,9,nan,100"
    rows[9] = "2022-01-05 00:01:00,10,12,9,11,100"
    rows[20] = "2022-01-05 00:20:00,10,12"
    (tmp_path / "a.csv").write_text(BARS + "\n".join(rows))
    done = run("--ticks", "a.csv", cwd=tmp_path)
    assert done.returncode == 0
    assert "bad price: 1 skipped, the first at a.csv:7" in done.stdout
    assert "backwards: 1 skipped, the first at a.csv:11" in done.stdout
    assert "damaged lines, fields: 1, the first a.csv:22: expected 6 fields, got 3" in done.stdout
    halted = run("--ticks", "a.csv", "--feed-rule", "backwards=halt", cwd=tmp_path)
    assert sentence(halted) == "latencykit: error: stopped at a.csv:11: bad tick"
    assert "no orders from a.csv:11 on" in halted.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ticks", "missing.csv"], "missing.csv"),
        (["--ticks", "a.csv", "--synthetic", "5"], "exclude each other"),
        (["--journal", "a.csv"], "--force"),
        (["--ticks", "a.csv", "--journal", "a.csv", "--force"], "overwrite the ticks"),
        (["--ticks", "empty.csv"], "empty file"),
        (["--force"], "--journal"),
        (["--seed", "3", "--ticks", "a.csv"], "--seed"),
        (["--feed-rule", "gap=forget"], "'forget' is unknown"),
        (["--feed-rule", "gasp=skip"], "no kind of tick"),
        (["--feed-rule", "bad_price=accept"], "cannot be accepted"),
        (["--strategy", "nowhere:decide"], "cannot be imported"),
        (["--strategy", "strategies.py:nothing"], "has no 'nothing'"),
        (["--strategy", "strategies.py"], "module:function"),
        (["--strategy", "strategies.py:decide", "--rate", "5"], "--rate"),
        (["--target", "p99"], "statistic and a limit"),
        (["--target", "p99 < 5 miles"], "'5 miles'"),
        (["--check"], "--target"),
        (["--rate", "fast"], "'fast'"),
        (["--rate", "-5"], "out of range"),
        (["--duration", "1s"], "--rate"),
        (["--rate", "sweep", "--prometheus", "p"], "--prometheus"),
        (["--delays", "1 mile"], "1 mile"),
        (["--pin", "x"], "two CPUs"),
        (["--pin", "0,1", "--no-pinning"], "exclude"),
        (["--update-interval", "often"], "often"),
        (["--ring", "latencykit-nobody"], "latencykit-nobody"),
        (["--json", "nowhere/run.json"], "--json nowhere/run.json"),
        (["--prometheus", "nowhere/run.txt"], "--prometheus nowhere/run.txt"),
        (["--json", "-", "--prometheus", "-"], "standard output"),
        (["--journal", "nowhere/a"], "--journal nowhere/a cannot be written"),
    ],
)
def test_what_is_wrong_is_a_sentence(arguments, said, tmp_path):
    (tmp_path / "a.csv").write_text(BARS + "2022-01-05,10,12,9,11,100\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "strategies.py").write_text("decide = print\n")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = run(*arguments, cwd=tmp_path)
    sentence(done)
    assert said in done.stderr
    assert done.stdout == ""
    kept = {path: path.read_bytes() for path in tmp_path.iterdir() if path.name != "__pycache__"}
    assert kept == before


def test_a_file_that_is_none_leaves_an_old_journal_as_it_was(tmp_path):
    (tmp_path / "no.csv").write_text("hello\n")
    (tmp_path / "old").write_text("precious")
    assert "no.csv:1" in sentence(run("--ticks", "no.csv", "--journal", "old", "--force", cwd=tmp_path))
    assert (tmp_path / "old").read_text() == "precious"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_journal_that_cannot_be_written_is_said(tmp_path):
    done = run("--synthetic", 5_000, "--no-cost", "--journal", "/dev/full", cwd=tmp_path)
    assert "No space left on device" in sentence(done)
    assert "unexpected" not in done.stderr
    assert "lines of the journal were lost" in done.stdout
    assert "SHA-256" not in done.stdout


def test_ticks_may_come_through_a_pipe(tmp_path):
    rows = "".join(f"2022-01-{day:02},10,12,9,11,100\n" for day in range(1, 21))
    done = subprocess.run(
        command("--ticks", "/dev/stdin"), input=BARS + rows, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "20 ticks in" in done.stdout


def test_a_strategy_that_raises_is_named_with_its_row(tmp_path):
    (tmp_path / "a.csv").write_text(BARS + "".join(f"2022-01-{day:02},10,12,9,11,100\n" for day in range(1, 21)))
    (tmp_path / "strategies.py").write_text(
        "def decide(symbol, timestamp_ns, price, volume, seen=[]):\n"
        "    seen.append(price)\n"
        "    if len(seen) == 7:\n"
        "        raise ValueError('no\\ngood')\n"
    )
    done = run("--ticks", "a.csv", "--strategy", "strategies:decide", "--journal", "j", cwd=tmp_path)
    assert sentence(done) == "latencykit: error: the strategy raised ValueError: no good, at a.csv:8"
    assert "7 ticks in" in done.stdout
    assert (tmp_path / "j").read_text().splitlines()[-1] == "X,6,strategy failed"
    skipped = run("--ticks", "a.csv", "--strategy", "strategies.py:decide", "--on-strategy-error", "skip", cwd=tmp_path)
    assert skipped.returncode == 0
    assert "20 ticks in" in skipped.stdout
    assert "strategy failed once, the first at a.csv:8: ValueError: no good" in skipped.stdout


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--target", "p50 < 10s", "--check"], 0),
        (["--target", "max < 1ns", "--check"], 1),
        (["--target", "max < 1ns"], 0),
        (["--target", "p99.9 < 10s", "--check"], 3),
        (["--target", "p99.9 < 10s", "--target", "max < 1ns", "--check"], 1),
    ],
)
def test_targets_decide_under_check(arguments, status, tmp_path):
    done = run("--synthetic", 10_000, "--no-cost", *arguments, cwd=tmp_path)
    assert done.returncode == status
    assert done.stdout.count("target tick ") == arguments.count("--target")


def test_json_on_standard_output_leaves_the_tables_to_standard_error(tmp_path):
    done = run("--synthetic", 10_000, "--json", "-", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert document["run"]["ticks"] == 10_000
    stats = PerformanceStats.decode(document["histograms"]["tick"])
    assert stats.count == document["run"]["stages"][-1]["count"]
    assert done.stderr.startswith("engine run: ")
    quiet = run("--synthetic", 10_000, "--prometheus", "-", "--quiet", cwd=tmp_path)
    assert "latencykit_ticks_total 10000\n" in quiet.stdout
    assert quiet.stderr == ""


def test_a_rate_tells_response_times(tmp_path):
    done = run("--rate", 50_000, "--duration", "100ms", "--target", "p50 < 100s", "--json", "j", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "open loop: response times" in done.stdout
    assert "target response p50 < 100 s: met" in done.stdout
    (rate,) = json.loads((tmp_path / "j").read_text())["rates"]
    assert (rate["rate"], rate["ticks"]) == (50_000, 5_000)


def test_a_sweep_finds_a_limit_or_says_that_there_is_none(tmp_path):
    done = run("--rate", "sweep", "--duration", "2ms", "--synthetic", 20_000, "--json", "j", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^saturation: ", done.stdout, re.MULTILINE)
    document = json.loads((tmp_path / "j").read_text())
    assert document["run"] is None
    assert len(document["rates"]) >= 2
    assert done.stderr.startswith("offering 10,000 ticks/s\n")


def test_ticks_of_another_process(tmp_path):
    name = f"latencykit-test-{os.getpid()}"
    with SharedRing.create(name, TICK_DTYPE, 4_096) as ring:
        try:
            chunks = list(SyntheticFeed(20_000).chunks())
            pushing = threading.Thread(
                target=lambda: [[ring.push(chunk, timeout=60) for chunk in chunks], ring.close()]
            )
            pushing.start()
            done = run("--ring", name, "--no-cost", "--json", "-", cwd=tmp_path)
            pushing.join()
        finally:
            SharedRing.remove(name)
    assert done.returncode == 0, done.stderr
    assert read(done.stdout)["ticks"] == 20_000


@pytest.mark.parametrize("mode", ["run", "strategy", "paced"])
def test_ctrl_c_keeps_what_is_done(mode, tmp_path):
    # Each says when it is under way: a first line of the journal's ticks, or the strategy's file.
    (tmp_path / "strategies.py").write_text("from pathlib import Path\ndef decide(*tick):\n    Path('begun').touch()\n")
    more = {"run": [], "strategy": ["--strategy", "strategies:decide"], "paced": ["--rate", "2000"]}[mode]
    process = subprocess.Popen(
        command("--synthetic", 1_000_000_000, "--journal", "j", "--no-cost", "--json", "run.json", *more),
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    journal = tmp_path / "j"
    while process.poll() is None and not (journal.exists() and b"\nT," in journal.read_bytes()):
        pass
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert "interrupted: this is what was done until then" in out
    assert error.splitlines()[-1] == "latencykit: interrupted; what was done until then is kept"
    assert "Traceback" not in error
    summary = read((tmp_path / "run.json").read_text())
    lines = journal.read_text().splitlines()
    assert summary["interrupted"] is True
    assert summary["failure"] is None
    assert len(lines) == 1 + summary["journal"]["lines"]
    assert sum(line[0] in "THS" for line in lines[1:]) == summary["ticks"]
    assert summary["journal"]["sha256"] == hashlib.sha256(journal.read_bytes()).hexdigest()


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    process = subprocess.Popen(
        command("--synthetic", 5_000), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 0


def test_the_help_names_every_option_and_loads_nothing_heavy(tmp_path):
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    for name in ("ticks", "synthetic", "ring", "journal", "strategy", "rate", "check", "prometheus", "feed-rule"):
        assert f"--{name} " in done.stdout
    assert "Exit status" in done.stdout
    program = (
        "import sys; sys.argv[1:] = ['engine', 'run', '--help']\n"
        "from latencykit.__main__ import run; run(['engine', 'run', '--help'])\n"
        "sys.exit(bool({'numpy', 'rich', 'msgspec', 'latencykit._core'} & sys.modules.keys()))"
    )
    assert (
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=False).returncode == 0
    )

"""The compare command with comparisons that nobody measured."""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from fabricated import make_environment, make_results, make_run, make_validity
from fabricated_comparisons import make_comparison, make_failure, make_report, make_slower, make_undecided

from latencykit import comparing
from latencykit.__main__ import run as run_command
from latencykit.commands.outcomes import errors_of, exit_status, warnings_of
from latencykit.comparison import Report
from latencykit.measuring import events
from latencykit.model import encode_run


@dataclass
class Comparing:
    """Stands for what measures, and keeps what it was asked for."""

    report: Report = field(default_factory=make_report)
    asked: list[Any] = field(default_factory=list)

    def compare(self, rivals: Any, cpu: Any, observe: Any, argv: Any) -> Report:
        self.asked.append((rivals, cpu))
        pair = SimpleNamespace(
            component="queues", a=SimpleNamespace(name="queues/mutex"), b=SimpleNamespace(name="queues/lockfree")
        )
        for event in (
            events.OperationStarted("queues/mutex"),
            events.PairStarted(),
            events.PairSampled(2, 104),
            events.Notice("stopped after 26 pairs"),
            events.PairFinished(),
            events.PairFailed("queues/lockfree", "it raised ValueError: no"),
        ):
            observe(pair, event)
        return self.report

    def variant_rivals(self, a: str, b: str, wanted: Any, *, peers: bool) -> list[str]:
        self.asked.append((a, b, tuple(wanted), peers))
        return [f"{a} {b}"]


@pytest.fixture
def fake(monkeypatch, tmp_path):
    made = Comparing()
    monkeypatch.chdir(tmp_path)
    for name in ("COLUMNS", "LATENCYKIT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    for name in ("compare", "variant_rivals"):
        monkeypatch.setattr(comparing, name, getattr(made, name))
    return made


def test_shows_the_report_on_stdout_and_the_rest_on_stderr(fake, capsys):
    assert run_command(["compare", "mutex", "lockfree"]) == 0
    out, err = capsys.readouterr()
    assert "B lockfree is 38.0 × faster than A mutex" in out
    assert out.endswith("3 comparisons: 1 slower, 1 faster, 1 inconclusive\n")
    assert err.splitlines() == [
        "measuring lockfree against mutex (1 comparison)",
        "latencykit: warning: queues/mutex against queues/lockfree: stopped after 26 pairs",
        "failed queues/mutex against queues/lockfree: queues/lockfree: it raised ValueError: no",
    ]


def test_passes_on_what_it_is_asked_for(fake):
    options = "compare mutex lockfree --component queues --component b.py --peers --cpu 0 --quiet"
    assert run_command(options.split()) == 0
    assert fake.asked == [("mutex", "lockfree", ("queues", "b.py"), True), (["mutex lockfree"], 0)]


def test_settings_stand_in_for_what_is_not_said(fake, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.latencykit]\nsuites = ["engine"]\ncpu = 0\n')
    assert run_command(["compare", "naive", "production", "--quiet"]) == 0
    assert fake.asked == [("naive", "production", ("engine",), False), (["naive production"], 0)]


def test_quiet_leaves_only_the_result(fake, capsys):
    fake.report = make_report(validity=make_validity("noisy", 0.1))
    assert run_command(["compare", "a", "b", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_the_file_goes_where_it_is_asked_to(fake, capsys, tmp_path):
    assert run_command(["compare", "a", "b", "--json", "c.json"]) == 0
    assert json.loads((tmp_path / "c.json").read_text())["schema"] == "latencykit.compare/1"
    capsys.readouterr()
    assert run_command(["compare", "a", "b", "--json", "-", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)["comparisons"]) == 3
    assert err == ""


def test_a_failed_pair_is_told_even_when_quiet(fake, capsys):
    fake.report = make_report(failures=[make_failure(), make_failure()])
    assert run_command(["compare", "a", "b", "--quiet"]) == 2
    assert capsys.readouterr().err == (
        "latencykit: error: queues/mutex against queues/broken: queues/broken: it raised ValueError: no "
        "(and 1 more, named in the report)\n"
    )


def test_the_detail_of_a_failure_is_for_those_who_ask(fake, capsys, monkeypatch):
    fake.report = make_report(failures=[make_failure()])
    monkeypatch.setenv("LATENCYKIT_DEBUG", "1")
    run_command(["compare", "a", "b"])
    assert "latencykit: detail: Traceback" in capsys.readouterr().err


FASTER, SLOWER, OPEN = make_comparison(), make_slower(), make_undecided()


@pytest.mark.parametrize(
    ("changes", "check", "saved", "status"),
    [
        ({"comparisons": [FASTER, SLOWER, OPEN]}, False, True, 0),
        ({"comparisons": [FASTER, SLOWER, OPEN]}, True, True, 1),
        ({"comparisons": [FASTER, OPEN]}, True, True, 3),
        ({"comparisons": [FASTER]}, True, True, 0),
        ({"comparisons": [FASTER], "validity": make_validity("noisy", 0.1)}, True, True, 0),
        ({"comparisons": [FASTER], "validity": make_validity("unfit", 0.5)}, True, True, 3),
        ({"comparisons": [FASTER]}, False, False, 2),
        ({"comparisons": [SLOWER], "failures": [make_failure()]}, True, True, 2),
        ({"comparisons": [FASTER], "failures": [make_failure(skipped=True)]}, True, True, 0),
        ({"comparisons": [], "failures": [make_failure(skipped=True)]}, False, True, 2),
        ({"comparisons": [SLOWER], "complete": False}, True, True, 130),
    ],
)
def test_exit_statuses(changes, check, saved, status):
    assert exit_status(make_report(**changes), check=check, saved=saved) == status


def test_warnings_and_errors():
    report = make_report(validity=make_validity("unfit", 0.5), warnings=["first"], complete=False)
    assert warnings_of(report, check=False) == [
        "first",
        "the machine was unfit while measuring: 50.0 % of its time was taken away",
    ]
    assert warnings_of(report, check=True)[2:] == [
        "slower: A mine:before, B mine:after",
        "inconclusive: queues[size=10]: A mutex, B condition",
    ]
    assert errors_of(report) == ["interrupted; what was finished is kept"]


def save(path, **changes) -> str:
    path.write_bytes(encode_run(make_run(results=make_results("orders"), claims=[], **changes)))
    return path.name


def test_saved_runs_of_unlike_machines_are_refused_or_warned_of(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    newer = msgspec.structs.replace(make_environment().python, version="3.13.0")
    other = make_environment(fingerprint="fedcba9876543210", python=newer)
    base, head = save(tmp_path / "base.json"), save(tmp_path / "head.json", environment=other)
    assert run_command(["compare", base, head]) == 2
    assert "base.json and head.json were measured on unlike machines (Python 3.11.7 and 3.13.0)" in (
        capsys.readouterr().err
    )
    monkeypatch.setattr(comparing, "compare_runs", lambda _base, _head: [make_comparison()])
    assert run_command(["compare", base, head, "--force"]) == 0
    out, err = capsys.readouterr()
    assert "a difference may be the machines' alone" in " ".join(out.split())
    assert "latencykit: warning: base.json and head.json were measured on unlike machines" in err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "head.json is not a latencykit run"),
        ("[]", "head.json is not a latencykit run"),
        ('{"schema": "latencykit.compare/1"}', "head.json"),
    ],
)
def test_a_file_that_is_no_run_is_told(content, words, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    base = save(tmp_path / "base.json")
    (tmp_path / "head.json").write_text(content)
    assert run_command(["compare", base, "head.json"]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--component", "queues"], ["--peers"], ["--cpu", "0"]])
def test_saved_runs_are_measured_already(option, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    base = save(tmp_path / "base.json")
    assert run_command(["compare", base, base, *option]) == 2
    assert f"{option[0]} cannot be used with saved runs" in capsys.readouterr().err


def test_a_damaged_histogram_is_told(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    base = save(tmp_path / "base.json")  # whose histograms are empty texts
    assert run_command(["compare", base, base]) == 2
    assert "base.json or base.json holds a histogram that cannot be read" in capsys.readouterr().err


def test_runs_without_an_operation_in_common_are_told(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "head.json").write_bytes(encode_run(make_run(results=[], claims=[])))
    assert run_command(["compare", save(tmp_path / "base.json"), "head.json"]) == 2
    assert "base.json and head.json have no operation in common" in capsys.readouterr().err

"""The bench command with a session that measures nothing."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fabricated import make_results, make_run

import latencykit
from latencykit.__main__ import run as run_command
from latencykit.commands import bench as bench_module
from latencykit.errors import UsageError
from latencykit.measuring import events
from latencykit.model import Failure, Run


@dataclass(frozen=True)
class Plan:
    level: str = "default"
    cpu: int | None = None
    ticks: str | None = None
    peers: bool = False
    variants: tuple[str, ...] = ()


@dataclass
class Session:
    """Stands for latencykit.session, and keeps what it was asked for."""

    run: Run = field(default_factory=lambda: make_run(results=make_results("orders")))
    asked: list[Any] = field(default_factory=list)
    during: Callable[[], None] = lambda: None

    Plan = Plan

    def select(self, names: Any, variants: Any) -> list[str]:
        if "ordes" in names:
            raise UsageError("there is no component 'ordes'; did you mean 'orders'?")
        self.asked.append((tuple(names), tuple(variants)))
        return list(names)

    def bench(self, sources: Any, plan: Plan, observe: Any, argv: list[str]) -> Run:
        self.asked.append(plan)
        failure = Failure("orders", "naive", {}, "ValueError: no")
        for event in (
            events.ComponentStarted("orders", 2),
            events.OperationStarted("orders/arena"),
            events.MeterRead(0, 1, 0, 0, 0, 1),
            events.OperationFinished("orders/arena", []),
            events.OperationFailed("orders/naive", failure),
            events.Notice("a notice"),
            events.ComponentFinished("orders"),
        ):
            observe(event)
        self.during()
        return self.run


@pytest.fixture
def session(monkeypatch, tmp_path):
    fake = Session()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("LATENCYKIT_DEBUG", raising=False)
    module = ModuleType("latencykit.session")
    module.__dict__.update(Plan=Plan, select=fake.select, bench=fake.bench)
    monkeypatch.setitem(bench_module.sys.modules, "latencykit.session", module)
    monkeypatch.setattr(latencykit, "session", module, raising=False)
    return fake


def test_shows_the_table_on_stdout_and_the_rest_on_stderr(session, capsys):
    assert run_command(["bench"]) == 0
    out, err = capsys.readouterr()
    assert "orders      arena" in out.replace("orders     arena", "orders      arena")
    assert out.endswith("1 of 1 target met\n")
    assert err.splitlines() == [
        "measuring orders (2 operations)",
        "failed orders/naive: ValueError: no",
        "latencykit: warning: a notice",
    ]


def test_measures_everything_by_default(session):
    assert run_command(["bench", "--quiet"]) == 0
    assert session.asked == [(("all",), ()), Plan()]


def test_passes_on_what_it_is_asked_for(session, tmp_path):
    (tmp_path / "ticks.csv").touch()
    arguments = (
        "bench orders bench_x.py --quick --variant a --variant b --peers --cpu 0 --ticks ticks.csv --quiet"
    )
    assert run_command(arguments.split()) == 0
    plan = Plan(level="quick", cpu=0, ticks="ticks.csv", peers=True, variants=("a", "b"))
    assert session.asked == [(("orders", "bench_x.py"), ("a", "b")), plan]


def test_settings_stand_in_for_what_is_not_said(session, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.latencykit]\nsuites = ["engine"]\ncpu = 0\nlevel = "quick"\n'
    )
    assert run_command(["bench", "--quiet"]) == 0
    assert run_command(["bench", "all", "--rigorous", "--quiet"]) == 0
    assert session.asked == [
        (("engine",), ()),
        Plan(level="quick", cpu=0),
        (("all",), ()),
        Plan(level="rigorous", cpu=0),
    ]


def test_quiet_leaves_only_the_result(session, capsys):
    session.run = make_run(results=make_results("logging", "missed"))
    assert run_command(["bench", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert "missed" in out
    assert err == ""


def test_a_missed_target_warns_and_decides_only_under_check(session, capsys):
    session.run = make_run(results=make_results("logging", "missed"))
    assert run_command(["bench"]) == 0
    assert "latencykit: warning: target missed: logging/site" in capsys.readouterr().err
    assert run_command(["bench", "--check"]) == 1


def test_a_failed_operation_is_told_even_when_quiet_and_loses_nothing(session, capsys, tmp_path):
    failure = Failure("engine", "naive", {}, "ValueError: no", "Traceback (most recent call last)")
    session.run = make_run(results=make_results("orders"), failures=[failure])
    assert run_command(["bench", "--quiet", "--json", "run.json"]) == 2
    out, err = capsys.readouterr()
    assert "arena" in out
    assert "failed  engine/naive: ValueError: no" in out
    assert err == "latencykit: error: engine/naive failed: ValueError: no\n"
    assert len(json.loads((tmp_path / "run.json").read_bytes())["results"]) == 4


def test_the_detail_of_a_failure_is_for_those_who_ask(session, capsys, monkeypatch):
    session.run = make_run(
        failures=[Failure("engine", "naive", {}, "no", "Traceback (most recent call last)")]
    )
    monkeypatch.setenv("LATENCYKIT_DEBUG", "1")
    assert run_command(["bench", "--quiet"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupted_run_is_shown_and_saved(session, capsys, tmp_path):
    session.run = make_run(results=make_results("orders"), complete=False)
    assert run_command(["bench", "--check", "--json", "run.json"]) == 130
    out, err = capsys.readouterr()
    assert "arena" in out
    assert "latencykit: error: interrupted" in err
    assert json.loads((tmp_path / "run.json").read_bytes())["complete"] is False


def test_an_interruption_elsewhere_ends_with_the_same_status(session, capsys):
    def interrupt() -> None:
        raise KeyboardInterrupt

    session.during = interrupt
    assert run_command(["bench"]) == 130
    assert capsys.readouterr().err.endswith("latencykit: interrupted\n")


def test_json_on_stdout_leaves_it_to_the_json(session, capsys):
    assert run_command(["bench", "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["schema"] == "latencykit.run/1"
    assert "1 of 1 target met" in err
    assert run_command(["bench", "--json", "-", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["schema"] == "latencykit.run/1"
    assert err == ""


def test_output_that_cannot_be_written_is_refused_before_any_work(session, capsys):
    assert run_command(["bench", "--json", "missing/run.json"]) == 2
    assert session.asked == []
    assert capsys.readouterr().err.startswith("latencykit: error: --json missing/run.json cannot be written")


def test_output_that_fails_in_the_end_still_shows_the_table_and_keeps_the_run(session, capsys, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    session.during = folder.rmdir
    assert run_command(["bench", "--json", "folder/run.json"]) == 2
    out, err = capsys.readouterr()
    assert out.endswith("1 of 1 target met\n")
    kept = Path(err.rpartition("the run is in ")[2].strip())
    try:
        assert json.loads(kept.read_bytes())["schema"] == "latencykit.run/1"
    finally:
        kept.unlink()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bench", "ordes"], "did you mean 'orders'"),
        (["bench", "--quick", "--rigorous"], "exclude each other"),
        (["bench", "--cpu", "99999"], "CPU 99999: this process may run on CPU"),
        (["bench", "--cpu", "-1"], "CPU -1"),
        (["bench", "--cpu", "two"], "'two'"),
        (["bench", "--ticks", "missing.csv"], "missing.csv"),
        (["bench", "--ticks", "."], "'.'"),
        (["bench", "--fast"], "--fast"),
        (["bnch"], "bnch"),
    ],
)
def test_wrong_input_is_a_sentence_and_status_2(session, capsys, arguments, words):
    assert run_command(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("latencykit: error: ")
    assert words in err
    assert len(err.splitlines()) <= 2
    assert not any(isinstance(asked, Plan) for asked in session.asked)


def test_an_unexpected_error_is_a_sentence_too(session, capsys):
    def explode() -> None:
        raise ZeroDivisionError("nothing to divide by")

    session.during = explode
    assert run_command(["bench", "--quiet"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("latencykit: error: unexpected ZeroDivisionError: nothing to divide by")
    assert "Traceback" not in err


@pytest.mark.parametrize(("cpus", "text"), [({0}, "0"), ({0, 1, 2, 3, 8}, "0-3,8"), ({5, 7}, "5,7")])
def test_cpus_are_listed_as_the_kernel_does(cpus, text):
    assert bench_module._ranges(cpus) == text

"""The pytest plugin in real runs of pytest: verdicts, what it says, and what it refuses."""

import json
import subprocess
import sys

import pytest
from pytest_runs import run_pytest

from latencykit.model import decode_run

SUITE = """
import sys
import pytest

def add(a, b=1):
    return a + b

def test_met(latency):
    found = latency(add, 1, b=2, target="p50 < 1s, p99 < 2s", allocations=0)
    assert found.p50_ns < 1e9 and found.count > 0 and found.fitness == "fit"

def test_missed(latency):
    latency(sorted, range(1000), target="p50 < 100ns, p90 < 1s")
    raise SystemExit("not reached")

def test_allocating(latency):
    latency(add, 10**12, allocations=0)

def test_allocating_as_allowed(latency):
    latency(add, 10**12, allocations=1)

def test_below_the_clock(latency):
    latency(abs, -1, target="p50 < 0.000001ns")

@pytest.mark.parametrize(("n", "kind"), [(3, int), (1000, list)])
def test_parameters(latency, n, kind):
    latency(range, n)
    latency(range, n, 2 * n)

class TestGroup:
    def test_inside(self, latency):
        latency(add, 1)

def test_plain():
    pass

def test_raising(latency):
    latency(lambda: [][1], target="p50 < 1s")

def test_raising_later(latency):
    left = iter(range(5))
    latency(lambda: next(left))

async def coroutine():
    return 1

def test_coroutine(latency):
    latency(coroutine)

def test_generator(latency):
    latency(lambda: (yield 1))

def test_no_arguments(latency):
    latency(add, target="p50 < 1s")

def test_exit(latency):
    latency(sys.exit, 3)

def test_printing(latency):
    latency(print, "some words", target="p50 < 1s")

def test_drifting(latency):
    for items in ([], [], [], [], []):  # others may disturb one of them
        latency(lambda: items.insert(0, None))

def test_not_called(latency):
    latency(3)

def test_unreadable(latency):
    latency(add, 1, target="p98 < 2us")

def test_wrong_number(latency):
    latency(add, 1, allocations=-1)

def test_caught(latency):
    with pytest.raises(ValueError):
        latency(add, 1, target="fast")
"""
FAILED = (
    "missed", "allocating", "raising", "raising_later", "coroutine", "no_arguments", "exit", "not_called", "unreadable",
    "wrong_number",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return run_pytest(tmp_path_factory.mktemp("made"), SUITE, "--latencykit-json", "run.json")


def test_each_test_ends_as_it_should(made):
    assert made.status == 1
    failed = {name for name, (outcome, _) in made.tests.items() if outcome != "passed"}
    assert failed == {f"test_{name}" for name in FAILED}


def test_a_missed_target_fails_with_the_table(made):
    shown = made.message("test_missed")
    for part in ("latency target missed: test_made/test_missed", "target", "actual", "95 % interval", "p50 < 100 ns",
                 "missed", "p90 < 1 s", "met", "net of a floor of", "single calls", "machine fit"):  # fmt: skip
        assert part in shown
    assert "not reached" not in shown
    assert "fixture.py" not in shown


def test_allocations_are_placed(made):
    shown = made.message("test_allocating")
    assert "allocations <= 0" in shown
    assert "1 × object" in shown
    assert "test_made.py:6 in add" in shown
    assert "return a + b" in shown


def test_what_cannot_be_judged_warns_and_is_not_called_met(made):
    assert made.of("test_below_the_clock") == "passed"
    assert "latency target inconclusive: test_made/test_below_the_clock" in made.text
    assert "the limit is below one step of the clock" in made.text
    (judged,) = [row["target"] for row in made.results("test_below_the_clock") if row["target"]]
    assert judged["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ("raising", "IndexError"),
        ("raising_later", "raised while latencykit was measuring, after a first call that was good"),
        ("coroutine", "coroutine returned a coroutine, which nothing would await"),
        ("no_arguments", "add(a, b=1) cannot be called with what was given: missing a required argument: 'a'"),
        ("exit", "exit called exit(3); measure what returns"),
        ("not_called", "3 cannot be called"),
        ("unreadable", "target 'p98 < 2us' cannot be read; write a statistic"),
        ("wrong_number", "allocations is -1; give 0 or more"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(made, test, words):
    assert words in made.message(f"test_{test}")


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ("drifting", "drift: from the first calls to the last the time changed by a factor of"),
        ("printing", "output: it prints; what the measured calls wrote was thrown away"),
        ("generator", "generator: it returned a generator, whose body did not run"),
    ],
)
def test_what_makes_figures_doubtful_is_a_warning(made, test, words):
    assert made.of(f"test_{test}") == "passed"
    assert words in made.text


def test_output_of_measured_calls_is_not_kept(made):
    assert made.text.count("some words") <= 2


def test_the_run_on_file_is_one_of_ours(made):
    run = decode_run(json.dumps(made.run).encode())
    names = {row.name for row in run.results}
    for name in ("test_made/test_met", "test_made/TestGroup.test_inside", "test_made/test_parameters[n=3,kind=int]",
                 "test_made/test_parameters[n=3,kind=int,call=2]"):  # fmt: skip
        assert name in names
    batched, per_call = (row for row in run.results if row.variant == "test_met")
    assert (batched.mode, per_call.mode) == ("batched", "per_call")
    assert (batched.target.statistic, per_call.target.statistic) == ("p50", "p99")
    assert (batched.allocation_target.limit, batched.allocation_target.verdict) == (0, "met")
    assert run.argv[0] == "pytest"


def test_the_end_shows_every_measured_test_with_its_worst_verdict(made):
    section = made.text.partition("= latencykit =")[2]
    lines = [line.rstrip() for line in section.splitlines() if "test_missed " in line]
    assert any("p50 < 100 ns, p90 < 1 s" in line for line in lines)
    assert any(line.endswith(" missed") for line in lines)
    assert "test_plain" not in section.partition("short test summary")[0]


TWO = """
def test_one(latency):
    latency(abs, -1, target="p50 < 1s")

def test_two(latency):
    calls = []
    assert latency(calls.append, None, target="p50 < 1ns", allocations=0) is None
    assert len(calls) == 1
"""


def test_an_unfit_machine_decides_nothing(tmp_path):
    made = run_pytest(tmp_path, TWO, "-k", "one", "-W", "error::latencykit.errors.LatencykitWarning", fitness="unfit")
    assert (made.status, made.of("test_one")) == (0, "passed")
    assert "latency target inconclusive" in made.text
    assert "the machine lost too much time to others" in made.text
    failing = run_pytest(tmp_path, TWO, "-k", "one", "--latencykit-inconclusive=fail", fitness="unfit")
    assert failing.of("test_one") == "failure"
    assert "latency target inconclusive" in failing.message("test_one")
    passing = run_pytest(tmp_path, TWO, "-k", "one", "--latencykit-inconclusive=pass", fitness="unfit")
    assert passing.status == 0
    assert "latency target inconclusive" not in passing.text


def test_disabled_calls_once_and_judges_nothing(tmp_path):
    made = run_pytest(tmp_path, TWO, "-k", "two", "--latencykit-disable")
    assert made.status == 0
    assert "= latencykit =" not in made.text


def test_targets_from_outside_are_for_tests_that_have_none(tmp_path):
    tests = """
    def test_bare(latency):
        latency(sorted, range(1000))
    def test_own(latency):
        latency(abs, -1, target="p50 < 1s")
    """
    made = run_pytest(tmp_path, tests, "--latencykit-target", "test_*: p50 < 100ns", "-o",
                      "latencykit_targets=test_bare: p50 < 1s")  # fmt: skip
    assert made.of("test_bare") == "failure"
    assert made.of("test_own") == "passed"
    ini = run_pytest(tmp_path, tests, "-o", "latencykit_targets=test_made.py::test_b*: p50 < 1s")
    assert ini.status == 0


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--latencykit-json=missing/run.json", "--latencykit-json missing/run.json cannot be written"),
        ("--latencykit-target=p99 < 2us", "names no test; write 'PATTERN: TARGETS'"),
        ("--latencykit-target=test_one: p98 < 2us", "target ' p98 < 2us' cannot be read"),
        ("--latencykit-inconclusive=maybe", "invalid choice"),
    ],
)
def test_wrong_options_end_the_run_at_once(tmp_path, option, words):
    made = run_pytest(tmp_path, TWO, option)
    assert made.status == 4
    assert words in made.text
    assert "Traceback" not in made.text
    assert "INTERNALERROR" not in made.text


def test_without_the_plugin_there_is_no_fixture(tmp_path):
    made = run_pytest(tmp_path, TWO, "-p", "no:latencykit")
    assert "fixture 'latency' not found" in made.text


def test_a_project_that_does_not_use_it_pays_next_to_nothing(tmp_path):
    heavy = ("numpy", "rich", "msgspec", "click", "latencykit._core", "latencykit.model")
    code = f"""
    import sys
    def test_loaded(request):
        assert request.config.pluginmanager.hasplugin("latencykit")
        assert [name for name in {heavy} if name in sys.modules] == []
    """
    made = run_pytest(tmp_path, code, conftest="")
    assert made.status == 0, made.text


def test_the_plugin_imports_nothing_heavy():
    code = "import sys, pytest; old = set(sys.modules); import latencykit.pytest_plugin; print(*set(sys.modules) - old)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"latencykit", "latencykit.pytest_plugin", "latencykit.testing"}


def test_with_workers_it_measures_and_warns(tmp_path):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    made = run_pytest(tmp_path, TWO, "-k", "one", "-n", "2", "--latencykit-json", "run.json")
    assert made.status == 0
    assert "the tests ran in several processes at once, which disturb each other's figures" in made.text
    assert [row["mode"] for row in made.results("test_one")] == ["batched", "per_call"]

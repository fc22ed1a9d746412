"""The runner with real child processes: whatever a suite does, each operation is told about once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from suite_files import EFFORT, failures, finished, reasons, run_suite, write_suite

from latencykit.measuring import events, runner
from latencykit.measuring.loading import select
from latencykit.measuring.runner import patience_for, run_component

GOOD = """
@c.variant
def good():
    return lk.call(abs, -1)
"""
LAST = """
@c.variant
def last():
    return lk.call(abs, -1)
"""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import ctypes; return lk.call(ctypes.string_at, 0)", "it crashed the process with SIGSEGV"),
        ("return lk.call(os.abort)", "it crashed the process with SIGABRT"),
        ("os.abort()", "it crashed the process with SIGABRT"),
        ("return lambda: os._exit(3)", "it ended the process with exit status 3"),
        ("os._exit(0)", "it ended the process with exit status 0"),
        ("return lambda: os.kill(os.getpid(), signal.SIGKILL)", "from outside with SIGKILL"),
        ("return lambda: os.kill(os.getpid(), signal.SIGRTMIN + 1)", "from outside with signal 35"),
        ("exit()", "it called exit(None)"),
        ("return lambda: sys.exit('enough')", "it called exit('enough')"),
        ("1 / 0", "it raised ZeroDivisionError: division by zero"),
        ("raise KeyboardInterrupt", "it raised KeyboardInterrupt"),
        ("import asyncio; raise asyncio.CancelledError('late')", "it raised CancelledError: late"),
        ("import no_such_peer", "it needs the package 'no_such_peer', which is not installed"),
        ("return None", "a variant must return a function or latencykit.call(...), not None"),
        ("if False: yield", "must yield the operation to time; it yielded none"),
        ("raise ValueError('it goes on\\n  here. And ends.\\n\\nDetails')", "ValueError: it goes on here. And ends."),
        ("os.closerange(3, 100)", "Bad file descriptor"),
    ],
)
def test_what_goes_wrong_is_told_of_its_operation_and_the_others_are_measured(body, reason, tmp_path, capfd):
    told = run_suite(write_suite(tmp_path, f"{GOOD}\n@c.variant\ndef bad():\n    {body}\n{LAST}"))
    if "closerange" not in body:
        assert finished(told) == ["made/good", "made/last"]
        assert list(reasons(told)) == ["made/bad"]
        assert reason in reasons(told)["made/bad"]
        assert "Traceback" not in capfd.readouterr().err
    else:  # the child can say nothing any more, and its successor is not disturbed
        assert finished(told) == ["made/good", "made/last"]
        assert list(reasons(told)) == ["made/bad"]


def test_an_operation_that_raises_in_the_middle_is_told_with_its_traceback(tmp_path):
    told = run_suite(
        write_suite(
            tmp_path,
            """
            @c.variant
            def bad():
                calls = iter(range(3000))
                def operation():
                    if next(calls) == 2999:
                        raise LookupError("the 3000th")
                return operation
            """,
        )
    )
    failure = failures(told)["made/bad"]
    assert failure.reason == "it raised LookupError: the 3000th"
    assert "in operation" in failure.detail


def test_operations_run_in_order_with_their_parameters(tmp_path):
    path = tmp_path / "bench_p.py"
    path.write_text(
        "import latencykit as lk\n"
        "c = lk.Component('sums', baseline='b', parameters={'n': [1, 20], 'kind': ['x']})\n"
        "for name in 'ab':\n"
        "    c.variant(lambda n, kind: lk.call(sum, [n] * n), name=name)\n"
    )
    told = run_suite(str(path))
    assert finished(told) == ["sums/a[n=1,kind=x]", "sums/b[n=1,kind=x]", "sums/a[n=20,kind=x]", "sums/b[n=20,kind=x]"]
    samples = [event.samples[0] for event in told if isinstance(event, events.OperationFinished)]
    assert [sample.parameters for sample in samples] == [{"n": n, "kind": "x"} for n in (1, 1, 20, 20)]
    assert isinstance(told[0], events.ComponentStarted)
    assert told[0].operations == 4
    assert isinstance(told[-1], events.ComponentFinished)
    assert sum(isinstance(event, events.MeterRead) for event in told) == 2


def test_what_a_suite_prints_goes_to_standard_error(tmp_path, capfd):
    body = f"print('imported')\n{GOOD}\n@c.variant\ndef loud():\n    print('set up')\n    os.write(1, b'written')\n"
    told = run_suite(write_suite(tmp_path, f"{body}    return lambda: None\n"))
    assert finished(told) == ["made/good", "made/loud"]
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("imported") == 2  # here to find the variants, and in the child
    assert "set up" in err
    assert "written" in err


CLEANING = """
from pathlib import Path
def note(word):
    with open(Path(__file__).with_name("notes"), "a") as file:
        print(word, file=file, flush=True)

@c.variant
def cleaned():
    note("set up")
    try:
        yield {operation}
    finally:
        note("cleaned")
"""


@pytest.mark.parametrize(
    "operation",
    ["lk.call(abs, -1)", "lambda: 1 / 0", "lambda: sys.exit()", "None"],
    ids=["good", "bad", "exit", "none"],
)
def test_a_generator_cleans_up_after_itself(operation, tmp_path):
    run_suite(write_suite(tmp_path, CLEANING.format(operation=operation)))
    assert (tmp_path / "notes").read_text().split("\n") == ["set up", "cleaned", ""]


def test_an_operation_that_hangs_is_stopped_cleans_up_and_the_others_are_measured(tmp_path):
    hanging = CLEANING.format(operation="lambda: time.sleep(3600)")
    told = run_suite(write_suite(tmp_path, f"{GOOD}{hanging}{LAST}"), patience_s=1.0)
    assert finished(told) == ["made/good", "made/last"]
    assert reasons(told) == {
        "made/cleaned": "it said nothing for 1 s and was stopped; check that the operation returns"
    }
    assert (tmp_path / "notes").read_text().split() == ["set", "up", "cleaned"]


def test_patience_grows_with_the_effort():
    assert patience_for(EFFORT) > 60


def test_a_process_that_a_crashed_child_leaves_behind_holds_nothing_up_and_ends(tmp_path):
    body = """
    @c.variant
    def forks():
        from pathlib import Path
        if (child := os.fork()) == 0:
            time.sleep(3600)
        Path(__file__).with_name("pid").write_text(str(child))
        os._exit(5)
    """
    told = run_suite(write_suite(tmp_path, body))
    assert reasons(told) == {"made/forks": "it ended the process with exit status 5"}
    assert_ended(int((tmp_path / "pid").read_text()))


def test_a_thread_that_a_suite_leaves_running_holds_nothing_up(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(runner, "_GRACE_S", 0.5)
    body = "@c.variant\ndef threads():\n    threading.Thread(target=time.sleep, args=(3600,)).start()\n"
    told = run_suite(write_suite(tmp_path, f"{body}    return lk.call(abs, -1)\n"))
    assert finished(told) == ["made/threads"]
    assert "Traceback" not in capfd.readouterr().err


def test_a_suite_that_fails_only_in_the_child_is_told_for_each_operation(tmp_path, capfd):
    body = f"if sys.argv[0] == '-c':\n    raise OSError('not here')\n{GOOD}{LAST}"
    told = run_suite(write_suite(tmp_path, body))
    assert list(reasons(told)) == ["made/good", "made/last"]
    assert all("OSError: not here (line 5)" in reason for reason in reasons(told).values())
    assert "Traceback" not in capfd.readouterr().err


def test_a_cpu_that_is_lost_on_the_way_is_told(tmp_path):
    (source,) = select([write_suite(tmp_path, GOOD)])
    told = list(run_component(source, EFFORT, 99_999, None))
    assert "CPU 99999 cannot be pinned to" in reasons(told)["made/good"]


def test_bad_market_data_fails_only_what_reads_it(tmp_path):
    ticks = tmp_path / "ticks.csv"
    ticks.write_text("timestamp,open,high,low,close,volume\n2024-01-01 00:00:00,1,1,1,-5,7\n")
    body = f"{GOOD}\n@c.variant\ndef reads():\n    return lk.replay(abs, [(p,) for p in lk.market().price])\n"
    told = run_suite(write_suite(tmp_path, body), ticks=str(ticks))
    assert finished(told) == ["made/good"]
    assert f"{ticks}:2: expected a positive close" in reasons(told)["made/reads"]


def test_a_module_beside_a_suite_in_a_folder_with_spaces(tmp_path):
    folder = tmp_path / "a folder with spaces"
    folder.mkdir()
    (folder / "beside_the_suite.py").write_text("def operation(): pass\n")
    body = "import beside_the_suite\n@c.variant\ndef v():\n    return beside_the_suite.operation\n"
    assert finished(run_suite(write_suite(folder, body, name="my suite.py"))) == ["made/v"]


def test_a_child_imports_from_where_its_parent_does(tmp_path, monkeypatch):
    """A clone's folder has a `latencykit` that is not built, and a user's may hold any name."""
    for name in ("latencykit", "msgspec"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise AssertionError('not this one')\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "found_by_the_parent.py").write_text("def operation(): pass\n")
    monkeypatch.syspath_prepend(str(elsewhere))
    monkeypatch.chdir(tmp_path)
    body = "import found_by_the_parent\n@c.variant\ndef v():\n    return found_by_the_parent.operation\n"
    (tmp_path / "suites").mkdir()
    assert finished(run_suite(write_suite(tmp_path / "suites", body))) == ["made/v"]


RUNNING = 'lambda: (note("running"), time.sleep(3600))'


def is_running(folder: Path) -> bool:
    """Whether the operation was called: a signal that comes before, in the setup, finds nothing to clean up."""
    notes = folder / "notes"
    return notes.exists() and "running\n" in notes.read_text()


def test_stopping_early_ends_the_child_and_cleans_up(tmp_path):
    path = write_suite(tmp_path, CLEANING.format(operation=RUNNING))
    (source,) = select([path])
    before = set(psutil.Process().children())  # multiprocessing's resource tracker, where a test before needed it
    told = run_component(source, EFFORT, None, None)
    for event in told:
        if isinstance(event, events.OperationStarted):
            break
    wait_for(lambda: is_running(tmp_path))
    told.close()
    assert (tmp_path / "notes").read_text().split() == ["set", "up", "running", "cleaned"]
    assert set(psutil.Process().children()) <= before


PARENT = """
import sys
from suite_files import EFFORT
from latencykit.measuring.loading import select
from latencykit.measuring.runner import run_component
(source,) = select([sys.argv[1]])
for event in run_component(source, EFFORT, None, None):
    pass
"""


def test_a_child_ends_and_cleans_up_when_its_parent_is_killed(tmp_path):
    body = CLEANING.format(operation=RUNNING).replace("set up", "{os.getpid()}").replace('note("{', 'note(f"{')
    path = write_suite(tmp_path, body)
    support = str(Path(__file__).parents[1] / "support")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, path], env={**os.environ, "PYTHONPATH": support}, cwd=tmp_path
    ) as parent:
        wait_for(lambda: is_running(tmp_path))
        parent.send_signal(signal.SIGKILL)
    assert_ended(int((tmp_path / "notes").read_text().split()[0]))
    assert (tmp_path / "notes").read_text().split()[1:] == ["running", "cleaned"]


def wait_for(condition) -> None:
    """Look again until a condition that must come about does; only a broken test waits for long."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def assert_ended(pid: int) -> None:
    """A process that nobody waits for any more is gone or a zombie."""
    try:
        process = psutil.Process(pid)
        wait_for(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        pass


def test_what_this_machine_cannot_do_is_skipped_with_its_reason(tmp_path):
    body = 'from latencykit.errors import UnsupportedError; raise UnsupportedError("it needs 3 CPUs; lend it more")'
    told = run_suite(write_suite(tmp_path, f"{GOOD}\n@c.variant\ndef bad():\n    {body}\n{LAST}"))
    assert finished(told) == ["made/good", "made/last"]
    failure = failures(told)["made/bad"]
    assert failure.skipped
    assert failure.reason == "it needs 3 CPUs; lend it more"

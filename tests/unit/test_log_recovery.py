"""What is recovered of loggers that were killed, and whose rings it is."""

import os
import signal
import threading
import warnings
from pathlib import Path

import pytest
from killed_rings import in_child, kill_after, messages, recovered, rings_of

from latencykit.engine import AsyncLogger
from latencykit.engine.log_recovery import find_rings
from latencykit.errors import (
    CapacityError,
    InvalidStateError,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.log"


def test_either_name_finds_both_files():
    both = Path("x/a.log"), Path("x/a.log.rings")
    assert find_rings("x/a.log") == both == find_rings("x/a.log.rings")


def test_the_file_of_rings_lives_as_long_as_the_logger(path):
    with AsyncLogger(path, crash_proof=True) as logger:
        logger.site("{}")(1)
        assert rings_of(path).exists()
    assert list(path.parent.iterdir()) == [path]


def test_the_files_are_found_though_the_working_folder_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    logger = AsyncLogger("a.log", crash_proof=True)
    monkeypatch.chdir(tmp_path / "other")
    logger.close()
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.log", "other"}


def test_only_one_crash_proof_logger_has_a_path(path):
    with AsyncLogger(path, crash_proof=True) as logger:
        with pytest.raises(InvalidStateError, match=str(os.getpid())):
            AsyncLogger(path, crash_proof=True)
        logger.site("{}")(1)
    assert path.read_text().endswith(" 1\n")


def test_the_next_logger_writes_down_what_was_left_behind(path):
    kill_after(path, lambda logger: [logger.site("first {}")(i) for i in range(3)])
    with AsyncLogger(path, crash_proof=True) as logger:
        logger.site("second")()
    found = messages(path.read_text().splitlines())
    assert found[:3] == [f"first {i}" for i in range(3)]
    assert found[3].startswith("latencykit: 3 records above recovered from process ")
    assert found[4:] == ["second"]
    assert list(path.parent.iterdir()) == [path]


def test_records_of_threads_that_ended_are_kept(path, tmp_path):
    def log(logger):
        site = logger.site("{} {}")
        for number in range(6):
            thread = threading.Thread(target=lambda number=number: [site(number, i) for i in range(10)])
            thread.start()
            thread.join()

    kill_after(path, log)
    report, lines = recovered(path, tmp_path)
    assert messages(lines) == [f"{number} {i}" for number in range(6) for i in range(10)]
    assert report.records == 60


def test_many_threads_at_once_get_a_ring_each(path, tmp_path):
    def log(logger):
        site = logger.site("{} {}")
        start = threading.Barrier(12)

        def run(number):
            site(number, 0)
            start.wait()
            site(number, 1)
            start.wait()

        threads = [threading.Thread(target=run, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    kill_after(path, log, capacity=100)
    _, lines = recovered(path, tmp_path)
    assert sorted(messages(lines)) == sorted(f"{number} {i}" for number in range(12) for i in range(2))


def test_many_sites_and_long_templates_are_found_again(path, tmp_path):
    long = "x" * 100_000

    def log(logger):
        for number in range(2000):
            logger.site(f"{{{{site}}}} {number} {{}}", "DEBUG" if number % 2 else "ERROR")(number)
        logger.site(long + "{:>5}")("y")

    kill_after(path, log, level="DEBUG")
    _, lines = recovered(path, tmp_path)
    assert messages(lines) == [f"{{site}} {number} {number}" for number in range(2000)] + [long + "    y"]
    assert [line.split(" ", 2)[1] for line in lines[:2]] == ["ERROR", "DEBUG"]


def test_a_line_longer_than_the_room_for_lines_is_written_once(path):
    text = "z" * 3_000_000
    with AsyncLogger(path, crash_proof=True) as logger:
        site = logger.site("{}")
        site(text)
        logger.drain()
        site(text)
    assert messages(path.read_text().splitlines()) == [text, text]


def test_a_fork_leaves_rings_and_lock_to_the_parent(path):
    logger = AsyncLogger(path, crash_proof=True)
    site = logger.site("{}")
    site(1)
    release, hold = os.pipe()

    def use_and_wait():
        os.close(hold)
        try:
            site(2)
        except InvalidStateError:
            os.read(release, 1)
            return
        raise AssertionError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            use_and_wait()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is must not come back into pytest
            os._exit(1)
    os.close(release)
    site(3)
    logger.close()
    # The child is still there, and the next logger has the lock all the same.
    with AsyncLogger(path, crash_proof=True) as other:
        other.site("{}")(4)
    os.close(hold)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert messages(path.read_text().splitlines()) == ["1", "3", "4"]


def test_a_living_child_does_not_keep_a_dead_parents_rings(path, tmp_path):
    release, hold = os.pipe()

    def parent():
        logger = AsyncLogger(path, crash_proof=True, flush_interval=3600)
        logger.site("{}")(1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            if os.fork() == 0:
                os.close(hold)
                os.read(release, 1)
                os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(parent) == -signal.SIGKILL
    _, lines = recovered(path, tmp_path)
    assert messages(lines) == ["1"]
    os.close(hold)
    os.close(release)


def test_the_oldest_are_dropped_counted_and_told(path):
    with AsyncLogger(path, capacity=64, flush_interval=3600, on_full="drop_oldest") as logger:
        site = logger.site("{}")
        for number in range(100_000):
            site(number)
        logger.drain()
        dropped = logger.dropped
        with pytest.raises(CapacityError):
            site("x" * 5000)
    found = messages(path.read_text().splitlines())
    numbers = [int(message) for message in found if message.isdigit()]
    told = [int(message.split()[1]) for message in found if not message.isdigit()]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 99_999
    assert len(numbers) + dropped == 100_000
    assert sum(told) == dropped > 0


def test_json_is_recovered_with_the_threads_that_logged(path, tmp_path):
    import json

    def log(logger):
        site = logger.site("{}")
        for _ in range(2):
            thread = threading.Thread(target=lambda: site(threading.get_native_id()))
            thread.start()
            thread.join()
            logger.drain()
        thread = threading.Thread(target=lambda: site(threading.get_native_id()))
        thread.start()
        thread.join()

    kill_after(path, log, format="json")
    _, lines = recovered(path, tmp_path)
    entry = json.loads(lines[-1])
    assert entry["args"] == [entry["thread"]]

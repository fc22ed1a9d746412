"""The variants between two processes hand over the same records, and leave no process, memory or thread behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from latencykit.suites import queues_processes as suite

MEMORY = Path("/dev/shm")

pytestmark = pytest.mark.skipif(not MEMORY.is_dir(), reason="shared memory has no folder here")


def shared_names():
    return {path.name for path in MEMORY.iterdir() if path.name.startswith("latencykit-suite")}


def others():
    """The processes that were started for variants; the one that tracks multiprocessing's names may stay."""
    return [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]


@pytest.mark.parametrize("name", suite.queues_processes.variants)
def test_records_are_handed_over_again_and_again(name):
    variant = suite.queues_processes.variants[name]
    if variant.peer:
        pytest.importorskip(variant.peer)
    made = variant.setup()
    hand_over = next(made)
    assert len(others()) == 1
    for _ in range(5):
        hand_over()
    made.close()
    assert others() == []
    assert not shared_names()


def test_the_records_are_what_is_said():
    assert len(suite.batch()) == len(suite.single_records()) == suite.RECORDS
    assert suite.batch().itemsize == len(suite.single_records()[0]) == 64


def test_the_other_process_ends_when_the_measuring_one_is_killed():
    script = (
        "from latencykit.suites import queues_processes as suite\n"
        "if __name__ == '__main__':\n"
        "    made = suite.pipe()\n"
        "    next(made)()\n"
        "    print(flush=True)\n"
        "    input()\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as measuring:
        measuring.stdout.readline()
        started = psutil.Process(measuring.pid).children(recursive=True)
        assert started
        os.kill(measuring.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in started):
        assert time.monotonic() < deadline, "a process was left behind"
        time.sleep(0.01)

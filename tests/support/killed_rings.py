"""Files of rings for tests: what a logger leaves that is killed, and what is recovered from it."""

import os
import signal
import warnings

from latencykit.engine import AsyncLogger
from latencykit.engine.log_recovery import find_rings, write_to


def in_child(program):
    """Run a function in a forked process; its exit status, or minus the signal that ended it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Of forks beside other threads: that is what is tested.
        child = os.fork()
    if child == 0:
        try:
            program()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is must not come back into pytest
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_after(path, program, **options):
    def run():
        logger = AsyncLogger(path, **{"crash_proof": True, "flush_interval": 3600, **options})
        program(logger)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(run) == -signal.SIGKILL


def recovered(path, tmp_path):
    out = tmp_path / "out"
    with out.open("wb") as file:
        report = write_to(file.fileno(), path)
    return report, out.read_text(errors="replace").splitlines()


def messages(lines):
    return [line.split(" ", 2)[2] for line in lines]


def rings_of(path):
    return find_rings(path)[1]

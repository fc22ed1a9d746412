"""What the kernel itself grants and refuses, in processes of their own."""

import os
import subprocess
import sys
from textwrap import dedent

import pytest

CPU = max(os.sched_getaffinity(0))
HEAD = f"""
import ctypes, os, re, struct, sys, warnings
from pathlib import Path
from latencykit.engine import CpuPinning

def state():
    locked = int(re.search(r"VmLck:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1))
    return locked > 0, os.sched_getscheduler(0), os.sched_getparam(0).sched_priority, os.sched_getaffinity(0)

before = state()
CPU = {CPU}
"""
# capset(2) with version 3 of its header, this process, and two empty sets.
WITHOUT_CAPABILITIES = """
libc = ctypes.CDLL(None, use_errno=True)
import resource
resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 16, 1 << 16))
resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
assert libc.capset(struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", *[0] * 6)) == 0
"""


def run(body):
    """Run a script and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HEAD + dedent(body)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_held_is_given_back_whether_it_was_granted_or_refused():
    printed = run(
        """
        warnings.simplefilter("ignore")
        options = dict(lock_memory=True, realtime_priority=1, hold_cpu_latency=True)
        with CpuPinning([CPU], **options) as pinning:
            held = {hold.what: hold.granted for hold in pinning.holds}
            assert set(held) == set(options)
            fifo = int(held["realtime_priority"])
            assert state() == (held["lock_memory"], fifo, fifo, {CPU})
            files = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
            assert held["hold_cpu_latency"] == ("/dev/cpu_dma_latency" in files)
        assert state() == before
        print(sorted(what for what, granted in held.items() if granted))
        """
    )
    if "[]" in printed:
        pytest.skip("this system grants none of them; that they are refused is shown")


def test_a_process_without_capabilities_is_told_what_was_refused_and_runs_pinned():
    printed = run(
        WITHOUT_CAPABILITIES
        + dedent(
            """
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                with CpuPinning([CPU], lock_memory=True, realtime_priority=1) as pinning:
                    assert [hold.granted for hold in pinning.holds] == [False, False]
                    assert state()[:3] == before[:3]
                    assert os.sched_getaffinity(0) == {CPU}
            assert state() == before
            assert [warning.filename for warning in told] == ["<string>"], told
            print(told[0].message)
            """
        )
    )
    first, second = printed.splitlines()
    assert first.startswith("lock_memory was refused: Cannot allocate memory: RLIMIT_MEMLOCK is 64 KiB")
    assert second.startswith("realtime_priority was refused: Operation not permitted for thread 'MainThread'")

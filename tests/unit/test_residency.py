import ctypes
import errno
import struct
from pathlib import Path

import pytest

from latencykit.engine.residency import MCL_CURRENT, MCL_FUTURE, CpuLatency, Hold, MemoryLock, Policy, RealTime


class FakeMemory:
    """A C library that locks what /proc/self/status says, or refuses with an error's number."""

    def __init__(self, root, locked_kib=0):
        self.status, self.error, self.calls = root / "proc/self/status", 0, []
        self.status.parent.mkdir(parents=True)
        self.tell(locked_kib)

    def tell(self, locked_kib):
        self.status.write_text(f"Name:\tpython\nVmSize:\t  312000 kB\nVmLck:\t  {locked_kib} kB\n")

    def mlockall(self, flags):
        return self._done(("mlockall", flags), 312_000)

    def munlockall(self):
        return self._done(("munlockall",), 0)

    def _done(self, call, locked_kib):
        self.calls.append(call)
        if self.error:
            ctypes.set_errno(self.error)
            return -1
        self.tell(locked_kib)
        return 0


@pytest.fixture
def library(tmp_path):
    return FakeMemory(tmp_path)


def test_memory_is_locked_until_the_last_owner_gives_it_back(library, tmp_path):
    lock = MemoryLock(library, tmp_path, "linux")
    hold = lock.take("a")
    assert hold.granted
    assert "312,000 KiB are locked" in hold.reason
    assert lock.take("b").granted
    assert lock.give_back("a") is None
    assert library.calls == [("mlockall", MCL_CURRENT | MCL_FUTURE)]
    assert lock.give_back("b") is None
    assert lock.give_back("b") is None
    assert library.calls[1:] == [("munlockall",)]


def test_a_refused_lock_says_what_the_limit_is_and_is_not_unlocked(library, tmp_path):
    library.error = errno.ENOMEM
    lock = MemoryLock(library, tmp_path, "linux")
    hold = lock.take("a")
    assert not hold.granted
    assert "Cannot allocate memory: RLIMIT_MEMLOCK is" in hold.reason
    assert "312,000 KiB are mapped" in hold.reason
    assert "CAP_IPC_LOCK" in hold.remedy
    assert lock.give_back("a") is None
    assert [name for name, *_ in library.calls] == ["mlockall"]


def test_what_somebody_else_had_locked_stays_locked_and_it_is_said(library, tmp_path):
    library.tell(4)
    lock = MemoryLock(library, tmp_path, "linux")
    lock.take("a")
    assert "stays locked: somebody else" in lock.give_back("a")
    assert [name for name, *_ in library.calls] == ["mlockall"]


def test_a_lock_that_cannot_be_undone_is_told(library, tmp_path):
    lock = MemoryLock(library, tmp_path, "linux")
    lock.take("a")
    library.error = errno.EPERM
    assert lock.give_back("a") == "memory stays locked (Operation not permitted)"


def test_a_forked_child_has_nothing_to_unlock(library, tmp_path):
    lock = MemoryLock(library, tmp_path, "linux")
    lock.take("a")
    lock.forget()
    assert lock.give_back("a") is None
    assert [name for name, *_ in library.calls] == ["mlockall"]


def test_other_systems_do_not_lock(library, tmp_path):
    assert not MemoryLock(library, tmp_path, "win32").take("a").granted
    assert library.calls == []


def test_the_latency_file_is_open_with_a_zero_until_it_is_given_back(tmp_path):
    path = tmp_path / "cpu_dma_latency"
    path.touch()
    latency = CpuLatency(path)
    assert latency.take().granted
    assert path.read_bytes() == struct.pack("=i", 0)
    assert str(path) in open_files()
    latency.give_back()
    latency.give_back()
    assert str(path) not in open_files()


def test_a_latency_file_that_is_not_there_or_not_ours(tmp_path):
    missing = CpuLatency(tmp_path / "missing").take()
    assert not missing.granted
    assert "No such file" in missing.reason
    assert "container" in missing.remedy
    folder = CpuLatency(tmp_path).take()
    assert not folder.granted
    assert "run as root" in folder.remedy


def test_a_latency_file_that_takes_no_request_is_closed():
    before = open_files()
    assert not CpuLatency(path=type("Full", (), {"__fspath__": lambda _: "/dev/full"})()).take().granted
    assert open_files() == before


def open_files():
    return sorted(str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.exists())


@pytest.mark.parametrize(
    ("runtime", "words"), [("950000", "950,000 of every 1,000,000 µs"), ("-1", ""), ("?", ""), (None, "")]
)
def test_a_granted_priority_tells_what_the_kernel_takes_away(runtime, words, tmp_path):
    folder = tmp_path / "proc/sys/kernel"
    folder.mkdir(parents=True)
    (folder / "sched_rt_period_us").write_text("1000000\n")
    if runtime is not None:
        (folder / "sched_rt_runtime_us").write_text(runtime + "\n")
    hold = RealTime(root=tmp_path).granted(Policy(1, 9), "hot")
    assert hold.granted
    assert hold.reason.startswith("thread 'hot' runs under SCHED_FIFO at priority 9")
    assert words in hold.reason
    assert bool(hold.remedy) == bool(words)


def test_a_hold_reads_as_a_sentence():
    assert str(Hold("lock_memory", granted=True, reason="it is")) == "lock_memory was granted: it is"
    refused = Hold("lock_memory", granted=False, reason="it is not", remedy="ask")
    assert str(refused) == "lock_memory was refused: it is not; ask"

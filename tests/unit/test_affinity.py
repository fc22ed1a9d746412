"""The systems that pin in another way than Linux, with stand-ins for their libraries."""

import ctypes
import os
import threading
from types import SimpleNamespace

import pytest

from latencykit.engine import CpuPinning, affinity, pinned_threads
from latencykit.engine.affinity import ThreadId, affinity_of
from latencykit.engine.affinity_macos import MacPriority, ServiceClass
from latencykit.engine.affinity_windows import GroupAffinity, GroupMask, WindowsAffinity
from latencykit.engine.pinned_threads import PinnedThreads
from latencykit.engine.residency import RealTime
from latencykit.errors import InvalidValueError, LatencykitWarning, UnsupportedError


class FakeKernel32:
    """Threads with a creation time, a mask, and whether they run; a handle is the thread's number plus 1000."""

    def __init__(self):
        self.masks, self.created, self.ended, self.handles = {}, {}, set(), 0

    def start(self, number, created):
        self.masks[number], self.created[number] = GroupMask(1, 0b1111), created

    def OpenThread(self, access, inherit, number):  # noqa: N802
        assert access == 0x100060
        if number not in self.masks:
            return 0
        self.handles += 1
        return number + 1000

    def CloseHandle(self, handle):  # noqa: N802
        self.handles -= 1
        return 1

    def GetThreadTimes(self, handle, created, *others):  # noqa: N802
        pointed_at(created, ctypes.c_uint64).value = self.created[handle - 1000]
        return 1

    def WaitForSingleObject(self, handle, milliseconds):  # noqa: N802
        assert milliseconds == 0
        return 0 if handle - 1000 in self.ended else 0x102

    def GetThreadGroupAffinity(self, handle, found):  # noqa: N802
        affinity = pointed_at(found, GroupAffinity)
        affinity.group, affinity.mask = self.masks[handle - 1000]
        return 1

    def SetThreadGroupAffinity(self, handle, wanted, previous):  # noqa: N802
        assert previous is None
        affinity = pointed_at(wanted, GroupAffinity)
        if affinity.mask & ~0b1111:
            return 0
        self.masks[handle - 1000] = GroupMask(affinity.group, affinity.mask)
        return 1


class FakeMacLibrary:
    """The class of each thread."""

    def __init__(self):
        self.classes, self.error = {}, 0

    def pthread_self(self):
        return threading.get_ident()

    def pthread_get_qos_class_np(self, thread, number, relative):
        found = self.classes.get(thread, ServiceClass(0x15, 0))
        pointed_at(number, ctypes.c_uint32).value = found.number
        pointed_at(relative, ctypes.c_int).value = found.relative
        return 0

    def pthread_set_qos_class_self_np(self, number, relative):
        if not self.error:
            self.classes[threading.get_ident()] = ServiceClass(number, relative)
        return self.error


def pointed_at(reference, kind):
    return ctypes.cast(reference, ctypes.POINTER(kind)).contents


def take_the_place(monkeypatch, affinity):
    threads = PinnedThreads(affinity, RealTime(SimpleNamespace()))
    monkeypatch.setattr(pinned_threads, "_process", threads)


@pytest.fixture
def kernel32(monkeypatch):
    library = FakeKernel32()
    library.start(threading.get_native_id(), 77)
    process = SimpleNamespace(cpu_affinity=lambda: [0, 1, 2, 3])
    take_the_place(monkeypatch, WindowsAffinity(library, process))
    yield library
    assert library.handles == 0


@pytest.fixture
def mac(monkeypatch):
    library = FakeMacLibrary()
    take_the_place(monkeypatch, MacPriority(library, cpu_count=2))
    return library


def test_windows_pins_within_the_group_and_gives_the_mask_back(kernel32):
    own = threading.get_native_id()
    kernel32.masks[own] = GroupMask(1, 0b0110)
    with CpuPinning([3]) as pinning:
        assert kernel32.masks[own] == GroupMask(1, 0b1000)
        assert pinning.siblings(3) == frozenset()
    assert kernel32.masks[own] == GroupMask(1, 0b0110)


def test_windows_refuses_a_cpu_that_the_process_may_not_use(kernel32):
    with pytest.raises(InvalidValueError, match="CPU 4 is not ours to pin to: this process may use CPUs 0-3"):
        CpuPinning([4])


def test_windows_says_which_error_it_was(kernel32, monkeypatch):
    monkeypatch.setattr(ctypes, "get_last_error", lambda: 87, raising=False)
    pinning = CpuPinning([0])
    monkeypatch.setattr(kernel32, "SetThreadGroupAffinity", lambda *_: 0)
    with pytest.raises(InvalidValueError, match=r"CPU 0 cannot be pinned to \(Windows error 87\); choose another"):
        pinning.pin_current_thread(0)


@pytest.mark.parametrize("fate", ["ended", "gone", "another"])
def test_windows_passes_over_a_thread_that_has_ended(fate, kernel32):
    own = threading.get_native_id()
    pinning = CpuPinning([0])
    pinning.pin_current_thread(0)
    if fate == "ended":
        kernel32.ended.add(own)
    elif fate == "gone":
        del kernel32.masks[own]
    else:
        kernel32.created[own] = 78
    pinning.restore()
    assert kernel32.masks.get(own, GroupMask(1, 1)) == GroupMask(1, 1)


def test_windows_names_what_could_not_be_given_back(kernel32):
    def give_two(handle, wanted, previous):
        kernel32.masks[handle - 1000] = GroupMask(1, 0b11)
        return 1

    pinning = CpuPinning([0])
    pinning.pin_current_thread(0)
    kernel32.SetThreadGroupAffinity = give_two
    with pytest.warns(LatencykitWarning, match="had CPUs 0-3 of processor group 1 and got only CPUs 0-1"):
        pinning.restore()


def test_macos_raises_the_class_and_says_that_it_does_not_pin(mac):
    own = threading.get_ident()
    with pytest.warns(LatencykitWarning, match="pinning was refused: macOS cannot pin a thread to a CPU; .* instead"):
        pinning = CpuPinning([1]).__enter__()
    assert mac.classes[own] == ServiceClass(0x21, 0)
    assert [(hold.what, hold.granted) for hold in pinning.holds] == [("pinning", False)]
    pinning.restore()
    assert mac.classes[own] == ServiceClass(0x15, 0)


@pytest.mark.filterwarnings("ignore:pinning was refused")
def test_macos_names_a_thread_that_has_to_restore_itself(mac):
    pinning = CpuPinning([0])
    pinning.pin_current_thread(0)
    told = []

    def restore():
        with pytest.warns(LatencykitWarning) as warned:
            pinning.restore()
        told.extend(str(warning.message) for warning in warned)

    thread = threading.Thread(target=restore)
    thread.start()
    thread.join()
    (sentence,) = told
    assert "'MainThread' stays as it is and does not get quality-of-service class 0x15 at 0 back" in sentence
    assert "only the thread itself can change its class" in sentence


@pytest.mark.filterwarnings("ignore:pinning was refused")
def test_macos_keeps_two_threads_apart_as_other_systems_do(mac):
    refused = []

    def pin():
        with pytest.raises(InvalidValueError, match="CPU 0 has thread 'MainThread'"):
            CpuPinning([0]).pin_current_thread(0)
        refused.append(True)

    with CpuPinning([0]):
        thread = threading.Thread(target=pin)
        thread.start()
        thread.join()
    assert refused


def test_macos_says_that_a_cpu_does_not_exist_or_that_the_class_was_refused(mac):
    with pytest.raises(InvalidValueError, match="CPU 2 does not exist: this machine has CPUs 0-1"):
        CpuPinning([2])
    mac.error = 1
    with pytest.raises(InvalidValueError, match=r"cannot be pinned to \(Operation not permitted\)"):
        CpuPinning([0]).pin_current_thread(0)
    assert MacPriority(mac, 2).siblings(0) == frozenset()
    assert not MacPriority(mac, 2).runs(ThreadId(2**62, 0))


@pytest.mark.filterwarnings("ignore:pinning was refused")
@pytest.mark.parametrize("option", [{"lock_memory": True}, {"realtime_priority": 1}])
def test_what_only_linux_has_is_refused_elsewhere(option, mac, monkeypatch):
    from latencykit.engine import pinning
    from latencykit.engine.residency import MemoryLock

    monkeypatch.setattr(pinning, "_memory", MemoryLock(system="darwin"))
    with CpuPinning([0], **option) as pinned:
        (hold,) = [hold for hold in pinned.holds if hold.what in option]
    assert not hold.granted
    assert "only Linux does" in hold.reason


def test_each_system_gets_its_own_way(monkeypatch):
    monkeypatch.setattr("latencykit.engine.affinity_windows._load_kernel32", FakeKernel32)
    monkeypatch.setattr("latencykit.engine.affinity_macos._load_libc", FakeMacLibrary)
    assert isinstance(affinity_of("win32"), WindowsAffinity)
    assert isinstance(affinity_of("darwin"), MacPriority)
    assert isinstance(affinity_of("linux"), affinity.LinuxAffinity)
    monkeypatch.delattr(os, "sched_setaffinity")
    with pytest.raises(UnsupportedError, match="run without pinning"):
        affinity_of("sunos5")

"""Windows: affinity per thread within its processor group, through kernel32; the process's CPUs through psutil.

Written from the documentation of the Win32 API and tested against stand-ins for it, not on Windows.
"""

import ctypes
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from latencykit.engine.affinity import ThreadId
from latencykit.engine.cpu_lists import format_cpus

_THREAD_SET_INFORMATION = 0x0020
_THREAD_QUERY_INFORMATION = 0x0040
_SYNCHRONIZE = 0x00100000
_ACCESS = _THREAD_SET_INFORMATION | _THREAD_QUERY_INFORMATION | _SYNCHRONIZE
_WAIT_TIMEOUT = 0x102


class GroupMask(NamedTuple):
    """The CPUs of a thread: a bit for each, within one processor group of up to 64."""

    group: int
    mask: int


class GroupAffinity(ctypes.Structure):
    """GROUP_AFFINITY of winnt.h."""

    _fields_ = (("mask", ctypes.c_size_t), ("group", ctypes.c_uint16), ("reserved", ctypes.c_uint16 * 3))


class WindowsAffinity:
    """SetThreadGroupAffinity, which takes a thread and returns what it had.

    Args:
        kernel32: The library; None loads it.
        process: What has `cpu_affinity()`; None for psutil's view of this process.
    """

    substitute = ""

    def __init__(self, kernel32: Any = None, process: Any = None) -> None:
        self._kernel32 = _load_kernel32() if kernel32 is None else kernel32
        self._process = _this_process() if process is None else process

    def usable(self, _before: Iterable[GroupMask]) -> frozenset[int]:
        """Return the CPUs of the process, which bound those of each of its threads."""
        return frozenset(self._process.cpu_affinity())

    def why_not(self, core: int, usable: frozenset[int]) -> str:
        """Name the CPUs of the process."""
        return (
            f"CPU {core} is not ours to pin to: this process may use CPUs {format_cpus(usable)}; choose from those, "
            "or start it with more (start /affinity)"
        )

    def current(self) -> ThreadId:
        """Return the calling thread by number and creation time."""
        number = threading.get_native_id()
        with self._opened(number) as handle:
            return ThreadId(number, self._created(handle))

    def runs(self, thread: ThreadId) -> bool:
        """Tell whether the number still belongs to the thread that had it, and that has not ended."""
        try:
            with self._opened(thread.number) as handle:
                same = self._created(handle) == thread.started
                return same and bool(self._kernel32.WaitForSingleObject(handle, 0) == _WAIT_TIMEOUT)
        except OSError:
            return False

    def read(self, thread: ThreadId) -> GroupMask:
        """Return the group and the mask of a thread."""
        found = GroupAffinity()
        with self._opened(thread.number) as handle:
            self._check(self._kernel32.GetThreadGroupAffinity(handle, ctypes.byref(found)))
        return GroupMask(found.group, found.mask)

    def only(self, core: int) -> GroupMask:
        """Return the mask of this CPU in the group that the calling thread is in."""
        return GroupMask(self.read(self.current()).group, 1 << core)

    def write(self, thread: ThreadId, cpus: GroupMask) -> None:
        """Set the group and the mask of a thread."""
        wanted = GroupAffinity(mask=cpus.mask, group=cpus.group)
        with self._opened(thread.number) as handle:
            self._check(self._kernel32.SetThreadGroupAffinity(handle, ctypes.byref(wanted), None))

    def describe(self, cpus: GroupMask) -> str:
        """Write the bits of the mask as a list."""
        listed = format_cpus(bit for bit in range(cpus.mask.bit_length()) if cpus.mask >> bit & 1)
        return f"CPUs {listed} of processor group {cpus.group}"

    def siblings(self, _core: int) -> frozenset[int]:
        """Return nothing: which CPUs share a core is not read here."""
        return frozenset()

    @contextmanager
    def _opened(self, number: int) -> Iterator[int]:
        handle = self._kernel32.OpenThread(_ACCESS, 0, number)
        self._check(handle)
        try:
            yield handle
        finally:
            self._kernel32.CloseHandle(handle)

    def _created(self, handle: int) -> int:
        """Return when a thread was created, in steps of 100 ns since 1601."""
        times = [ctypes.c_uint64() for _ in range(4)]  # of creation, of exit, in the kernel, in user code
        self._check(self._kernel32.GetThreadTimes(handle, *map(ctypes.byref, times)))
        return times[0].value

    def _check(self, result: object) -> None:
        if not result:
            code = getattr(ctypes, "get_last_error", int)()
            raise OSError(code, f"Windows error {code}")


def _load_kernel32() -> Any:
    library = getattr(ctypes, "WinDLL")("kernel32", use_last_error=True)  # noqa: B009 - exists on Windows alone
    library.OpenThread.restype = ctypes.c_void_p
    library.OpenThread.argtypes = (ctypes.c_uint32, ctypes.c_int, ctypes.c_uint32)
    for name in ("CloseHandle", "WaitForSingleObject", "GetThreadTimes"):
        getattr(library, name).restype = ctypes.c_uint32
    library.CloseHandle.argtypes = (ctypes.c_void_p,)
    library.WaitForSingleObject.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    library.GetThreadTimes.argtypes = (ctypes.c_void_p,) * 5
    library.GetThreadGroupAffinity.argtypes = (ctypes.c_void_p,) * 2
    library.SetThreadGroupAffinity.argtypes = (ctypes.c_void_p,) * 3
    return library


def _this_process() -> Any:
    import psutil  # type: ignore[import-untyped]

    return psutil.Process()

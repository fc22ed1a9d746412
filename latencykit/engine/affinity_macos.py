"""macOS: no thread can be pinned there; it gets the highest quality-of-service class instead.

Written from pthread/qos.h and tested against stand-ins for it, not on macOS.
"""

import ctypes
import errno
import os
import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

from latencykit.engine.affinity import ThreadId
from latencykit.engine.cpu_lists import format_cpus

_USER_INTERACTIVE = 0x21  # QOS_CLASS_USER_INTERACTIVE of sys/qos.h


class ServiceClass(NamedTuple):
    """The quality-of-service class of a thread and its priority within it, -15 to 0."""

    number: int
    relative: int


class MacPriority:
    """pthread_set_qos_class_self_np, which a thread can call for itself alone.

    Args:
        libc: The library; None loads it.
        cpu_count: How many CPUs there are; None asks the system.
    """

    substitute = (
        "macOS cannot pin a thread to a CPU; the thread has the highest quality-of-service class instead, "
        "and the system still chooses its CPU"
    )

    def __init__(self, libc: Any = None, cpu_count: int | None = None) -> None:
        self._libc = _load_libc() if libc is None else libc
        self._cpus = frozenset(range(cpu_count or os.cpu_count() or 1))

    def usable(self, _before: Iterable[ServiceClass]) -> frozenset[int]:
        """Return all CPUs."""
        return self._cpus

    def why_not(self, core: int, usable: frozenset[int]) -> str:
        """Name the CPUs of the machine."""
        return f"CPU {core} does not exist: this machine has CPUs {format_cpus(usable)}; choose from those"

    def current(self) -> ThreadId:
        """Return the calling thread; macOS does not use a number again."""
        return ThreadId(threading.get_native_id(), 0)

    def runs(self, thread: ThreadId) -> bool:
        """Tell whether Python still knows the thread."""
        return any(known.native_id == thread.number for known in threading.enumerate())

    def read(self, thread: ThreadId) -> ServiceClass:
        """Return the class of the calling thread."""
        self._refuse_others(thread)
        number, relative = ctypes.c_uint32(), ctypes.c_int()
        self._check(
            self._libc.pthread_get_qos_class_np(self._libc.pthread_self(), ctypes.byref(number), ctypes.byref(relative))
        )
        return ServiceClass(number.value, relative.value)

    def only(self, _core: int) -> ServiceClass:
        """Return the highest class, whichever CPU is wanted."""
        return ServiceClass(_USER_INTERACTIVE, 0)

    def write(self, thread: ThreadId, cpus: ServiceClass) -> None:
        """Set the class of the calling thread."""
        self._refuse_others(thread)
        self._check(self._libc.pthread_set_qos_class_self_np(cpus.number, cpus.relative))

    def describe(self, cpus: ServiceClass) -> str:
        """Write the class as its number."""
        return f"quality-of-service class {cpus.number:#x} at {cpus.relative}"

    def siblings(self, _core: int) -> frozenset[int]:
        """Return nothing: a thread cannot be kept from a CPU's sibling."""
        return frozenset()

    def _refuse_others(self, thread: ThreadId) -> None:
        if thread.number != threading.get_native_id():
            raise OSError(errno.EPERM, "on macOS only the thread itself can change its class; call restore() there")

    def _check(self, error: int) -> None:
        if error:
            raise OSError(error, os.strerror(error))


def _load_libc() -> Any:
    library = ctypes.CDLL(None)
    library.pthread_self.restype = ctypes.c_void_p
    library.pthread_get_qos_class_np.argtypes = (ctypes.c_void_p,) * 3
    library.pthread_set_qos_class_self_np.argtypes = (ctypes.c_uint32, ctypes.c_int)
    return library

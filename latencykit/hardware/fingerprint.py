"""One short word for the machine, equal where figures may be compared."""

import hashlib
import json
import math
from typing import Any

import msgspec

from latencykit.environment import Cpu, Memory, OperatingSystem, PythonBuild

_GIB = 1024**3


def fingerprint_of(
    cpu: Cpu, memory: Memory, system: OperatingSystem, python: PythonBuild, *, virtualized: bool | None
) -> str:
    """Return 16 hexadecimal digits, equal for two machines whose figures may be compared.

    Taken in: the CPU's model, architecture, cores, instruction sets, caches and governor; memory rounded to
    the size fitted; whether a hypervisor is there, and which; the kernel's name and first two numbers; the
    whole Python version and its build. Left out, because they change from minute to minute or with whoever
    starts the run: the clock's rate, free space and memory, log folder, affinity, quota, container, paths.
    """
    alike: dict[str, Any] = {
        "cpu": [
            cpu.model,
            cpu.architecture,
            cpu.physical_cores,
            cpu.logical_cores,
            sorted(cpu.isa),
            cpu.governor,
        ],
        "caches": [msgspec.to_builtins(cache) for cache in cpu.caches],
        "memory_gib": None if memory.total_bytes is None else fitted_gib(memory.total_bytes),
        "machine": [virtualized, system.hypervisor, system.name, kernel_series(system.kernel)],
        "python": [python.implementation, python.version, python.compiler, python.optimised],
        "build": [python.profile_guided, python.link_time, python.debug, python.gil],
    }
    return hashlib.sha256(json.dumps(alike, sort_keys=True).encode()).hexdigest()[:16]


def fitted_gib(total_bytes: int) -> float:
    """Return the memory fitted, rounded up by steps of a quarter of the power of two below.

    What the kernel keeps differs from version to version, on large machines by more than a GiB: 15.3 and 15.6
    GiB are both 16, 62.4 and 62.8 both 64.
    """
    gib = max(total_bytes, 1) / _GIB
    step = 2.0 ** (math.floor(math.log2(gib)) - 2)
    return math.ceil(gib / step) * step


def kernel_series(release: str | None) -> str | None:
    """Return the first two numbers of a kernel's release: ``6.1`` of ``6.1.0-18-amd64``."""
    return None if release is None else ".".join(release.split("-")[0].split(".")[:2])

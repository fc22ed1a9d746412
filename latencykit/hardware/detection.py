"""Put the parts together: everything about this machine that a figure depends on."""

import os
import platform
from pathlib import Path
from typing import TypeVar

import msgspec

from latencykit.environment import Clock, Cpu, Environment, Memory, Storage
from latencykit.hardware.advice import warnings_of
from latencykit.hardware.clock import complete_clock, measured_clock
from latencykit.hardware.cpu import parse_cpuinfo, read_cpu
from latencykit.hardware.fingerprint import fingerprint_of
from latencykit.hardware.memory import locked_limit, read_memory
from latencykit.hardware.mounts import read_mounts
from latencykit.hardware.python_build import read_python
from latencykit.hardware.reading import read_text
from latencykit.hardware.storage import read_storage
from latencykit.hardware.system import read_kernel, read_system
from latencykit.hardware.tiers import Rating, rate_cpu, rate_memory, rate_storage
from latencykit.hardware.virtualization import read_virtualization

Part = TypeVar("Part", Cpu, Memory, Storage)


def detect(log_folder: Path, clock: Clock | None = None, *, root: Path = Path("/")) -> Environment:
    """Detect what this machine is.

    What cannot be read is None, and never an error. No subprocess is run and nothing is written.

    Args:
        log_folder: The folder whose storage counts; it need not exist.
        clock: The clock that samples are taken with; by default the native core's, measured now.
        root: Where to look for ``proc``, ``sys``, ``etc`` and ``run``, for the trees of other machines.
    """
    info = parse_cpuinfo(read_text(root / "proc/cpuinfo"))
    mounts = read_mounts(root)
    kernel = read_kernel(root)
    machine = read_virtualization(root, info, kernel)
    cpu = read_cpu(root, info, platform.machine() or None, _allowed_cpus())
    memory = read_memory(root, locked_limit())
    storage = read_storage(log_folder, root, mounts, virtualized=machine.virtualized)
    system = read_system(root, mounts, os.environ, kernel, machine.hypervisor)
    python = read_python()
    clock = complete_clock(measured_clock() if clock is None else clock, root, info)
    return Environment(
        cpu=_rated(cpu, rate_cpu(cpu)),
        memory=_rated(memory, rate_memory(memory)),
        storage=_rated(storage, rate_storage(storage)),
        os=system,
        python=python,
        clock=clock,
        virtualized=machine.virtualized,
        fingerprint=fingerprint_of(cpu, memory, system, python, virtualized=machine.virtualized),
        warnings=warnings_of(cpu, storage, system, python, clock, virtualized=machine.virtualized),
    )


def _rated(part: Part, rating: Rating) -> Part:
    return msgspec.structs.replace(part, tier=rating.tier, tier_reason=rating.reason)


def _allowed_cpus() -> set[int]:
    """Return the CPUs that this process may run on; none where the system has no affinity (macOS)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return set() if affinity is None else affinity(0)

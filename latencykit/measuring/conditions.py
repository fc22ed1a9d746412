"""The conditions that a measurement is made under, each put back as it was: one CPU, and the collector's state."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

from latencykit.errors import UsageError
from latencykit.suite import GcPolicy


def allowed_cpus() -> frozenset[int]:
    """Return the CPUs that this thread may run on; empty where the system does not tell."""
    if not hasattr(os, "sched_getaffinity"):
        return frozenset()
    return frozenset(os.sched_getaffinity(0))


def choose_cpu(wanted: int | None) -> int | None:
    """Return the CPU to measure on.

    Args:
        wanted: A CPU number, or None for the highest allowed one (the lowest serves most interrupts).

    Returns:
        A CPU number, or None where threads cannot be pinned.

    Raises:
        UsageError: The wanted CPU does not exist or is not ours to use.
    """
    allowed = allowed_cpus()
    if wanted is None:
        return max(allowed, default=None)
    if wanted not in allowed:
        names = ", ".join(map(str, sorted(allowed))) or "none (this system cannot pin threads)"
        raise UsageError(f"CPU {wanted} is not ours to pin; the allowed CPUs are: {names}")
    return wanted


@contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """Run the calling thread on one CPU and give it back its former set; None leaves it alone.

    Raises:
        UsageError: The CPU is not ours to pin, or no longer.
    """
    if cpu is None:
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError as error:
        raise UsageError(f"CPU {cpu} cannot be pinned to: {error.strerror}; choose another with --cpu") from error
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def collector(policy: GcPolicy) -> Iterator[None]:
    """Collect once, then keep the cyclic garbage collector off or on, and restore its state."""
    before = gc.isenabled()
    gc.collect()
    if policy == "off":
        gc.disable()
    else:
        gc.enable()
    try:
        yield
    finally:
        if before:
            gc.enable()
        else:
            gc.disable()

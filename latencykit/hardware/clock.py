"""Read the kernel's clock source, and join it to what the native clock says of itself."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from latencykit.environment import Clock
from latencykit.hardware.cpu import CpuInfo, cpu_flags, is_x86
from latencykit.hardware.reading import parse_positive, read_text


def complete_clock(clock: Clock, root: Path, info: CpuInfo) -> Clock:
    """Complete a clock with what the kernel says of its own clock source and of the TSC.

    Args:
        clock: The clock that samples are taken with; what it knows of itself stays.
        root: The root of the tree that holds ``sys``.
        info: The parsed /proc/cpuinfo.
    """
    source = read_text(root / "sys/devices/system/clocksource/clocksource0/current_clocksource")
    invariant = clock.invariant if clock.invariant is not None else has_invariant_tsc(info)
    return msgspec.structs.replace(clock, invariant=invariant, kernel_clocksource=clock.kernel_clocksource or source)


def measured_clock() -> Clock:
    """Return the clock that samples are taken with, as the native core finds it on this machine."""
    from latencykit import _core  # here, because it loads numpy

    # The native core obeys the same word when it chooses its clock.
    return clock_of(_core.clock_info())


def clock_of(measured: Mapping[str, object]) -> Clock:
    """Turn what the native clock says of itself into a `Clock`.

    Args:
        measured: ``source`` ("tsc" or "monotonic"), ``frequency_hz``, ``resolution_ns``, ``invariant``
            and ``forced``; what is missing is unknown, or False.
    """
    invariant = measured.get("invariant")
    return Clock(
        source=str(measured.get("source") or "unknown"),
        frequency_hz=_positive(measured.get("frequency_hz")),
        resolution_ns=_positive(measured.get("resolution_ns")),
        invariant=None if invariant is None else bool(invariant),
        forced=bool(measured.get("forced")),
    )


def has_invariant_tsc(info: CpuInfo) -> bool | None:
    """Return whether the TSC runs at one rate and in every sleep state; None on a CPU that has no TSC.

    The kernel splits CPUID 8000_0007 EDX[8] into constant_tsc, for changes of frequency, and nonstop_tsc, for
    C-states (arch/x86/kernel/cpu/intel.c and amd.c).
    """
    return {"constant_tsc", "nonstop_tsc"} <= cpu_flags(info) if is_x86(info) else None


def _positive(value: object) -> float | None:
    return parse_positive(str(value)) if isinstance(value, int | float) else None

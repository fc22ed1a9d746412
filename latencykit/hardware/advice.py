"""Say what about this machine makes its figures worse or less certain, and what to do about it."""

from collections.abc import Iterable, Iterator

from latencykit.environment import Clock, Cpu, OperatingSystem, PythonBuild, Storage

# Clock sources that are read without a system call and without going through the hypervisor.
_GOOD_CLOCKSOURCES = {"tsc", "arch_sys_counter"}


def warnings_of(
    cpu: Cpu,
    storage: Storage,
    system: OperatingSystem,
    python: PythonBuild,
    clock: Clock,
    *,
    virtualized: bool | None,
) -> list[str]:
    """Return the warnings, each a fact and its remedy in plain sentences; the unknown gives none."""
    parts: Iterable[Iterator[str]] = (
        _machine(system, virtualized=virtualized),
        _cpu(cpu),
        _quota(cpu, system),
        _python(python),
        _clock(clock),
        _storage(storage),
    )
    return [sentence for part in parts for sentence in part]


def _machine(system: OperatingSystem, *, virtualized: bool | None) -> Iterator[str]:
    if virtualized:
        named = f" ({system.hypervisor})" if system.hypervisor else ""
        yield (
            f"This is a virtual machine{named}: the host can take its CPUs away unseen. "
            "Take figures that decide something on a machine of your own, or repeat them at other hours."
        )
    if system.hypervisor == "wsl1":
        yield "WSL 1 translates system calls and has no Linux kernel. Measure under WSL 2 or on Linux itself."


def _cpu(cpu: Cpu) -> Iterator[str]:
    if cpu.governor not in {None, "performance"}:
        yield (
            f"The CPU frequency governor is {cpu.governor}, so the clock may follow the load. "
            "Set it with: sudo cpupower frequency-set -g performance"
        )
    if len(cpu.allowed_cpus) == 1:
        yield (
            f"This process may use CPU {cpu.allowed_cpus[0]} alone, which it shares with everything that it "
            "measures beside it. Allow at least 2 CPUs (taskset, cpuset, or the container's --cpuset-cpus)."
        )


def _quota(cpu: Cpu, system: OperatingSystem) -> Iterator[str]:
    quota, allowed = system.cpu_quota, len(cpu.allowed_cpus)
    if quota is not None and allowed and quota < allowed:
        yield (
            f"A control group allows {quota:g} CPUs' worth of time on {allowed} CPUs, and stops all threads "
            "when it is used up. Give whole CPUs instead (--cpuset-cpus, or a static CPU manager), or "
            "raise the quota."
        )
    if system.throttled_periods:
        periods = "period" if system.throttled_periods == 1 else "periods"
        yield (
            f"The CPU quota has already stopped this control group in {system.throttled_periods} {periods}. "
            "Raise the quota, or run fewer things beside the measurement."
        )


def _python(python: PythonBuild) -> Iterator[str]:
    if python.debug:
        yield "This Python is a debug build, several times slower. Measure with a release build."
    elif python.optimised is False:
        yield "This Python was compiled unoptimised. Rebuild it with ./configure --enable-optimizations."


def _clock(clock: Clock) -> Iterator[str]:
    if clock.source == "monotonic":
        why = "as LATENCYKIT_CLOCK=monotonic asks" if clock.forced else "for want of an invariant TSC"
        yield (
            f"Samples are taken with the system clock, {why}: a reading costs tens of nanoseconds, so the figures of "
            "single calls are coarse. For figures to be quoted use the TSC: unset LATENCYKIT_CLOCK on a CPU that has "
            "an invariant one."
        )
    elif clock.invariant is False:
        yield (
            "This CPU shows no invariant TSC, so its ticks cannot be trusted as time. "
            "Use the monotonic clock, or give a virtual machine a CPU type that shows it (such as host)."
        )
    if clock.kernel_clocksource is not None and clock.kernel_clocksource not in _GOOD_CLOCKSOURCES:
        yield (
            f"The kernel's clock source is {clock.kernel_clocksource}, not tsc, so reading the time may be "
            "slow. If /sys/devices/system/clocksource/clocksource0/available_clocksource names tsc, write "
            "tsc to current_clocksource beside it."
        )


def _storage(storage: Storage) -> Iterator[str]:
    if storage.kind == "memory":
        yield (
            f"The log folder {storage.path} is in memory ({storage.filesystem}), so flush figures are not "
            "those of a disk, and logs are lost at a restart. Choose a folder on a disk."
        )
    if storage.kind == "network":
        yield (
            f"The log folder {storage.path} is on network storage ({storage.filesystem}), whose delays a "
            "flush waits for. Choose a folder on a local disk."
        )

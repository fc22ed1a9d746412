"""What is known of the machine that a figure was measured on: frozen facts, part of a run's fixed schema."""

from typing import Literal

import msgspec

Tier = Literal["below minimum", "minimum", "recommended", "optimal", "unknown"]
ClockSpeedSource = Literal["cpufreq", "model name", "tsc", "current"]
StorageKind = Literal["nvme", "ssd", "hdd", "flash", "virtual", "memory", "network"]


class Cpu(msgspec.Struct, frozen=True, kw_only=True):
    """The processor; None is what could not be read.

    Attributes:
        physical_cores: Cores online, as the kernel tells them; a guest's may take hyper-threads for cores.
        allowed_cpus: The CPUs that this process may run on; empty is unknown.
        max_mhz: The highest clock known, from `mhz_source`.
        mhz_source: ``cpufreq``: the highest that the driver may set. ``model name``: the base clock that the
            name tells. ``tsc``: the TSC's rate, usually the base clock. ``current``: the clock at that time.
            By the last three the highest clock is at least so much.
        isa: Instruction sets that figures may depend on; empty is unknown.
        caches: The caches that the first CPU sees; empty is unknown.
        governor: The frequency governor; where CPUs differ, all of them joined by ``+``.
        tier_reason: What keeps the tier from the next one.
    """

    model: str | None = None
    vendor: str | None = None
    architecture: str | None = None
    physical_cores: int | None = None
    logical_cores: int | None = None
    allowed_cpus: list[int] = []
    max_mhz: float | None = None
    mhz_source: ClockSpeedSource | None = None
    isa: list[str] = []
    caches: list["Cache"] = []
    governor: str | None = None
    tier: Tier = "unknown"
    tier_reason: str = ""


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """One cache as the kernel describes it in sysfs: its kind is data, instruction or unified."""

    level: int
    kind: str
    size_bytes: int
    line_bytes: int | None = None
    ways: int | None = None
    shared_by: int | None = None


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Main memory; a size of None could not be read, but a `locked_limit_bytes` of None is no limit."""

    total_bytes: int | None = None
    available_bytes: int | None = None
    huge_pages: str | None = None
    locked_limit_bytes: int | None = None
    tier: Tier = "unknown"
    tier_reason: str = ""


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """The storage under a folder; a kind of None is unknown, ``flash`` is an SD card or eMMC."""

    path: str
    kind: StorageKind | None = None
    device: str | None = None
    filesystem: str | None = None
    free_bytes: int | None = None
    tier: Tier = "unknown"
    tier_reason: str = ""


class OperatingSystem(msgspec.Struct, frozen=True, kw_only=True):
    """Kernel, container and scheduling facts.

    Attributes:
        hypervisor: What runs this virtual machine; None is none, or one that does not say its name.
        container: The kind of container; None is none.
        cpu_quota: CPUs' worth of time that the control groups allow; None is no quota, if `cpu_quota_source`
            says where that was read, else unknown.
        throttled_periods: Periods in which a control group was stopped for its quota.
    """

    name: str
    kernel: str | None = None
    distribution: str | None = None
    hypervisor: str | None = None
    container: str | None = None
    cpu_quota: float | None = None
    cpu_quota_source: str | None = None
    throttled_periods: int | None = None


class PythonBuild(msgspec.Struct, frozen=True, kw_only=True):
    """The interpreter and how it was built; None is unknown.

    Attributes:
        optimised: Whether it was compiled for speed (-O2 or -O3) and not for debugging.
        profile_guided: Whether a profile of its use guided the compiler (``--enable-optimizations``).
        link_time: Whether it was optimised as a whole when linked (``--with-lto``).
        gil: Whether the global interpreter lock is on.
    """

    implementation: str
    version: str
    compiler: str
    optimised: bool | None = None
    profile_guided: bool | None = None
    link_time: bool | None = None
    debug: bool
    gil: bool
    executable: str


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """The clock that samples are taken with, and the kernel's own clock source; None is unknown.

    Attributes:
        source: ``tsc``, the calibrated time-stamp counter, or ``monotonic``, the system clock.
        resolution_ns: Its step, as measured.
        invariant: Whether the TSC runs at one rate in every state of the CPU.
        forced: Whether the user asked for the system clock, by LATENCYKIT_CLOCK=monotonic.
    """

    source: str
    frequency_hz: float | None = None
    resolution_ns: float | None = None
    invariant: bool | None = None
    kernel_clocksource: str | None = None
    forced: bool = False


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about the machine that a figure depends on."""

    cpu: Cpu
    memory: Memory
    storage: Storage
    os: OperatingSystem
    python: PythonBuild
    clock: Clock
    virtualized: bool | None
    fingerprint: str
    warnings: list[str] = []

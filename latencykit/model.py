"""Frozen data that flows from the runner to the reports, and the fixed schema of a run on file.

The field names are those of the JSON schema ``latencykit.run/1``; every duration is in nanoseconds.
"""

from typing import Any, Literal

import msgspec

from latencykit.errors import DataError, InvalidValueError
from latencykit.units import parse_duration_ns

SCHEMA = "latencykit.run/1"

Mode = Literal["per_call", "batched", "open_loop", "cold", "first_call"]
TargetVerdictWord = Literal["met", "missed", "inconclusive"]
Fitness = Literal["fit", "noisy", "unfit"]
Tier = Literal["below minimum", "minimum", "recommended", "optimal", "unknown"]
ClockSpeedSource = Literal["cpufreq", "model name", "tsc", "current"]
StorageKind = Literal["nvme", "ssd", "hdd", "flash", "virtual", "memory", "network"]

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


class Target(msgspec.Struct, frozen=True):
    """Declare the latency that an operation must stay under.

    Args:
        statistic: One of p50, p90, p99, p999.
        limit: The limit as text with a unit (``"100ns"``) or as nanoseconds, greater than 0.
        claimed: What is said to be usual today, as text with a unit; shown beside the measured baseline.

    Raises:
        InvalidValueError: The statistic is unknown, or a duration cannot be parsed.
    """

    statistic: str
    limit: str | float
    claimed: str | None = None

    def __post_init__(self) -> None:
        if self.statistic not in QUANTILES:
            raise InvalidValueError(f"target statistic {self.statistic!r} is not one of {', '.join(QUANTILES)}")
        parse_duration_ns(self.limit)
        if self.claimed is not None:
            parse_duration_ns(self.claimed)

    @property
    def limit_ns(self) -> float:
        """The limit in nanoseconds."""
        return parse_duration_ns(self.limit)

    @property
    def claimed_ns(self) -> float | None:
        """The claimed usual figure in nanoseconds, if there is one."""
        return None if self.claimed is None else parse_duration_ns(self.claimed)


class TargetVerdict(msgspec.Struct, frozen=True):
    """A target and how the measured figure stands against it."""

    statistic: str
    limit_ns: float
    verdict: TargetVerdictWord
    reason: str = ""
    claimed_ns: float | None = None


class Samples(msgspec.Struct, frozen=True):
    """What the runner measured of one operation in one mode: gross, unjudged.

    ``batch_ns`` holds the gross duration of each batch of ``batch_size`` calls (batched mode only);
    ``histogram`` holds the gross durations of single calls (per-call) or of whole batches (batched).
    ``input_rows`` is how many rows of arguments the calls take in turn.
    """

    component: str
    variant: str
    parameters: dict[str, Any]
    mode: Mode
    count: int
    batch_size: int
    floor_ns: float
    resolution_ns: float
    histogram: str
    batch_ns: list[float] = []
    allocations_per_op: float | None = None
    allocations: dict[str, float] = {}
    gc: str = "off"
    input_rows: int = 1


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a run: one operation in one mode, net of its floor and judged against its target."""

    component: str
    variant: str
    baseline: bool
    parameters: dict[str, Any] = {}
    mode: Mode
    corrected: bool = False
    count: int
    batch_size: int = 1
    input_rows: int = 1
    gc: str = "off"
    floor_ns: float
    resolution_ns: float
    min_ns: float
    p50_ns: float | None
    p90_ns: float | None = None
    p99_ns: float | None = None
    p999_ns: float | None = None
    max_ns: float | None = None
    mean_ns: float
    p50_interval_ns: tuple[float, float] | None = None
    histogram: str
    allocations_per_op: float | None = None
    allocations: dict[str, float] = {}
    cache_hit_rate: float | None = None
    speedup_vs_baseline: float | None = None
    target: TargetVerdict | None = None

    @property
    def name(self) -> str:
        """The operation's one name: ``component/variant[key=value]``."""
        return operation_name(self.component, self.variant, self.parameters)


class Failure(msgspec.Struct, frozen=True):
    """An operation that could not be measured, and why, in a sentence.

    A peer whose package is not installed, and what this machine cannot do, is only `skipped`.
    """

    component: str
    variant: str
    parameters: dict[str, Any]
    reason: str
    detail: str = ""
    skipped: bool = False


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


class MeterReading(msgspec.Struct, frozen=True, kw_only=True):
    """One spin of the machine meter; ``cpu`` is -1 where threads cannot be pinned."""

    cpu: int
    observed_ns: int
    lost_ns: int
    count: int
    longest_ns: int
    threshold_ns: int


class Hiccups(msgspec.Struct, frozen=True, kw_only=True):
    """Time that the machine took away from a spinning core, over all meter windows of a run."""

    windows: int = 0
    observed_ns: int = 0
    lost_ns: int = 0
    count: int = 0
    longest_ns: int = 0
    threshold_ns: int = 0
    per_cpu: dict[str, float] = {}


class Validity(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the machine was fit for measuring while the run was made."""

    verdict: Fitness
    stolen_ratio: float
    hiccups: Hiccups


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run, as stored on file."""

    schema: str = SCHEMA
    id: str
    started_at: str
    argv: list[str]
    environment: Environment
    validity: Validity
    results: list[Result]
    failures: list[Failure] = []
    complete: bool = True


def operation_name(component: str, variant: str, parameters: dict[str, Any]) -> str:
    """Return an operation's one name, ``component/variant[key=value,...]``."""
    inside = ",".join(f"{key}={value}" for key, value in parameters.items())
    return f"{component}/{variant}[{inside}]" if inside else f"{component}/{variant}"


def encode_run(run: Run) -> bytes:
    """Encode a run as indented JSON of schema ``latencykit.run/1``."""
    return msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n"


def decode_run(data: bytes, name: str = "run") -> Run:
    """Decode and validate a run.

    Args:
        data: JSON text.
        name: What to call the input in an error, usually the file's path.

    Raises:
        DataError: The text is not JSON, or not a run of this schema version.
    """
    try:
        run = msgspec.json.decode(data, type=Run)
    except msgspec.MsgspecError as error:
        raise DataError(f"{name} is not a latencykit run: {error}") from error
    if run.schema != SCHEMA:
        raise DataError(f"{name} has schema {run.schema!r}; this version reads {SCHEMA!r}")
    return run

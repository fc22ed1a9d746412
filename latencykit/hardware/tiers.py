"""Rate a machine: minimum, recommended, optimal, by what it is known to have; unknown never counts as good.

Minimum is 4 cores at 3.0 GHz, 8 GB and an SSD; recommended is 8 cores at 4.0 GHz with AVX2, 16 GB and NVMe;
optimal is a CPU that is recommended and has AVX-512. Memory and storage have no optimal of their own.
The machine is rated, not the part of it that affinity or a quota leaves to this process, which is said in the
environment's warnings.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from latencykit.environment import Cpu, Environment, Memory, Storage, StorageKind, Tier

# The part of x86-64-v4 (x86-64 psABI, micro-architecture levels) that makes it AVX-512.
AVX512_CLASS = frozenset({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})

# Firmware, the kernel and a built-in GPU keep part of what is fitted: 8 GB fitted show as 7.5 to 7.8 GiB.
MEMORY_TOLERANCE = 0.10

# A "3.0 GHz" processor's TSC runs at 2.995 GHz.
CLOCK_TOLERANCE = 0.01

_GIB = 1024**3
_WORST_FIRST: tuple[Tier, ...] = ("below minimum", "unknown", "minimum", "recommended", "optimal")


@dataclass(frozen=True, slots=True)
class Rating:
    """A tier, and what keeps it from the next one; the reason is empty where no tier is higher."""

    tier: Tier
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Need:
    """One thing that a tier wants: whether the machine has it (None: unknown), and the words for when not."""

    met: bool | None
    reason: str


def rate_cpu(cpu: Cpu) -> Rating:
    """Rate the processor by its cores (hyper-threads do not count), clock and instruction sets."""
    return _rate(
        (
            ("minimum", [_cores(cpu, 4), _clock(cpu, 3.0)]),
            ("recommended", [_cores(cpu, 8), _clock(cpu, 4.0), _isa(cpu, frozenset({"avx2"}), "AVX2")]),
            ("optimal", [_isa(cpu, AVX512_CLASS, "AVX-512 (F, BW, CD, DQ, VL)")]),
        )
    )


def rate_memory(memory: Memory) -> Rating:
    """Rate main memory by its size, less 10 % for what firmware and kernel keep."""
    return _rate((("minimum", [_size(memory, 8)]), ("recommended", [_size(memory, 16)])))


def rate_storage(storage: Storage) -> Rating:
    """Rate the storage under the log folder by its kind."""
    words: dict[StorageKind | None, Rating] = {
        "nvme": Rating("recommended"),
        "ssd": Rating("minimum", "an SSD, NVMe wanted"),
        "flash": Rating("below minimum", "an SD card or eMMC, an SSD wanted"),
        "hdd": Rating("below minimum", "a hard disk, an SSD wanted"),
        "network": Rating("below minimum", "network storage, a local SSD wanted"),
        "virtual": Rating("unknown", "a virtual disk, what lies behind it cannot be seen"),
        "memory": Rating("unknown", "in memory, no disk lies under it"),
    }
    return words.get(storage.kind, Rating("unknown", "kind of storage unknown, an SSD wanted"))


def overall(environment: Environment) -> Rating:
    """Return the worst of the three tiers; unknown where one is unknown and none is below the minimum."""
    parts = {
        "CPU": rate_cpu(environment.cpu),
        "memory": rate_memory(environment.memory),
        "storage": rate_storage(environment.storage),
    }
    worst = min((rating.tier for rating in parts.values()), key=_WORST_FIRST.index)
    named = (f"{name}: {rating.reason}" for name, rating in parts.items() if rating.tier == worst and rating.reason)
    return Rating(worst, "; ".join(named))


def _rate(levels: Iterable[tuple[Tier, Sequence[_Need]]]) -> Rating:
    reached: Tier = "below minimum"
    for tier, needs in levels:
        missing = [need.reason for need in needs if not need.met]
        if missing:
            only_unknown = all(need.met is not False for need in needs)
            return Rating("unknown" if tier == "minimum" and only_unknown else reached, "; ".join(missing))
        reached = tier
    return Rating(reached)


def _cores(cpu: Cpu, wanted: int) -> _Need:
    if cpu.physical_cores is None:
        return _Need(None, f"cores unknown, {wanted} wanted")
    noun = "core" if cpu.physical_cores == 1 else "cores"
    return _Need(cpu.physical_cores >= wanted, f"{cpu.physical_cores} {noun}, {wanted} wanted")


def _clock(cpu: Cpu, wanted_ghz: float) -> _Need:
    if cpu.max_mhz is None:
        return _Need(None, f"clock unknown, {wanted_ghz} GHz wanted")
    ghz = cpu.max_mhz / 1000
    enough = ghz >= wanted_ghz * (1 - CLOCK_TOLERANCE)
    if cpu.mhz_source == "cpufreq":
        return _Need(enough, f"{ghz:.2f} GHz at most, {wanted_ghz} GHz wanted")
    # Any other source is a base or a momentary clock: the highest is at least that, how much more is unknown.
    return _Need(enough or None, f"{ghz:.2f} GHz or more (only its {_clock_name(cpu)} is known), {wanted_ghz} wanted")


def _clock_name(cpu: Cpu) -> str:
    names = {"model name": "base clock", "tsc": "TSC's rate", "current": "present clock"}
    return names.get(cpu.mhz_source or "", "clock of unknown source")


def _isa(cpu: Cpu, wanted: frozenset[str], name: str) -> _Need:
    if not cpu.isa:
        return _Need(None, f"instruction sets unknown, {name} wanted")
    return _Need(wanted <= set(cpu.isa), f"no {name}")


def _size(memory: Memory, wanted_gb: int) -> _Need:
    if memory.total_bytes is None:
        return _Need(None, f"memory unknown, {wanted_gb} GB wanted")
    enough = memory.total_bytes >= wanted_gb * _GIB * (1 - MEMORY_TOLERANCE)
    return _Need(enough, f"{memory.total_bytes / _GIB:.1f} GiB, {wanted_gb} GB wanted")

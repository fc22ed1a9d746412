"""The machine of a run in a few labelled lines, as text."""

from collections.abc import Iterable
from typing import NamedTuple

from latencykit.environment import Cache, Clock, Cpu, Environment, Memory, OperatingSystem, PythonBuild, Storage
from latencykit.model import Validity
from latencykit.units import format_ns

UNKNOWN = "unknown"


class Fact(NamedTuple):
    """A line on a part of the machine; `word`, between two texts, says whether it is good enough."""

    label: str
    text: str
    word: str = ""
    more: str = ""


def facts_of(environment: Environment, validity: Validity) -> list[Fact]:
    """Return the lines on a machine and on how fit it was while the run was made."""
    return [
        _cpu(environment.cpu),
        _memory(environment.memory),
        _storage(environment.storage),
        Fact("system", f"{_system(environment)}; {_python(environment.python)}; {_clock(environment.clock)}"),
        _fitness(validity),
    ]


def _cpu(cpu: Cpu) -> Fact:
    parts = [
        ", ".join(filter(None, [cpu.model or "unknown model", _cores(cpu), _rate(cpu)])),
        _isa(cpu.isa),
        _caches(cpu.caches),
        f"governor {cpu.governor}" if cpu.governor else "",
    ]
    return _tiered("cpu", parts, cpu.tier, cpu.tier_reason)


def _rate(cpu: Cpu) -> str:
    if not cpu.max_mhz:
        return "unknown clock rate"
    known_by = {
        "cpufreq": " at most",
        "model name": " base clock",
        "tsc": " base clock",
        "current": " at present",
    }
    return f"{cpu.max_mhz / 1000:.2f} GHz{known_by.get(cpu.mhz_source or '', '')}"


def _cores(cpu: Cpu) -> str:
    if cpu.physical_cores is None and cpu.logical_cores is None:
        return "unknown number of cores"
    cores = f"{cpu.physical_cores if cpu.physical_cores is not None else UNKNOWN} cores"
    threads = f"{cpu.logical_cores} threads" if cpu.logical_cores else ""
    allowed = len(cpu.allowed_cpus)
    ours = f"{allowed} of them ours" if allowed and allowed != cpu.logical_cores else ""
    return ", ".join(part for part in (_singular(cores), _singular(threads), ours) if part)


def _isa(flags: list[str]) -> str:
    lowered = {flag.lower() for flag in flags}
    return " ".join(flag.upper() for flag in ("avx2", "fma", "avx512f", "neon", "sve") if flag in lowered)


def _caches(caches: list[Cache]) -> str:
    holding_data = [cache for cache in caches if cache.kind.lower() != "instruction"]
    return " ".join(f"L{c.level} {bytes_text(c.size_bytes)}" for c in sorted(holding_data, key=lambda c: c.level))


def _memory(memory: Memory) -> Fact:
    pages = f"transparent huge pages {memory.huge_pages}" if memory.huge_pages else ""
    return _tiered("memory", [bytes_text(memory.total_bytes), pages], memory.tier, memory.tier_reason)


def _storage(storage: Storage) -> Fact:
    names = {
        "nvme": "NVMe",
        "ssd": "SSD",
        "hdd": "HDD",
        "virtual": "virtual disk",
        "flash": "SD card or eMMC",
    }
    kind = names.get(storage.kind or "", storage.kind or "unknown kind")
    free = f"{bytes_text(storage.free_bytes)} free" if storage.free_bytes is not None else ""
    parts = [f"{kind} under {storage.path}", storage.filesystem or "", free]
    return _tiered("storage", parts, storage.tier, storage.tier_reason)


def _system(environment: Environment) -> str:
    system = environment.os
    virtual = {
        True: system.hypervisor or "virtual machine",
        False: "bare metal",
        None: "virtualisation unknown",
    }
    named = ", ".join(part for part in (system.distribution, f"{system.name} {system.kernel or UNKNOWN}") if part)
    return ", ".join(
        part for part in (named, virtual[environment.virtualized], system.container, _quota(system)) if part
    )


def _quota(system: OperatingSystem) -> str:
    if system.cpu_quota is None:
        return "no CPU quota" if system.cpu_quota_source else "CPU quota unknown"
    throttled = f", throttled {system.throttled_periods} times" if system.throttled_periods else ""
    return f"quota {system.cpu_quota:g} CPUs{throttled}"


def _python(python: PythonBuild) -> str:
    marks = [
        "debug build" if python.debug else "",
        "" if python.gil else "no GIL",
        "not optimised" if python.optimised is False else "",
    ]
    noted = ", ".join(mark for mark in marks if mark)
    return f"{python.implementation} {python.version}" + (f" ({noted})" if noted else "")


def _clock(clock: Clock) -> str:
    name = {"tsc": "TSC", "monotonic": "the system's"}.get(clock.source, clock.source)
    rate = f" {clock.frequency_hz / 1e9:.3f} GHz" if clock.frequency_hz else ""
    doubt = {False: " not invariant", None: " not known to be invariant"} if clock.source == "tsc" else {}
    return f"clock {name}{rate}{doubt.get(clock.invariant, '')}, resolution {format_ns(clock.resolution_ns, 2)}"


def _fitness(validity: Validity) -> Fact:
    hiccups = validity.hiccups
    if not hiccups.windows:
        return Fact("fitness", "", validity.verdict, ", not metered")
    stolen = f", {validity.stolen_ratio:.1%} of a spinning core's time was taken away".replace("%", " %")
    return Fact("fitness", "", validity.verdict, f"{stolen}, longest hiccup {format_ns(hiccups.longest_ns)}")


def _tiered(label: str, parts: Iterable[str], tier: str, reason: str) -> Fact:
    why = f" ({reason})" if reason and tier in ("below minimum", UNKNOWN) else ""
    return Fact(label, f"{'; '.join(filter(None, parts))}; tier: ", tier, why)


def bytes_text(size: int | None) -> str:
    """Return a size in binary units, to three digits: ``32 KiB``, ``15.6 GiB``; None is unknown."""
    if size is None:
        return UNKNOWN
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.4g} {unit}" if value >= 1000 else f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} TiB" if value < 1000 else f"{value:.0f} TiB"


def _singular(counted: str) -> str:
    return counted.removesuffix("s") if counted.startswith("1 ") else counted

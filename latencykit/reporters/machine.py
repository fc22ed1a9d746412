"""The machine of a run in a few labelled lines, as text."""

from collections.abc import Iterable
from typing import NamedTuple

from latencykit.model import (
    Cache,
    Clock,
    Cpu,
    Environment,
    Memory,
    OperatingSystem,
    PythonBuild,
    Storage,
    Validity,
)
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
    frequency = f" at {cpu.max_mhz / 1000:.2f} GHz" if cpu.max_mhz else ""
    parts = [
        f"{cpu.model or 'unknown model'}, {_cores(cpu)}{frequency}",
        _isa(cpu.isa),
        _caches(cpu.caches),
        cpu.governor and f"governor {cpu.governor}",
    ]
    gaps = _gaps({"cores": cpu.physical_cores, "clock rate": cpu.max_mhz})
    return _tiered("cpu", parts, cpu.tier, "4 cores at 3.0 GHz", gaps)


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
    return " ".join(
        f"L{c.level} {bytes_text(c.size_bytes)}" for c in sorted(holding_data, key=lambda c: c.level)
    )


def _memory(memory: Memory) -> Fact:
    total = bytes_text(memory.total_bytes)
    pages = f"transparent huge pages {memory.huge_pages}" if memory.huge_pages else ""
    return _tiered("memory", [total, pages], memory.tier, "8 GB", _gaps({"size": memory.total_bytes}))


def _storage(storage: Storage) -> Fact:
    kind = {"nvme": "NVMe", "ssd": "SSD", "hdd": "HDD", "virtual": "virtual disk"}.get(
        storage.kind or "", storage.kind or "unknown kind"
    )
    free = f"{bytes_text(storage.free_bytes)} free" if storage.free_bytes is not None else ""
    parts = [f"{kind} under {storage.path}", storage.filesystem, free]
    return _tiered("storage", parts, storage.tier, "an SSD", "what lies below cannot be read")


def _system(environment: Environment) -> str:
    system = environment.os
    virtual = {
        True: system.hypervisor or "virtual machine",
        False: "bare metal",
        None: "virtualisation unknown",
    }
    named = ", ".join(
        part for part in (system.distribution, f"{system.name} {system.kernel or UNKNOWN}") if part
    )
    return ", ".join(
        part for part in (named, virtual[environment.virtualized], system.container, _quota(system)) if part
    )


def _quota(system: OperatingSystem) -> str:
    if system.cpu_quota is None:
        return "no CPU quota"
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
    rate = f" {clock.frequency_hz / 1e9:.3f} GHz" if clock.frequency_hz else ""
    invariant = {True: "", False: " not invariant", None: " not known to be invariant"}[clock.invariant]
    return f"clock {clock.source}{rate}{invariant}, resolution {format_ns(clock.resolution_ns, 2)}"


def _fitness(validity: Validity) -> Fact:
    hiccups = validity.hiccups
    if not hiccups.windows:
        return Fact("fitness", "", validity.verdict, ", not metered")
    stolen = f", {validity.stolen_ratio:.1%} of a spinning core's time was taken away".replace("%", " %")
    return Fact("fitness", "", validity.verdict, f"{stolen}, longest hiccup {format_ns(hiccups.longest_ns)}")


def _tiered(label: str, parts: Iterable[str | None], tier: str, minimum: str, gap: str) -> Fact:
    why = f"minimum: {minimum}" if tier == "below minimum" else gap if tier == UNKNOWN else ""
    text = "; ".join(part for part in parts if part)
    return Fact(label, f"{text}; tier: ", tier, f" ({why})" if why else "")


def _gaps(values: dict[str, object]) -> str:
    missing = [name for name, value in values.items() if value is None]
    return f"{' and '.join(missing)} cannot be read" if missing else ""


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

"""Read what processor this is: /proc/cpuinfo for its name and instructions, sysfs for its cores and clock."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from latencykit.environment import ClockSpeedSource, Cpu
from latencykit.hardware.caches import read_caches
from latencykit.hardware.reading import parse_cpu_list, parse_positive, read_names, read_text

CpuInfo = Sequence[Mapping[str, str]]

# What a vectorised kernel, or a comparison of two machines, depends on; every avx512* flag is added to these.
_ISA = ("sse4_2", "avx", "avx2", "fma", "bmi2", "avx_vnni", "neon", "sve", "sve2")

# The kernel calls Advanced SIMD "neon" on 32-bit Arm and "asimd" on 64-bit Arm.
_SAME_ISA = {"asimd": "neon"}

# Implementer and part codes of MIDR_EL1, from Arm's Technical Reference Manuals of the cores named.
_ARM_VENDORS = {
    "0x41": "ARM", "0x46": "Fujitsu", "0x48": "HiSilicon", "0x4e": "NVIDIA", "0x51": "Qualcomm",
    "0x61": "Apple", "0xc0": "Ampere",
}  # fmt: skip
_ARM_PARTS = {
    "0xd03": "Cortex-A53", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72", "0xd09": "Cortex-A73",
    "0xd0b": "Cortex-A76", "0xd0c": "Neoverse-N1", "0xd40": "Neoverse-V1", "0xd41": "Cortex-A78",
    "0xd49": "Neoverse-N2", "0xd4f": "Neoverse-V2",
}  # fmt: skip

_GHZ_IN_NAME = re.compile(r"@\s*([0-9]+(?:\.[0-9]+)?)\s*GHz")


def read_cpu(root: Path, info: CpuInfo, architecture: str | None, allowed_cpus: Iterable[int]) -> Cpu:
    """Read the processor from the files under a root.

    Args:
        root: The root of the tree that holds ``sys``.
        info: The parsed /proc/cpuinfo.
        architecture: The machine's architecture, as uname(2) names it.
        allowed_cpus: The CPUs that this process may run on.
    """
    online = online_cpus(root)
    max_mhz, source = clock_mhz(root, info)
    return Cpu(
        model=model_name(info),
        vendor=vendor_name(info),
        architecture=architecture,
        physical_cores=physical_cores(root, online, info),
        logical_cores=len(online or info) or None,
        allowed_cpus=sorted(allowed_cpus),
        max_mhz=max_mhz,
        mhz_source=source,
        isa=isa_of_interest(cpu_flags(info)),
        caches=read_caches(root, online[0] if online else 0),
        governor=read_governor(root),
    )


def parse_cpuinfo(text: str | None) -> list[dict[str, str]]:
    """Parse /proc/cpuinfo into one mapping a logical CPU; parts that describe the board are left out."""
    blocks = []
    for block in re.split(r"\n\s*\n", text or ""):
        pairs = (line.partition(":") for line in block.splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, _, value in pairs}
        if "processor" in fields:
            blocks.append(fields)
    return blocks


def cpu_flags(info: CpuInfo) -> frozenset[str]:
    """Return the CPU's flags: x86's ``flags``, or Arm's ``Features``; empty where there is neither."""
    first = info[0] if info else {}
    return frozenset((first.get("flags") or first.get("Features") or "").split())


def is_x86(info: CpuInfo) -> bool:
    """Return whether cpuinfo has x86's list of flags."""
    return bool(info) and bool(info[0].get("flags"))


def isa_of_interest(flags: Iterable[str]) -> list[str]:
    """Return the instruction sets that our figures may depend on, in a fixed order."""
    have = {_SAME_ISA.get(flag, flag) for flag in flags}
    return [name for name in _ISA if name in have] + sorted(name for name in have if name.startswith("avx512"))


def model_name(info: CpuInfo) -> str | None:
    """Return the processor's name; Arm gives none, so that its core's name, or its codes, are returned."""
    first = info[0] if info else {}
    if name := first.get("model name"):
        return " ".join(name.split())
    part = first.get("CPU part")
    if part is None:
        return None
    vendor = vendor_name(info) or f"implementer {first.get('CPU implementer', 'unknown')}"
    core = _ARM_PARTS.get(part) if first.get("CPU implementer") == "0x41" else None
    return f"{vendor} {core or f'part {part}'}"


def vendor_name(info: CpuInfo) -> str | None:
    """Return the vendor as x86 names it, or as Arm's implementer code means."""
    first = info[0] if info else {}
    return first.get("vendor_id") or _ARM_VENDORS.get(first.get("CPU implementer", ""))


def online_cpus(root: Path) -> list[int]:
    """Return the CPUs that are online, by sysfs; none where it does not say."""
    return parse_cpu_list(read_text(root / "sys/devices/system/cpu/online"))


def physical_cores(root: Path, online: Sequence[int], info: CpuInfo) -> int | None:
    """Count cores, hyper-threads of one core once.

    Each distinct set of sibling threads is one core, which holds even where core numbers repeat between dies.

    Returns:
        The cores online, or None where neither sysfs nor cpuinfo tells the topology of every CPU.
    """
    siblings = [_core_of(root, cpu) for cpu in online]
    if siblings and None not in siblings:
        return len(set(siblings))
    pairs = [(cpu.get("physical id"), cpu.get("core id")) for cpu in info]
    return len(set(pairs)) if pairs and all(core for _, core in pairs) else None


def _core_of(root: Path, cpu: int) -> str | None:
    topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
    # Linux 5.3 renamed thread_siblings_list to core_cpus_list.
    return read_text(topology / "core_cpus_list") or read_text(topology / "thread_siblings_list")


def clock_mhz(root: Path, info: CpuInfo) -> tuple[float | None, ClockSpeedSource | None]:
    """Return the clock in MHz and where it is from; see `Cpu.mhz_source` for what each source means."""
    speeds = (parse_positive(read_text(policy / "cpuinfo_max_freq")) for policy in _cpufreq_policies(root))
    if known := [speed for speed in speeds if speed is not None]:
        return max(known) / 1000, "cpufreq"
    first = info[0] if info else {}
    if match := _GHZ_IN_NAME.search(first.get("model name", "")):
        named = parse_positive(match[1])
        return (named * 1000, "model name") if named else (None, None)
    shown = parse_positive(first.get("cpu MHz"))
    if shown is None:
        return None, None
    # Without APERF/MPERF the kernel has nothing to show but the calibrated TSC (arch/x86/kernel/cpu/proc.c).
    return shown, "tsc" if is_x86(info) and "aperfmperf" not in cpu_flags(info) else "current"


def read_governor(root: Path) -> str | None:
    """Return the frequency governor; where CPUs differ, all of them joined by ``+``."""
    governors = (read_text(policy / "scaling_governor") for policy in _cpufreq_policies(root))
    return "+".join(sorted({governor for governor in governors if governor})) or None


def _cpufreq_policies(root: Path) -> list[Path]:
    folder = root / "sys/devices/system/cpu/cpufreq"
    return [folder / name for name in read_names(folder) if name.startswith("policy")]

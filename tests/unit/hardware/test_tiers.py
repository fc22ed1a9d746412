"""The tiers, at their edges, and that the unknown never counts as good."""

import pytest

from latencykit.environment import Clock, Cpu, Environment, Memory, OperatingSystem, PythonBuild, Storage
from latencykit.hardware.tiers import AVX512_CLASS, Rating, overall, rate_cpu, rate_memory, rate_storage

GIB = 1024**3
AVX2 = ["avx", "avx2"]
AVX512 = [*AVX2, *sorted(AVX512_CLASS)]


def cpu(cores=8, mhz=4000.0, source="cpufreq", isa=AVX2):
    return Cpu(physical_cores=cores, logical_cores=64, max_mhz=mhz, mhz_source=source, isa=isa)


def environment(cpu, memory, storage):
    return Environment(
        cpu=cpu,
        memory=memory,
        storage=storage,
        os=OperatingSystem(name="Linux"),
        python=PythonBuild(
            implementation="CPython", version="3.11.0", compiler="GCC", debug=False, gil=True, executable=""
        ),
        clock=Clock(source="tsc"),
        virtualized=None,
        fingerprint="",
    )


@pytest.mark.parametrize(
    ("machine", "tier"),
    [
        (cpu(cores=3), "below minimum"),
        (cpu(cores=4, mhz=3000.0), "minimum"),
        (cpu(cores=4, mhz=2970.1), "minimum"),
        (cpu(cores=4, mhz=2969.0), "below minimum"),
        (cpu(cores=7), "minimum"),
        (cpu(mhz=3900.0), "minimum"),
        (cpu(isa=["avx"]), "minimum"),
        (cpu(), "recommended"),
        (cpu(isa=[*AVX2, "avx512f"]), "recommended"),
        (cpu(isa=AVX512), "optimal"),
        (cpu(cores=4, isa=AVX512), "minimum"),
    ],
)
def test_cpu(machine, tier):
    assert rate_cpu(machine).tier == tier


@pytest.mark.parametrize(
    ("machine", "tier"),
    [
        (cpu(cores=None), "unknown"),
        (cpu(mhz=None, source=None), "unknown"),
        (cpu(cores=2, mhz=None, source=None), "below minimum"),
        (cpu(cores=None, mhz=2000.0), "below minimum"),
        (cpu(isa=[]), "minimum"),
        (Cpu(), "unknown"),
    ],
)
def test_unknown_facts_of_a_cpu(machine, tier):
    assert rate_cpu(machine).tier == tier


@pytest.mark.parametrize("source", ["model name", "tsc", "current"])
def test_a_base_clock_is_what_the_highest_is_at_least(source):
    assert rate_cpu(cpu(mhz=2600.0, source=source)).tier == "unknown"
    assert rate_cpu(cpu(mhz=3200.0, source=source)).tier == "minimum"
    assert rate_cpu(cpu(mhz=4100.0, source=source)).tier == "recommended"


def test_reasons_name_what_is_wanted():
    assert rate_cpu(cpu(cores=2, mhz=2500.0)).reason == "2 cores, 4 wanted; 2.50 GHz at most, 3.0 GHz wanted"
    assert rate_cpu(cpu(cores=1, mhz=5000.0)).reason == "1 core, 4 wanted"
    assert rate_cpu(cpu(isa=["avx"])).reason == "no AVX2"
    assert rate_cpu(cpu(isa=AVX512)).reason == ""
    assert "only its TSC's rate is known" in rate_cpu(cpu(mhz=2600.0, source="tsc")).reason
    assert rate_memory(Memory(total_bytes=4 * GIB)).reason == "4.0 GiB, 8 GB wanted"


@pytest.mark.parametrize(
    ("total", "tier"),
    [
        (None, "unknown"),
        (int(7.19 * GIB), "below minimum"),
        (int(7.6 * GIB), "minimum"),
        (int(14.3 * GIB), "minimum"),
        (int(15.3 * GIB), "recommended"),
        (1024 * GIB, "recommended"),
    ],
)
def test_memory(total, tier):
    assert rate_memory(Memory(total_bytes=total)).tier == tier


@pytest.mark.parametrize(
    ("kind", "tier"),
    [
        ("nvme", "recommended"),
        ("ssd", "minimum"),
        ("hdd", "below minimum"),
        ("flash", "below minimum"),
        ("network", "below minimum"),
        ("virtual", "unknown"),
        ("memory", "unknown"),
        (None, "unknown"),
    ],
)
def test_storage(kind, tier):
    rating = rate_storage(Storage(path="/", kind=kind))
    assert rating.tier == tier
    assert bool(rating.reason) is (tier != "recommended")


BIG, SMALL, UNSEEN = Memory(total_bytes=32 * GIB), Memory(total_bytes=2 * GIB), Memory()
NVME, SSD, VIRTUAL = (Storage(path="/", kind=kind) for kind in ("nvme", "ssd", "virtual"))


@pytest.mark.parametrize(
    ("parts", "tier"),
    [
        ((cpu(), BIG, NVME), "recommended"),
        ((cpu(isa=AVX512), BIG, NVME), "recommended"),
        ((cpu(), BIG, SSD), "minimum"),
        ((cpu(), BIG, VIRTUAL), "unknown"),
        ((cpu(), UNSEEN, SSD), "unknown"),
        ((cpu(), SMALL, VIRTUAL), "below minimum"),
    ],
)
def test_overall_is_the_worst_and_unknown_is_worse_than_minimum(parts, tier):
    assert overall(environment(*parts)).tier == tier


def test_overall_names_the_parts_that_decide():
    rating = overall(environment(cpu(cores=2), SMALL, VIRTUAL))
    assert rating == Rating("below minimum", "CPU: 2 cores, 4 wanted; memory: 2.0 GiB, 8 GB wanted")

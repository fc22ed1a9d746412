"""The processor, on the machines of conftest."""

import pytest

from latencykit.hardware.cpu import isa_of_interest, model_name, parse_cpuinfo, read_cpu
from latencykit.hardware.reading import read_text


@pytest.fixture
def cpu_of(machine):
    def read(name):
        root = machine(name)
        return read_cpu(root, parse_cpuinfo(read_text(root / "proc/cpuinfo")), "any", {1, 0})

    return read


def test_intel_desktop(cpu_of):
    cpu = cpu_of("intel_desktop")
    assert (cpu.model, cpu.vendor) == ("Intel(R) Core(TM) i7-10700K CPU @ 3.80GHz", "GenuineIntel")
    assert (cpu.physical_cores, cpu.logical_cores, cpu.allowed_cpus) == (2, 4, [0, 1])
    assert (cpu.max_mhz, cpu.mhz_source) == (5100.0, "cpufreq")
    assert cpu.governor == "powersave"
    assert cpu.isa == ["sse4_2", "avx", "avx2", "fma", "bmi2"]
    assert [(cache.level, cache.kind, cache.size_bytes) for cache in cpu.caches] == [
        (1, "data", 32 << 10),
        (1, "instruction", 32 << 10),
        (2, "unified", 256 << 10),
        (3, "unified", 16 << 20),
    ]
    assert [(cache.line_bytes, cache.ways, cache.shared_by) for cache in cpu.caches[-2:]] == [
        (64, 8, 2),
        (64, 8, 4),
    ]


def test_hyper_threads_of_a_guest_are_one_core_and_its_clock_is_the_tsc(cpu_of):
    cpu = cpu_of("epyc_vm")
    assert (cpu.physical_cores, cpu.logical_cores) == (1, 2)
    assert (cpu.max_mhz, cpu.mhz_source) == (2449.998, "tsc")
    assert cpu.governor is None


def test_arm_is_named_by_its_part_and_has_no_clock(cpu_of):
    cpu = cpu_of("graviton")
    assert (cpu.model, cpu.vendor) == ("ARM Neoverse-V1", "ARM")
    assert (cpu.max_mhz, cpu.mhz_source) == (None, None)
    assert cpu.isa == ["neon", "sve"]
    assert cpu.caches == []  # a cache without a size is no fact


def test_without_sysfs_cpuinfo_tells_the_cores_and_the_name_the_base_clock(cpu_of):
    cpu = cpu_of("container_v2")
    assert (cpu.physical_cores, cpu.logical_cores) == (2, 4)
    assert (cpu.max_mhz, cpu.mhz_source) == (3800.0, "model name")


def test_nothing_to_read_is_unknown(cpu_of):
    cpu = cpu_of("nothing")
    known = (cpu.model, cpu.vendor, cpu.physical_cores, cpu.logical_cores, cpu.max_mhz, cpu.governor)
    assert known == (None,) * 6
    assert cpu.isa == []
    assert cpu.caches == []


def test_the_present_clock_is_not_called_the_highest(tree):
    text = "processor : 0\nmodel name : AMD Ryzen 9\ncpu MHz : 1800.5\nflags : aperfmperf avx2\n"
    cpu = read_cpu(tree({}), parse_cpuinfo(text), None, ())
    assert (cpu.max_mhz, cpu.mhz_source) == (1800.5, "current")


def test_governors_that_differ_are_all_named(tree):
    folder = "sys/devices/system/cpu/cpufreq"
    root = tree(
        {
            f"{folder}/policy0/scaling_governor": "schedutil",
            f"{folder}/policy4/scaling_governor": "performance",
        }
    )
    assert read_cpu(root, [], None, ()).governor == "performance+schedutil"


def test_topology_of_some_cpus_only_is_not_counted(tree):
    root = tree(
        {"sys/devices/system/cpu/online": "0-1", "sys/devices/system/cpu/cpu0/topology/core_cpus_list": "0"}
    )
    assert read_cpu(root, [], None, ()).physical_cores is None


def test_core_numbers_that_repeat_between_dies_are_cores_of_their_own(tree):
    folder = "sys/devices/system/cpu"
    files = {f"{folder}/cpu{cpu}/topology/core_cpus_list": str(cpu) for cpu in range(4)}
    files |= {f"{folder}/cpu{cpu}/topology/core_id": str(cpu % 2) for cpu in range(4)}
    assert read_cpu(tree({f"{folder}/online": "0-3", **files}), [], None, ()).physical_cores == 4


def test_an_unknown_arm_part_shows_its_code():
    [info] = parse_cpuinfo("processor : 0\nCPU implementer : 0x99\nCPU part : 0x123\n\nHardware : a board\n")
    assert model_name([info]) == "implementer 0x99 part 0x123"


def test_every_avx512_flag_is_of_interest():
    assert isa_of_interest({"avx512f", "avx512_vnni", "avx2", "mmx"}) == ["avx2", "avx512_vnni", "avx512f"]

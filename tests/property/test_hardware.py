"""Parsers of kernel files take any text without an error, and keep what their format promises."""

from hypothesis import example, given
from hypothesis import strategies as st

from latencykit.hardware import cgroups, cpu, memory, mounts, reading, storage, system, virtualization
from latencykit.hardware.fingerprint import fitted_gib

CPUS = st.sets(st.integers(0, 4095), min_size=1)
# Text made of the marks that the formats are made of finds more than text of any characters.
KERNEL_TEXT = st.text() | st.text(alphabet="0123456789-,:/ \n\\[]=@.kKMGHzprocesflag", max_size=200)


def as_ranges(cpus):
    """Write a set of CPUs as the kernel does: runs as ranges."""
    parts, ordered = [], sorted(cpus)
    for number in ordered:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)


@given(CPUS)
def test_cpu_lists_come_back(cpus):
    assert reading.parse_cpu_list(as_ranges(cpus)) == sorted(cpus)


@given(KERNEL_TEXT)
@example("0-" + "9" * 30)
@example("9" * 5000)
def test_no_text_is_an_error(text):
    info = cpu.parse_cpuinfo(text)
    cpu.model_name(info)
    cpu.isa_of_interest(cpu.cpu_flags(info))
    memory.parse_meminfo(text)
    memory.parse_choice(text)
    cgroups.parse_cgroups(text)
    cgroups.parse_quota(text.split())
    system.parse_os_release(text)
    reading.parse_cpu_list(text)
    reading.parse_size(text)
    reading.parse_positive(text)
    virtualization.name_by_dmi(text)
    virtualization.wsl_version(text)
    storage.kind_by_name(text)
    for mount in mounts.parse_mountinfo(text):
        cgroups.group_folders(mount, text)


PATHS = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=4).map(lambda names: "/" + "/".join(names))


@given(PATHS, st.lists(PATHS, max_size=6))
def test_the_mount_of_a_path_is_the_nearest_above_it(path, points):
    table = [mounts.Mount("0:1", "/", point, "x", "x", ()) for point in points]
    above = [point for point in points if f"{path}/".startswith(point.rstrip("/") + "/")]
    found = mounts.mount_of(path, table)
    assert (found and found.point) == max(above, key=len, default=None)


@given(st.integers(2**20, 2**45), st.floats(0.90, 1.0))
def test_fitted_memory_is_at_least_what_is_seen_and_at_most_a_quarter_more(total, part):
    seen = total / 2**30
    assert seen <= fitted_gib(total) <= seen * 1.25
    assert fitted_gib(int(total * part)) <= fitted_gib(total)

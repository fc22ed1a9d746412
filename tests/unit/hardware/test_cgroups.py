"""CPU quota by control groups of both versions."""

import pytest

from latencykit.hardware.cgroups import (
    CpuAllowance,
    group_folders,
    parse_cgroups,
    parse_quota,
    read_cpu_allowance,
)
from latencykit.hardware.mounts import Mount, read_mounts


def allowance(root):
    return read_cpu_allowance(root, read_mounts(root))


def test_version_2_in_a_container(machine):
    assert allowance(machine("container_v2")) == CpuAllowance(1.5, "cgroup v2", 7)


def test_version_1_in_a_container_that_sees_its_path_from_outside(machine):
    assert allowance(machine("container_v1")) == CpuAllowance(0.5, "cgroup v1", 3)


def test_no_quota_is_not_unknown(machine):
    assert allowance(machine("intel_desktop")) == CpuAllowance(None, "cgroup v2", None)
    assert allowance(machine("nothing")) == CpuAllowance(None, None, None)


def test_the_least_quota_above_the_process_counts(tree):
    root = tree(
        {
            "proc/self/cgroup": "0::/a.slice/b.scope\n",
            "proc/self/mountinfo": "31 30 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "sys/fs/cgroup/cgroup.controllers": "cpu",
            "sys/fs/cgroup/a.slice/cpu.max": "200000 100000",
            "sys/fs/cgroup/a.slice/cpu.stat": "nr_throttled 2",
            "sys/fs/cgroup/cpu.max": "300000 100000",
            "sys/fs/cgroup/a.slice/b.scope/cpu.max": "max 100000",
            "sys/fs/cgroup/a.slice/b.scope/cpu.stat": "nr_throttled 1",
            "sys/fs/cgroup/other/cpu.max": "1000 100000",
        }
    )
    assert allowance(root) == CpuAllowance(2.0, "cgroup v2", 3)


def test_a_hierarchy_without_the_cpu_controller_says_nothing_of_quota(tree):
    root = tree(
        {
            "proc/self/cgroup": "1:cpu:/\n0::/\n",
            "proc/self/mountinfo": (
                "31 30 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
                "32 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                "33 30 0:27 / /again rw - cgroup cgroup rw,cpu\n"
            ),
            "sys/fs/cgroup/unified/cpu.stat": "nr_throttled 5",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu/cpu.stat": "nr_throttled 4",
            "again/cpu.stat": "nr_throttled 4",
        }
    )
    assert allowance(root) == CpuAllowance(None, "cgroup v1", 4)


@pytest.mark.parametrize(
    ("mount_root", "path", "folders"),
    [
        ("/", "/", ["/cg"]),
        ("/", "/a/b", ["/cg/a/b", "/cg/a", "/cg"]),
        ("/a", "/a/b", ["/cg/b", "/cg"]),
        ("/a", "/a", ["/cg"]),
        ("/a", "/ab", ["/cg"]),
        ("/", "/../outside", ["/cg"]),
    ],
)
def test_groups_from_the_nearest_up(mount_root, path, folders):
    mount = Mount("0:1", mount_root, "/cg", "cgroup2", "cgroup2", ())
    assert group_folders(mount, path) == folders


def test_groups_of_a_mount_at_the_root():
    assert group_folders(Mount("0:1", "/", "/", "cgroup2", "cgroup2", ()), "/a") == ["/a", ""]


@pytest.mark.parametrize(
    "words", [["max", "100000"], ["-1", "100000"], ["5"], ["5", "0"], ["a", "b"], [None, None]]
)
def test_no_quota(words):
    assert parse_quota(words) is None


def test_paths_with_colons_are_whole():
    assert parse_cgroups("2:cpu,cpuacct:/a:b\nbroken\n0::/c") == {"cpu": "/a:b", "cpuacct": "/a:b", "": "/c"}

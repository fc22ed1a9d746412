"""The operating system."""

import pytest

from latencykit.hardware.mounts import read_mounts
from latencykit.hardware.system import parse_os_release, read_kernel, read_system


def system(root):
    return read_system(root, read_mounts(root), {}, read_kernel(root), "kvm")


def test_desktop(machine):
    found = system(machine("intel_desktop"))
    assert (found.name, found.kernel, found.distribution) == (
        "Linux",
        "6.8.0-45-generic",
        "Ubuntu 24.04.1 LTS",
    )
    assert (found.hypervisor, found.container) == ("kvm", None)
    assert (found.cpu_quota, found.cpu_quota_source) == (None, "cgroup v2")


def test_container(machine):
    found = system(machine("container_v2"))
    assert (found.container, found.cpu_quota, found.throttled_periods) == ("docker", 1.5, 7)


def test_nothing_to_read_still_has_a_name_and_a_kernel(machine):
    found = system(machine("nothing"))
    assert found.name
    assert found.kernel
    assert found.distribution is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("NAME='Alpine Linux'\nVERSION_ID=3.20\n", "Alpine Linux 3.20"),
        ('# PRETTY_NAME="no"\nPRETTY_NAME="Debian 12"', "Debian 12"),
        ("rubbish", None),
        (None, None),
    ],
)
def test_os_release(text, name):
    assert parse_os_release(text) == name

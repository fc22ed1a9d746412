"""Virtual machines and containers, by their traces."""

import pytest

from latencykit.hardware.cpu import parse_cpuinfo
from latencykit.hardware.mounts import read_mounts
from latencykit.hardware.reading import read_text
from latencykit.hardware.virtualization import (
    Virtualization,
    name_by_dmi,
    read_container,
    read_virtualization,
    wsl_version,
)

HEX = "0123456789abcdef0123456789abcdef"


def virtualization(root):
    kernel = read_text(root / "proc/sys/kernel/osrelease")
    return read_virtualization(root, parse_cpuinfo(read_text(root / "proc/cpuinfo")), kernel)


def container(root, environ=()):
    return read_container(root, read_mounts(root), dict(environ))


@pytest.mark.parametrize(
    ("name", "virtualized", "hypervisor"),
    [
        ("intel_desktop", False, None),
        ("epyc_vm", True, "google compute engine"),
        ("graviton", True, "amazon ec2"),
        ("wsl", True, "wsl2"),
        ("nothing", None, None),
    ],
)
def test_machines(machine, name, virtualized, hypervisor):
    assert virtualization(machine(name)) == Virtualization(virtualized, hypervisor)


def test_a_guest_without_dmi_is_named_by_its_clock(tree):
    clock = "sys/devices/system/clocksource/clocksource0/available_clocksource"
    root = tree({"proc/cpuinfo": "processor : 0\nflags : hypervisor tsc", clock: "tsc kvm-clock"})
    assert virtualization(root) == Virtualization(virtualized=True, hypervisor="kvm")


def test_a_guest_that_nothing_names(tree):
    root = tree({"proc/cpuinfo": "processor : 0\nflags : hypervisor tsc"})
    assert virtualization(root) == Virtualization(virtualized=True, hypervisor=None)


def test_xen_by_its_own_folder(tree):
    root = tree({"proc/cpuinfo": "processor : 0\nflags : hypervisor", "sys/hypervisor/type": "xen"})
    assert virtualization(root).hypervisor == "xen"


def test_on_x86_the_flag_decides_against_a_name(tree):
    root = tree({"proc/cpuinfo": "processor : 0\nflags : tsc", "sys/class/dmi/id/sys_vendor": "Amazon EC2"})
    assert virtualization(root) == Virtualization(virtualized=False, hypervisor=None)


def test_a_rented_whole_arm_machine(tree):
    root = tree(
        {
            "proc/cpuinfo": "processor : 0\nFeatures : asimd",
            "sys/class/dmi/id/sys_vendor": "Amazon EC2",
            "sys/class/dmi/id/product_name": "c7g.metal",
        }
    )
    assert virtualization(root) == Virtualization(virtualized=False, hypervisor=None)


def test_an_arm_guest_shows_virtio_devices(tree):
    root = tree({"proc/cpuinfo": "processor : 0\nFeatures : asimd", "sys/bus/virtio/devices/virtio0": ""})
    assert virtualization(root) == Virtualization(virtualized=True, hypervisor=None)


def test_an_arm_machine_without_traces_is_unknown(tree):
    assert virtualization(tree({"proc/cpuinfo": "processor : 0\nFeatures : asimd"})) == Virtualization(
        None, None
    )


@pytest.mark.parametrize(
    ("dmi", "name"),
    [
        ("Microsoft Corporation Virtual Machine", "hyper-v"),
        ("Microsoft Corporation Surface Laptop 4", None),
        ("innotek GmbH VirtualBox", "virtualbox"),
        ("QEMU Standard PC (Q35 + ICH9, 2009)", "qemu"),
        ("Dell Inc. PowerEdge R650", None),
        ("", None),
    ],
)
def test_dmi_names(dmi, name):
    assert name_by_dmi(dmi) == name


@pytest.mark.parametrize(
    ("kernel", "version"),
    [
        ("4.4.0-19041-Microsoft", "wsl1"),
        ("5.15.153.1-microsoft-standard-WSL2", "wsl2"),
        ("6.1.0", None),
        (None, None),
    ],
)
def test_wsl(kernel, version):
    assert wsl_version(kernel) == version


@pytest.mark.parametrize(
    ("name", "kind"),
    [("intel_desktop", None), ("container_v2", "docker"), ("container_v1", "kubernetes"), ("nothing", None)],
)
def test_containers_on_machines(machine, name, kind):
    assert container(machine(name)) == kind


@pytest.mark.parametrize(
    ("files", "environ", "kind"),
    [
        ({"run/.containerenv": ""}, {}, "podman"),
        ({"run/systemd/container": "systemd-nspawn"}, {}, "systemd-nspawn"),
        ({}, {"container": "lxc"}, "lxc"),
        ({}, {"container": "wsl"}, None),
        ({".dockerenv": ""}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({"proc/self/cgroup": f"0::/docker/{HEX}"}, {}, "docker"),
        ({"proc/self/cgroup": f"0::/system.slice/docker-{HEX}.scope"}, {}, "docker"),
        ({"proc/self/cgroup": f"0::/machine.slice/libpod-{HEX}.scope/container"}, {}, "podman"),
        ({"proc/1/cgroup": "0::/lxc.payload.web/init.scope"}, {}, "lxc"),
        ({"proc/self/cgroup": "0::/system.slice/docker.service"}, {}, None),
    ],
)
def test_containers_by_marker(tree, files, environ, kind):
    assert container(tree(files), environ) == kind


def test_a_machine_made_from_a_container_image_is_no_container(tree):
    root = tree({".dockerenv": "", "proc/self/mountinfo": "27 1 254:0 / / rw - ext4 /dev/vda rw\n"})
    assert container(root) is None


def test_a_container_in_a_folder_of_a_disk_is_one(tree):
    mount = "27 1 254:0 /var/lib/docker/vfs/dir/ab / rw - ext4 /dev/vda rw\n"
    assert container(tree({".dockerenv": "", "proc/self/mountinfo": mount})) == "docker"

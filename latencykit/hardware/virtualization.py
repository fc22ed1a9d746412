"""Tell whether this is a virtual machine or a container, from the traces that each leaves."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from latencykit.hardware.cpu import CpuInfo, cpu_flags, is_x86
from latencykit.hardware.mounts import Mount, mount_of
from latencykit.hardware.reading import present, read_names, read_text

# Words in the DMI vendor and product of machines that are virtual, in the order in which they are looked for.
# "Virtual Machine" is Hyper-V's product; its vendor, Microsoft, also makes laptops.
_DMI_NAMES = (
    ("amazon ec2", "amazon ec2"),
    ("google compute engine", "google compute engine"),
    ("vmware", "vmware"),
    ("virtualbox", "virtualbox"),
    ("innotek", "virtualbox"),
    ("parallels", "parallels"),
    ("apple virtualization", "apple virtualization"),
    ("microsoft corporation virtual machine", "hyper-v"),
    ("xen", "xen"),
    ("bhyve", "bhyve"),
    ("qemu", "qemu"),
    ("kvm", "kvm"),
    ("alibaba cloud", "alibaba cloud"),
    ("digitalocean", "digitalocean"),
    ("hetzner vserver", "hetzner cloud"),
    ("openstack", "openstack"),
)

# Clock sources that only a guest of the named hypervisor has.
_CLOCK_NAMES = (("kvm-clock", "kvm"), ("hyperv", "hyper-v"), ("xen", "xen"))

# An identifier has at least 12 hexadecimal digits; without one "docker" may be the daemon's own group.
_CGROUP_NAMES = (
    (re.compile(r"kubepods"), "kubernetes"),
    (re.compile(r"libpod-[0-9a-f]{12}"), "podman"),
    (re.compile(r"/docker[-/][0-9a-f]{12}"), "docker"),
    (re.compile(r"/lxc(\.payload)?[./]"), "lxc"),
)


@dataclass(frozen=True, slots=True)
class Virtualization:
    """Whether the machine is virtual, None where nothing tells, and what runs it where that is named."""

    virtualized: bool | None = None
    hypervisor: str | None = None


def read_virtualization(root: Path, info: CpuInfo, kernel: str | None) -> Virtualization:
    """Read whether this is a virtual machine.

    Args:
        root: The root of the tree that holds ``sys``.
        info: The parsed /proc/cpuinfo.
        kernel: The kernel's release.

    Returns:
        On x86 the CPU's hypervisor flag decides, which is reserved for hypervisors to set (AMD64 Architecture
        Programmer's Manual, CPUID Fn0000_0001_ECX[31]); elsewhere a name or a virtio device says yes, and
        only the name of a rented whole machine says no.
    """
    hypervisor = _name(root, kernel)
    if is_x86(info):
        virtual = "hypervisor" in cpu_flags(info)
        return Virtualization(virtual, hypervisor if virtual else None)
    if hypervisor or read_names(root / "sys/bus/virtio/devices"):
        return Virtualization(virtualized=True, hypervisor=hypervisor)
    return Virtualization(virtualized=False) if _is_cloud_metal(_dmi(root)) else Virtualization()


def _name(root: Path, kernel: str | None) -> str | None:
    clocks = read_text(root / "sys/devices/system/clocksource/clocksource0/available_clocksource")
    return (
        wsl_version(kernel)
        or name_by_dmi(_dmi(root))
        or read_text(root / "sys/hypervisor/type")
        or next((name for word, name in _CLOCK_NAMES if word in (clocks or "")), None)
    )


def _dmi(root: Path) -> str:
    folder = root / "sys/class/dmi/id"
    return f"{read_text(folder / 'sys_vendor') or ''} {read_text(folder / 'product_name') or ''}".strip()


def wsl_version(kernel: str | None) -> str | None:
    """Return ``wsl2`` or ``wsl1`` by the kernel's release; None is another kernel."""
    release = (kernel or "").lower()
    if "microsoft" not in release and "wsl2" not in release:
        return None
    return "wsl2" if "wsl2" in release or "microsoft-standard" in release else "wsl1"


def name_by_dmi(vendor_and_product: str) -> str | None:
    """Return the hypervisor or cloud that DMI's vendor and product name; a whole machine has none."""
    text = vendor_and_product.lower()
    if _is_cloud_metal(text):
        return None
    return next((name for words, name in _DMI_NAMES if words in text), None)


def _is_cloud_metal(vendor_and_product: str) -> bool:
    """Return whether DMI names a rented whole machine, such as Amazon's ``c7g.metal``."""
    return re.search(r"\.metal\b", vendor_and_product.lower()) is not None


def read_container(root: Path, mounts: Sequence[Mount], environ: Mapping[str, str]) -> str | None:
    """Return the kind of container that this process runs in, or None for none.

    Args:
        root: The root of the tree that holds ``proc`` and ``run``.
        mounts: This process's mounts.
        environ: This process's environment.
    """
    groups = f"{read_text(root / 'proc/self/cgroup') or ''}\n{read_text(root / 'proc/1/cgroup') or ''}"
    by_group = next((name for pattern, name in _CGROUP_NAMES if pattern.search(groups)), None)
    if by_group == "kubernetes" or "KUBERNETES_SERVICE_HOST" in environ:
        return "kubernetes"
    if present(root / "run/.containerenv"):
        return "podman"
    if present(root / ".dockerenv") and not _owns_whole_disk(mounts):
        return "docker"
    named = read_text(root / "run/systemd/container") or environ.get("container")
    return by_group or (None if named == "wsl" else named)


def _owns_whole_disk(mounts: Sequence[Mount]) -> bool:
    """Return whether / is the top of a block device, as on a machine that was made from a container's image.

    No storage driver of Docker mounts a container so: overlay has no device, others mount a folder in one.
    """
    mount = mount_of("/", mounts)
    return mount is not None and mount.source.startswith("/dev/") and mount.root == "/"

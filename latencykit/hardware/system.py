"""Read the operating system: kernel, distribution, hypervisor, container and CPU quota."""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from latencykit.environment import OperatingSystem
from latencykit.hardware.cgroups import read_cpu_allowance
from latencykit.hardware.mounts import Mount
from latencykit.hardware.reading import read_text
from latencykit.hardware.virtualization import read_container


def read_system(
    root: Path,
    mounts: Sequence[Mount],
    environ: Mapping[str, str],
    kernel: str | None,
    hypervisor: str | None,
) -> OperatingSystem:
    """Read the operating system from the files under a root.

    Args:
        root: The root of the tree that holds ``proc``, ``sys``, ``etc`` and ``run``.
        mounts: This process's mounts.
        environ: This process's environment.
        kernel: The kernel's release.
        hypervisor: What runs this virtual machine, if that is known.
    """
    allowance = read_cpu_allowance(root, mounts)
    return OperatingSystem(
        name=read_text(root / "proc/sys/kernel/ostype") or platform.system(),
        kernel=kernel,
        distribution=parse_os_release(read_text(root / "etc/os-release") or read_text(root / "usr/lib/os-release")),
        hypervisor=hypervisor,
        container=read_container(root, mounts, environ),
        cpu_quota=allowance.quota,
        cpu_quota_source=allowance.source,
        throttled_periods=allowance.throttled_periods,
    )


def read_kernel(root: Path) -> str | None:
    """Return the kernel's release, such as ``6.1.0-18-amd64``."""
    return read_text(root / "proc/sys/kernel/osrelease") or platform.release() or None


def parse_os_release(text: str | None) -> str | None:
    """Return the distribution's pretty name, else its name and version (os-release(5))."""
    pairs = (line.partition("=") for line in (text or "").splitlines() if not line.startswith("#"))
    fields = {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}
    plain = f"{fields.get('NAME', '')} {fields.get('VERSION_ID', '')}".strip()
    return fields.get("PRETTY_NAME") or plain or None

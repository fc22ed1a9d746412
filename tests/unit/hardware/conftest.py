"""Trees of other machines: the files that each would show, cut to what is read."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "data/hardware"
CPUS = "sys/devices/system/cpu"
CLOCK = "sys/devices/system/clocksource/clocksource0"

Tree = Callable[..., Path]


def _cache(cpu: int, index: int, level: int, kind: str, size: str, shared: str) -> dict[str, str]:
    folder = f"{CPUS}/cpu{cpu}/cache/index{index}"
    return {
        f"{folder}/level": str(level),
        f"{folder}/type": kind,
        f"{folder}/size": size,
        f"{folder}/coherency_line_size": "64",
        f"{folder}/ways_of_associativity": "8",
        f"{folder}/shared_cpu_list": shared,
    }


def disk(name: str, bus: str, **files: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the files and the links of one block device; a name such as ``sda/sda1`` is a partition."""
    path = f"sys/devices/{bus}/block/{name}"
    last = name.rpartition("/")[2]
    return (
        {f"{path}/uevent": "", **{f"{path}/{key}": text for key, text in files.items()}},
        {f"sys/class/block/{last}": path},
    )


def _intel_desktop() -> tuple[dict[str, str], dict[str, str]]:
    """Two cores with two threads each, an encrypted volume on NVMe, frequency governor powersave."""
    files = {
        "proc/cpuinfo": (DATA / "intel_desktop.cpuinfo").read_text(),
        "proc/meminfo": "MemTotal:   16265420 kB\nMemFree:      100 kB\nMemAvailable:   12000000 kB\n",
        "proc/sys/kernel/ostype": "Linux",
        "proc/sys/kernel/osrelease": "6.8.0-45-generic",
        "proc/self/cgroup": "0::/user.slice/user-1000.slice/session-2.scope\n",
        "proc/self/mountinfo": (
            "30 1 252:1 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw\n"
            "31 30 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
            "32 30 0:40 / /dev/shm rw shared:10 - tmpfs tmpfs rw\n"
            "33 30 0:41 / /mnt/my\\040share rw - nfs4 server:/export rw\n"
        ),
        "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids",
        "sys/class/dmi/id/sys_vendor": "ASUS",
        "sys/class/dmi/id/product_name": "System Product Name",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
        f"{CPUS}/online": "0-3",
        f"{CLOCK}/current_clocksource": "tsc",
        f"{CLOCK}/available_clocksource": "tsc hpet acpi_pm",
        "etc/os-release": 'NAME="Ubuntu"\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04.1 LTS"\n',
        **_cache(0, 0, 1, "Data", "32K", "0,2"),
        **_cache(0, 1, 1, "Instruction", "32K", "0,2"),
        **_cache(0, 2, 2, "Unified", "256K", "0,2"),
        **_cache(0, 3, 3, "Unified", "16384K", "0-3"),
    }
    for cpu in range(4):
        files[f"{CPUS}/cpu{cpu}/topology/core_cpus_list"] = f"{cpu % 2},{cpu % 2 + 2}"
        files[f"{CPUS}/cpufreq/policy{cpu}/cpuinfo_max_freq"] = "5100000" if cpu == 1 else "5000000"
        files[f"{CPUS}/cpufreq/policy{cpu}/scaling_governor"] = "powersave"
    links = {"sys/dev/block/252:1": "sys/devices/virtual/block/dm-1"}
    for more, more_links in (
        disk("dm-1", "virtual", **{"dm/name": "vg-root", "slaves/dm-0": "", "queue/rotational": "0"}),
        disk("dm-0", "virtual", **{"dm/name": "luks", "slaves/nvme0n1p3": "", "queue/rotational": "0"}),
        disk("nvme0n1/nvme0n1p3", "pci0000:00/nvme/nvme0", partition="3"),
        disk(
            "nvme0n1",
            "pci0000:00/nvme/nvme0",
            **{"device/model": "Samsung SSD 970", "device/transport": "pcie"},
        ),
    ):
        files |= more
        links |= more_links
    return files, links


def _epyc_vm() -> tuple[dict[str, str], dict[str, str]]:
    """One core with two threads, as a cloud rents them; its disk says that it does not rotate."""
    files, links = disk(
        "sda",
        "pci0000:00/0000:00:03.0/virtio0/host0/target0:0:1/0:0:1:0",
        **{"queue/rotational": "0", "device/vendor": "Google", "device/model": "PersistentDisk"},
    )
    part, part_links = disk(
        "sda/sda1", "pci0000:00/0000:00:03.0/virtio0/host0/target0:0:1/0:0:1:0", partition="1"
    )
    files |= part | {
        "proc/cpuinfo": (DATA / "epyc_vm.cpuinfo").read_text(),
        "proc/meminfo": "MemTotal:        8145312 kB\n",
        "proc/sys/kernel/osrelease": "6.1.0-25-cloud-amd64",
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "23 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n",
        "sys/class/dmi/id/sys_vendor": "Google",
        "sys/class/dmi/id/product_name": "Google Compute Engine",
        f"{CPUS}/online": "0-1",
        f"{CPUS}/cpu0/topology/thread_siblings_list": "0-1",
        f"{CPUS}/cpu1/topology/thread_siblings_list": "0-1",
        f"{CLOCK}/current_clocksource": "kvm-clock",
        f"{CLOCK}/available_clocksource": "kvm-clock tsc acpi_pm",
    }
    return files, links | part_links | {"sys/dev/block/8:1": next(iter(part_links.values()))}


def _graviton() -> tuple[dict[str, str], dict[str, str]]:
    """Two Arm cores without any clock speed to read; its NVMe disk is served over a network."""
    files, links = disk("nvme0n1", "pci0000:00/nvme/nvme0", **{"device/model": "Amazon Elastic Block Store"})
    files |= {
        "proc/cpuinfo": (DATA / "graviton.cpuinfo").read_text(),
        "proc/meminfo": "MemTotal:        3931136 kB\n",
        "proc/sys/kernel/osrelease": "6.1.109-118.189.amzn2023.aarch64",
        "proc/self/mountinfo": "25 1 259:0 / / rw shared:1 - xfs /dev/nvme0n1 rw\n",
        "sys/class/dmi/id/sys_vendor": "Amazon EC2",
        "sys/class/dmi/id/product_name": "c7g.large",
        f"{CPUS}/online": "0-1",
        f"{CPUS}/cpu0/topology/core_cpus_list": "0",
        f"{CPUS}/cpu1/topology/core_cpus_list": "1",
        f"{CPUS}/cpu0/cache/index0/level": "1",
        f"{CPUS}/cpu0/cache/index0/type": "Data",
        f"{CLOCK}/current_clocksource": "arch_sys_counter",
    }
    return files, links | {"sys/dev/block/259:0": links["sys/class/block/nvme0n1"]}


def _container_v2() -> tuple[dict[str, str], dict[str, str]]:
    """A Docker container with ``--cpus 1.5`` and a private view of its control group."""
    return {
        "proc/cpuinfo": (DATA / "intel_desktop.cpuinfo").read_text(),
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": (
            "600 500 0:70 / / rw - overlay overlay rw,lowerdir=/var/l1:/var/l2,upperdir=/var/u\n"
            "601 600 0:30 / /sys/fs/cgroup ro - cgroup2 cgroup rw,nsdelegate\n"
        ),
        "sys/fs/cgroup/cgroup.controllers": "cpuset cpu memory",
        "sys/fs/cgroup/cpu.max": "150000 100000",
        "sys/fs/cgroup/cpu.stat": "usage_usec 1\nnr_periods 90\nnr_throttled 7\nthrottled_usec 12",
        ".dockerenv": "",
    }, {}


def _container_v1() -> tuple[dict[str, str], dict[str, str]]:
    """A Kubernetes pod on an old node: the group's path is seen from outside."""
    pod = "/kubepods/burstable/pod1f/0123456789abcdef"
    return {
        "proc/self/cgroup": f"4:cpu,cpuacct:{pod}\n3:memory:{pod}\n",
        "proc/self/mountinfo": (
            "700 500 0:70 / / rw - overlay overlay rw\n"
            f"701 700 0:31 {pod} /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
            f"702 700 0:32 {pod} /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
        ),
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/cpu,cpuacct/cpu.stat": "nr_periods 10\nnr_throttled 3\nthrottled_time 5",
    }, {}


def _wsl() -> tuple[dict[str, str], dict[str, str]]:
    """Windows' Linux machine, whose /mnt/c is a share of the host's."""
    bus = "LNXSYSTM:00/ACPI0004:00/VMBUS:00/f8b3781b/host0/target0:0:0/0:0:0:2"
    files, links = disk(
        "sdc", bus, **{"queue/rotational": "0", "device/vendor": "Msft", "device/model": "Disk"}
    )
    files |= {
        "proc/cpuinfo": (DATA / "epyc_vm.cpuinfo").read_text(),
        "proc/sys/kernel/osrelease": "5.15.153.1-microsoft-standard-WSL2",
        "proc/self/mountinfo": (
            "60 50 8:32 / / rw - ext4 /dev/sdc rw\n61 60 0:50 / /mnt/c rw - 9p C:\\134 rw,aname=drvfs\n"
        ),
        f"{CLOCK}/current_clocksource": "hyperv_clocksource_tsc_page",
    }
    return files, links | {"sys/dev/block/8:32": links["sys/class/block/sdc"]}


MACHINES = {
    "intel_desktop": _intel_desktop,
    "epyc_vm": _epyc_vm,
    "graviton": _graviton,
    "container_v2": _container_v2,
    "container_v1": _container_v1,
    "wsl": _wsl,
    "nothing": lambda: ({}, {}),
}


def plant(root: Path, files: Mapping[str, str], links: Mapping[str, str]) -> Path:
    """Write files, and links between paths of the tree, under a root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    for name, target in links.items():
        link = root / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(root / target)
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return a function that plants files and links and returns the tree's root."""

    def make(files: Mapping[str, str], links: Mapping[str, str] | None = None) -> Path:
        return plant(tmp_path, files, links or {})

    return make


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that plants a named machine and returns its root."""

    def make(name: str) -> Path:
        return plant(tmp_path / name, *MACHINES[name]())

    return make


@pytest.fixture
def block_device() -> Callable[..., tuple[dict[str, str], dict[str, str]]]:
    """Return the function that makes the files and links of one block device."""
    return disk

"""Find what kind of storage lies under a folder, through mounts, partitions, mappers, arrays and loop files.

A disk that a hypervisor shows may call itself non-rotational whatever lies behind it: it is "virtual".
Layout: the kernel's Documentation/ABI/stable/sysfs-block and testing/sysfs-class-nvme.
"""

import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from latencykit.environment import Storage, StorageKind
from latencykit.hardware.mounts import Mount, mount_of, unescape
from latencykit.hardware.reading import present, read_int, read_names, read_text, real_path, under

_MEMORY_FILESYSTEMS = {"tmpfs", "ramfs", "devtmpfs"}
_NETWORK_FILESYSTEMS = {
    "9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "ocfs2",
    "smb3", "smbfs",
}  # fmt: skip
_HOST_FILESYSTEMS = {"virtiofs", "vboxsf", "prl_fs", "vmhgfs", "fuse.vmhgfs-fuse"}
_LAYERED_FILESYSTEMS = {"overlay", "aufs", "fuse.fuse-overlayfs"}

_KINDS_BY_NAME: tuple[tuple[re.Pattern[str], StorageKind], ...] = (
    (re.compile(r"(vd|xvd)[a-z]+[0-9]*"), "virtual"),
    (re.compile(r"(zram|ram)[0-9]+"), "memory"),
    (re.compile(r"(nbd|rbd|drbd)[0-9]+(p[0-9]+)?"), "network"),
    (re.compile(r"mmcblk[0-9]+(p[0-9]+|boot[0-9]+)?"), "flash"),
)
_VIRTUAL_BUS = re.compile(r"/virtio[0-9]+/|/vmbus|/vbd-[0-9]+/", re.IGNORECASE)
_NETWORK_BUS = re.compile(r"/session[0-9]+/|/rport-")

# How hypervisors and clouds name the disks that they emulate or serve over a network. Not among them, because
# they are real disks handed through: Amazon's "EC2 NVMe Instance Storage", Microsoft's "NVMe Direct Disk" and
# Google's "nvme_card".
_VIRTUAL_MODEL = re.compile(
    r"amazon elastic block store|nvme_card-pd|persistentdisk|msft nvme accelerator"
    r"|virtual|qemu|vmware|vbox|bhyve|parallels",
    re.IGNORECASE,
)
_NETWORK_TRANSPORTS = {"tcp", "rdma", "fc"}

# From the best to the worst to log to: an array is as good as its worst part.
_BEST_FIRST: tuple[StorageKind, ...] = ("memory", "nvme", "ssd", "flash", "hdd", "virtual", "network")

# Deeper than any stack of mappers, arrays, loops and overlays; it ends a circle in a broken tree.
_MOST_LAYERS = 8


def read_storage(folder: Path, root: Path, mounts: Sequence[Mount], *, virtualized: bool | None) -> Storage:
    """Read what lies under a folder.

    Args:
        folder: The folder; it need not exist, its nearest existing parent counts.
        root: The root of the tree that holds ``sys``.
        mounts: This process's mounts.
        virtualized: Whether the machine is virtual; then a SCSI or ATA disk is the hypervisor's.
    """
    path = real_path(folder)
    mount = mount_of(str(path), mounts)
    view = _View(root, mounts, virtualized)
    return Storage(
        path=str(path),
        kind=None if mount is None else view.kind_of_mount(mount),
        device=None if mount is None else view.device_of_mount(mount),
        filesystem=None if mount is None else mount.filesystem,
        free_bytes=_free_bytes(path),
    )


def worst_of(kinds: Iterable[StorageKind | None]) -> StorageKind | None:
    """Return the worst kind among an array's parts; None where there is none, or one of them is unknown."""
    found = list(kinds)
    known = [kind for kind in found if kind is not None]
    return max(known, key=_BEST_FIRST.index) if known and len(known) == len(found) else None


def is_virtual_model(name: str) -> bool:
    """Return whether a disk's vendor and model name one that a hypervisor emulates or a cloud serves."""
    return _VIRTUAL_MODEL.search(name) is not None


@dataclass(frozen=True, slots=True)
class _View:
    """What is needed to follow a mount down to its devices."""

    root: Path
    mounts: Sequence[Mount]
    virtualized: bool | None

    def kind_of_mount(self, mount: Mount, layer: int = 0) -> StorageKind | None:
        """Return the kind under a mount: by its file system where that decides, else by its devices."""
        if mount.filesystem in _MEMORY_FILESYSTEMS:
            return "memory"
        if mount.filesystem in _HOST_FILESYSTEMS:
            return "virtual"
        if mount.filesystem in _LAYERED_FILESYSTEMS:
            return self._kind_of_overlay(mount, layer)
        if mount.filesystem in _NETWORK_FILESYSTEMS or mount.filesystem.startswith("fuse."):
            return "network"
        device = self.device_of_mount(mount)
        if device is None:
            return None
        return worst_of(self.kind_of_device(part, layer + 1) for part in self._btrfs_parts(device))

    def device_of_mount(self, mount: Mount) -> str | None:
        """Return the block device's kernel name, such as ``nvme0n1p2``, or None."""
        if not mount.device.startswith("0:"):
            folder = self.root / "sys/dev/block" / mount.device
            if present(folder):
                return real_path(folder).name
        if not mount.source.startswith("/dev/"):
            return None
        name = real_path(under(self.root, mount.source)).name
        if present(self.root / "sys/class/block" / name):
            return name
        return self._mapped_device(name)

    def kind_of_device(self, name: str, layer: int = 0) -> StorageKind | None:
        """Return the kind of a block device: a partition's is its disk's, an array's its worst part's."""
        if named := kind_by_name(name):
            return named
        link = self.root / "sys/class/block" / name
        if layer > _MOST_LAYERS or not present(link):
            return None
        folder = real_path(link)
        parts = [folder.parent.name] if present(folder / "partition") else read_names(folder / "slaves")
        if parts:
            return worst_of(self.kind_of_device(part, layer + 1) for part in parts)
        if backing := read_text(folder / "loop/backing_file"):
            return self._kind_under(backing, layer)
        return self._kind_of_disk(name, folder)

    def _kind_of_disk(self, name: str, folder: Path) -> StorageKind | None:
        device = folder / "device"
        label = f"{read_text(device / 'vendor') or ''} {read_text(device / 'model') or ''}".strip()
        if _is_remote(folder):
            return "network"
        if _VIRTUAL_BUS.search(f"{folder}/") or is_virtual_model(label):
            return "virtual"
        if name.startswith("nvme"):
            # A guest may own a real NVMe disk, handed through; one without a name may well be emulated.
            return "virtual" if self.virtualized and not label else "nvme"
        rotational = read_int(folder / "queue/rotational")
        if self.virtualized or rotational is None:
            return "virtual" if self.virtualized else None
        return "hdd" if rotational else "ssd"

    def _kind_of_overlay(self, mount: Mount, layer: int) -> StorageKind | None:
        """Return what holds an overlay's upper folder; from inside a container that cannot be seen."""
        upper = next((option[9:] for option in mount.options if option.startswith("upperdir=")), None)
        if upper is None or not present(under(self.root, unescape(upper))):
            return "virtual"
        below = mount_of(unescape(upper), self.mounts)
        return "virtual" if below in (None, mount) else self._kind_under(unescape(upper), layer)

    def _kind_under(self, path: str, layer: int) -> StorageKind | None:
        mount = mount_of(path, self.mounts)
        return None if mount is None or layer > _MOST_LAYERS else self.kind_of_mount(mount, layer + 1)

    def _mapped_device(self, mapped: str) -> str | None:
        """Return the dm device of a name under /dev/mapper, which a container's /dev lacks."""
        folder = self.root / "sys/class/block"
        names = (name for name in read_names(folder) if name.startswith("dm-"))
        return next((name for name in names if read_text(folder / name / "dm/name") == mapped), None)

    def _btrfs_parts(self, device: str) -> list[str]:
        """Return all devices of the btrfs file system that a device belongs to, or the device alone."""
        folder = self.root / "sys/fs/btrfs"
        groups = (read_names(folder / name / "devices") for name in read_names(folder))
        return next((group for group in groups if device in group), [device])


def kind_by_name(name: str) -> StorageKind | None:
    """Return the kind of a block device that its kernel name alone decides, else None."""
    return next((kind for pattern, kind in _KINDS_BY_NAME if pattern.fullmatch(name)), None)


def _is_remote(folder: Path) -> bool:
    """Return whether a disk is reached over a network: iSCSI, Fibre Channel or NVMe over fabrics."""
    device = folder / "device"
    controllers = [
        device,
        *(device / name for name in read_names(device) if re.fullmatch(r"nvme[0-9]+", name)),
    ]
    transports = {read_text(controller / "transport") for controller in controllers}
    return bool(_NETWORK_BUS.search(str(folder)) or transports & _NETWORK_TRANSPORTS)


def _free_bytes(path: Path) -> int | None:
    for parent in (path, *path.parents):
        try:
            return shutil.disk_usage(parent).free
        except (OSError, ValueError):
            continue
    return None

"""The kind of storage under a folder, through every layer that may lie between."""

from pathlib import Path

import pytest

from latencykit.hardware.mounts import read_mounts
from latencykit.hardware.storage import is_virtual_model, kind_by_name, read_storage, worst_of

PCI = "pci0000:00/ata1/host0/target0:0:0/0:0:0:0"


def storage(root, folder, *, virtualized=None):
    return read_storage(Path(folder), root, read_mounts(root), virtualized=virtualized)


@pytest.fixture
def kind_of_disk(tree, block_device):
    """Return a function that mounts one block device at / and tells its kind."""

    def kind(name, bus=PCI, *, virtualized=None, **files):
        made, links = block_device(name, bus, **files)
        last = name.rpartition("/")[2]
        made["proc/self/mountinfo"] = f"20 1 0:99 / / rw - ext4 /dev/{last} rw\n"
        return storage(tree(made, links), "/nowhere", virtualized=virtualized).kind

    return kind


def test_nvme_under_a_partition_an_encrypted_volume_and_a_logical_one(machine):
    found = storage(machine("intel_desktop"), "/nowhere/logs", virtualized=False)
    assert (found.kind, found.device, found.filesystem) == ("nvme", "dm-1", "ext4")
    assert found.path == "/nowhere/logs"
    assert found.free_bytes > 0


@pytest.mark.parametrize(
    ("name", "folder", "kind"),
    [
        ("intel_desktop", "/dev/shm/logs", "memory"),
        ("intel_desktop", "/mnt/my share/logs", "network"),
        ("epyc_vm", "/nowhere", "virtual"),
        ("graviton", "/nowhere", "virtual"),
        ("container_v2", "/nowhere", "virtual"),
        ("wsl", "/nowhere", "virtual"),
        ("wsl", "/mnt/c/logs", "network"),
        ("nothing", "/nowhere", None),
    ],
)
def test_kinds_on_other_machines(machine, name, folder, kind):
    root = machine(name)
    assert storage(root, folder).kind == kind


def test_disks_by_what_they_say(kind_of_disk):
    assert kind_of_disk("sda", **{"queue/rotational": "0"}) == "ssd"


def test_a_disk_that_rotates(kind_of_disk):
    assert kind_of_disk("sda", **{"queue/rotational": "1"}) == "hdd"


def test_a_disk_that_does_not_say(kind_of_disk):
    assert kind_of_disk("sda") is None


def test_a_guests_disk_is_never_an_ssd(kind_of_disk):
    assert kind_of_disk("sda", virtualized=True, **{"queue/rotational": "0"}) == "virtual"


def test_a_virtio_disk_is_never_an_ssd(kind_of_disk):
    assert kind_of_disk("vda", "pci0000:00/virtio1", **{"queue/rotational": "0"}) == "virtual"


def test_an_nvme_disk_handed_to_a_guest(kind_of_disk):
    model = "Amazon EC2 NVMe Instance Storage"
    assert kind_of_disk("nvme1n1", "pci/nvme/nvme1", virtualized=True, **{"device/model": model}) == "nvme"


def test_an_nvme_disk_of_a_guest_without_a_name(kind_of_disk):
    assert kind_of_disk("nvme1n1", "pci/nvme/nvme1", virtualized=True) == "virtual"


def test_nvme_over_a_network(kind_of_disk):
    assert (
        kind_of_disk("nvme1n1", "virtual/nvme-fabrics/ctl/nvme1", **{"device/transport": "tcp"}) == "network"
    )


def test_nvme_over_a_network_with_several_paths(kind_of_disk):
    files = {"device/nvme0/transport": "rdma", "device/model": "Linux"}
    assert kind_of_disk("nvme1n1", "virtual/nvme-subsystem/nvme-subsys1", **files) == "network"


def test_iscsi(kind_of_disk):
    bus = "platform/host7/session1/target7:0:0/7:0:0:1"
    assert kind_of_disk("sdb", bus, **{"queue/rotational": "0"}) == "network"


def test_an_emulated_disk_gives_itself_away_by_its_model(kind_of_disk):
    assert kind_of_disk("sda", **{"queue/rotational": "0", "device/model": "VBOX HARDDISK"}) == "virtual"


def test_an_array_is_as_good_as_its_worst_part(tree, block_device):
    files, links = {"proc/self/mountinfo": "20 1 9:0 / / rw - ext4 /dev/md0 rw\n"}, {}
    for name, text in (("md0", {"slaves/sda": "", "slaves/sdb": ""}), ("sda", "0"), ("sdb", "1")):
        more = text if isinstance(text, dict) else {"queue/rotational": text}
        made, link = block_device(name, f"{PCI}/{name}", **more)
        files, links = files | made, links | link
    assert storage(tree(files, links), "/nowhere").kind == "hdd"


def test_all_devices_of_a_btrfs_count(tree, block_device):
    files = {
        "proc/self/mountinfo": "20 1 0:30 /@ / rw - btrfs /dev/sda rw,subvol=/@\n",
        "sys/fs/btrfs/features/none": "",
        "sys/fs/btrfs/1234/devices/sda": "",
        "sys/fs/btrfs/1234/devices/sdb": "",
    }
    links = {}
    for name, rotational in (("sda", "0"), ("sdb", "1")):
        made, link = block_device(name, f"{PCI}/{name}", **{"queue/rotational": rotational})
        files, links = files | made, links | link
    found = storage(tree(files, links), "/nowhere")
    assert (found.kind, found.device) == ("hdd", "sda")


def test_a_loop_file_is_on_what_holds_it(tree, block_device):
    made, links = block_device("loop0", "virtual", **{"loop/backing_file": "/images/a.img"})
    disk, disk_links = block_device("sda", PCI, **{"queue/rotational": "1"})
    mounts = "20 1 0:99 / / rw - ext4 /dev/sda rw\n21 20 7:0 / /loop rw - ext4 /dev/loop0 rw\n"
    root = tree(made | disk | {"proc/self/mountinfo": mounts}, links | disk_links)
    assert storage(root, "/loop/logs").kind == "hdd"


def test_a_loop_file_on_itself_ends(tree, block_device):
    made, links = block_device("loop0", "virtual", **{"loop/backing_file": "/loop/a.img"})
    root = tree(made | {"proc/self/mountinfo": "21 20 0:99 / /loop rw - ext4 /dev/loop0 rw\n"}, links)
    assert storage(root, "/loop/logs").kind is None


def test_arrays_in_a_circle_end(tree, block_device):
    files, links = {"proc/self/mountinfo": "20 1 0:99 / / rw - ext4 /dev/dm-0 rw\n"}, {}
    for name, part in (("dm-0", "dm-1"), ("dm-1", "dm-0")):
        made, link = block_device(name, "virtual", **{f"slaves/{part}": ""})
        files, links = files | made, links | link
    assert storage(tree(files, links), "/nowhere").kind is None


def test_a_mapped_device_is_found_by_its_name_where_dev_lacks_it(tree, block_device):
    files, links = block_device("dm-3", "virtual", **{"dm/name": "vg-logs", "queue/rotational": "0"})
    files["proc/self/mountinfo"] = "20 1 0:99 / / rw - ext4 /dev/mapper/vg-logs rw\n"
    found = storage(tree(files, links), "/nowhere")
    assert (found.kind, found.device) == ("ssd", "dm-3")


def test_an_overlay_whose_upper_folder_can_be_seen(tree):
    root = tree(
        {
            "proc/self/mountinfo": (
                "20 1 0:40 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/run/my\\040upper\n"
                "21 20 0:41 / /run rw - tmpfs tmpfs rw\n"
            ),
            "run/my upper/file": "",
        }
    )
    assert storage(root, "/nowhere").kind == "memory"


def test_a_file_system_without_a_device_that_we_know_is_unknown(tree):
    root = tree({"proc/self/mountinfo": "20 1 0:40 / / rw - zfs tank/root rw\n"})
    found = storage(root, "/nowhere")
    assert (found.kind, found.device, found.filesystem) == (None, None, "zfs")


def test_a_folder_through_a_link_is_where_it_leads(machine, tmp_path):
    link = tmp_path / "logs"
    link.symlink_to("/dev/shm")
    assert storage(machine("intel_desktop"), link).kind == "memory"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("vda1", "virtual"), ("xvdf", "virtual"), ("zram0", "memory"), ("nbd0p1", "network"),
     ("mmcblk0p2", "flash"), ("sda", None), ("nvme0n1", None), ("ramdisk", None)],
)  # fmt: skip
def test_names_that_decide(name, kind):
    assert kind_by_name(name) == kind


@pytest.mark.parametrize(
    "model", ["QEMU HARDDISK", "Msft Virtual Disk", "VMware Virtual NVMe Disk", "nvme_card-pd"]
)
def test_virtual_models(model):
    assert is_virtual_model(model)


@pytest.mark.parametrize("model", ["Samsung SSD 980 PRO", "nvme_card", "Microsoft NVMe Direct Disk v2", ""])
def test_real_models(model):
    assert not is_virtual_model(model)


def test_worst_part():
    assert worst_of(["ssd", "nvme"]) == "ssd"
    assert worst_of(["ssd", None]) is None
    assert worst_of([]) is None

"""mountinfo and the mount above a path."""

from latencykit.hardware.mounts import mount_of, parse_mountinfo

TEXT = """\
20 1 8:1 / / rw,relatime shared:1 master:2 - ext4 /dev/sda1 rw,errors=remount-ro
21 20 8:2 /sub /data rw - xfs /dev/sda2 rw
22 20 8:3 / /data rw - btrfs /dev/sda3 rw,subvol=/
23 20 0:9 / /with\\040space rw - tmpfs none rw
not a mount
24 20 0:9 / /half rw
"""


def point_of(path):
    mount = mount_of(path, parse_mountinfo(TEXT))
    return mount and (mount.point, mount.filesystem)


def test_fields_with_optional_ones_between():
    mount = parse_mountinfo(TEXT)[0]
    assert (mount.device, mount.root, mount.point) == ("8:1", "/", "/")
    assert (mount.filesystem, mount.source, mount.options) == (
        "ext4",
        "/dev/sda1",
        ("rw", "errors=remount-ro"),
    )


def test_malformed_lines_are_left_out():
    assert len(parse_mountinfo(TEXT)) == 4
    assert parse_mountinfo(None) == []


def test_the_longest_mount_point_wins_by_whole_names():
    assert point_of("/database/x") == ("/", "ext4")
    assert point_of("/with space/x") == ("/with space", "tmpfs")


def test_the_later_of_two_at_one_point_wins():
    assert point_of("/data/logs") == ("/data", "btrfs")


def test_two_leading_slashes_are_one():
    assert point_of("//data/logs") == ("/data", "btrfs")


def test_no_mounts_no_mount():
    assert mount_of("/x", []) is None

"""Caches as sysfs describes them."""

from latencykit.environment import Cache
from latencykit.hardware.caches import read_caches

FOLDER = "sys/devices/system/cpu/cpu4/cache"


def test_zero_is_the_kernels_word_for_not_told(tree):
    files = {
        "level": "3",
        "type": "Unified",
        "size": "8M",
        "ways_of_associativity": "0",
        "coherency_line_size": "0",
    }
    root = tree({f"{FOLDER}/index0/{name}": text for name, text in files.items()})
    assert read_caches(root, 4) == [Cache(level=3, kind="unified", size_bytes=8 << 20)]


def test_a_cache_without_a_size_or_another_cpus_is_left_out(tree):
    root = tree({f"{FOLDER}/index0/level": "1", f"{FOLDER}/index0/type": "Data", f"{FOLDER}/uevent": ""})
    assert read_caches(root, 4) == []
    assert read_caches(root, 0) == []

"""Main memory."""

import resource

import pytest

from latencykit.hardware import memory


def test_sizes_are_bytes_of_1024_times_kb(machine):
    found = memory.read_memory(machine("intel_desktop"), 8 << 20)
    assert found.total_bytes == 16265420 * 1024
    assert found.available_bytes == 12000000 * 1024
    assert found.huge_pages == "madvise"
    assert found.locked_limit_bytes == 8 << 20


def test_nothing_to_read_is_unknown(machine):
    found = memory.read_memory(machine("nothing"), None)
    assert (found.total_bytes, found.available_bytes, found.huge_pages) == (None, None, None)


@pytest.mark.parametrize(
    "text", ["MemTotal: lots kB", "MemTotal: -3 kB", "MemTotal:", "HugePages_Total: 5", None]
)
def test_odd_lines_are_left_out(text):
    assert memory.parse_meminfo(text) == {}


@pytest.mark.parametrize(
    ("text", "word"), [("[always] never", "always"), ("always never", None), ("[]", None)]
)
def test_choice(text, word):
    assert memory.parse_choice(text) == word


def test_no_limit_on_locked_memory_is_none(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert memory.locked_limit() is None
    monkeypatch.setattr(resource, "getrlimit", lambda _: (65536, resource.RLIM_INFINITY))
    assert memory.locked_limit() == 65536

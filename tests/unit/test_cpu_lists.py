import pytest
from hypothesis import given
from hypothesis import strategies as st

from latencykit.engine.cpu_lists import CpuLimits, format_cpus, parse_cpus, read_limits, read_siblings


@given(st.frozensets(st.integers(0, 300)))
def test_what_is_written_is_read_back(cpus):
    assert parse_cpus(format_cpus(cpus).replace("none", "")) == cpus


@pytest.mark.parametrize(("text", "cpus"), [("0-1\n", {0, 1}), ("0,2-4\n", {0, 2, 3, 4}), ("\n", set())])
def test_kernel_lists(text, cpus):
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize("text", ["a", "0-", "1-2-3", "-1"])
def test_damaged_lists(text):
    with pytest.raises(ValueError, match="invalid literal"):
        parse_cpus(text)


def test_what_cannot_be_read_is_unknown(tmp_path):
    folder = tmp_path / "sys/devices/system/cpu"
    folder.mkdir(parents=True)
    (folder / "present").write_text("what?\n")
    (folder / "online").write_text("\n")
    assert read_limits(tmp_path) == CpuLimits(None, None, None)
    assert read_siblings(tmp_path, 0) == frozenset()

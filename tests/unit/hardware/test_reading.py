"""Small readers and parsers shared by the whole room."""

import pytest

from latencykit.hardware.reading import (
    parse_cpu_list,
    parse_int,
    parse_positive,
    parse_size,
    present,
    read_int,
    read_names,
    read_text,
    real_path,
)


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0", [0]),
        ("0-3,8,10-11", [0, 1, 2, 3, 8, 10, 11]),
        ("3,1", [1, 3]),
        ("", []),
        (None, []),
        ("3-1", []),
        ("0-x", []),
        ("0-99999999999", []),
    ],
)
def test_cpu_list(text, cpus):
    assert parse_cpu_list(text) == cpus


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("32K", 32768),
        ("8M", 8 << 20),
        ("512", 512),
        ("0K", None),
        ("K", None),
        ("3Q", None),
        ("", None),
        (None, None),
    ],
)
def test_size(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "0", "fast", "", None])
def test_what_is_no_positive_number_is_none(text):
    assert parse_positive(text) is None


def test_numbers():
    assert parse_positive("2596.136") == 2596.136
    assert parse_int(" 12\n") == 12
    assert parse_int("max") is None


def test_what_cannot_be_read_is_none_or_empty(tmp_path):
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe12")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert read_text(tmp_path / "empty") is None
    assert read_text(tmp_path) is None
    assert read_text(tmp_path / "no\0name") is None
    assert read_int(tmp_path / "bytes") is None
    assert read_names(tmp_path / "absent") == []
    assert not present(tmp_path / "loop")
    assert not present(tmp_path / "no\0name")
    assert real_path(tmp_path / "loop").is_absolute()

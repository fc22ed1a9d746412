import errno
import io
import os
import stat
from pathlib import Path

import pytest

from latencykit.commands import output
from latencykit.commands.output import Destination, View, show, view_of
from latencykit.errors import UsageError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError("no descriptor")


@pytest.mark.parametrize(
    ("stream", "environ", "view"),
    [
        (io.StringIO(), {}, View(140, colour=False)),
        (io.StringIO(), {"COLUMNS": "100"}, View(100, colour=False)),
        (io.StringIO(), {"COLUMNS": "20"}, View(80, colour=False)),
        (io.StringIO(), {"COLUMNS": "wide"}, View(140, colour=False)),
        (io.StringIO(), {"COLUMNS": "0"}, View(140, colour=False)),
        (Terminal(), {}, View(80, colour=True)),
        (Terminal(), {"COLUMNS": "132", "NO_COLOR": ""}, View(132, colour=True)),
        (Terminal(), {"NO_COLOR": "1"}, View(80, colour=False)),
        (Terminal(), {"TERM": "dumb"}, View(80, colour=False)),
    ],
)
def test_views(stream, environ, view):
    assert view_of(stream, environ) == view


def test_the_width_of_a_terminal_is_asked_of_it(monkeypatch):
    monkeypatch.setattr(os, "get_terminal_size", lambda _fd: os.terminal_size((117, 40)))
    terminal = Terminal()
    monkeypatch.setattr(terminal, "fileno", lambda: 1)
    assert view_of(terminal, {}).width == 117


def test_text_is_shown_in_what_the_stream_can_encode():
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding="ascii")
    show("1.23 µs  5 ×  ─ 日", stream)
    assert buffer.getvalue() == b"1.23 us  5 x  - ?\n"


def test_a_reader_that_went_away_is_no_error():
    readable, writable = os.pipe()
    os.close(readable)
    with os.fdopen(writable, "w", encoding="utf-8") as stream:
        show("text", stream)
        show("more", stream)


def test_a_full_disk_under_standard_output_is_told():
    with (
        Path("/dev/full").open("w", encoding="utf-8") as full,
        pytest.raises(UsageError, match="no space left"),
    ):
        show("text", full)


def test_a_standard_error_that_cannot_be_written_is_let_be(monkeypatch):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(output.sys, "stderr", full)
        show("text", full)


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("old")
    path.chmod(0o640)
    destination = Destination(str(path))
    destination.check()
    assert path.read_text() == "old"
    assert destination.save(b"{}\n") is None
    assert path.read_bytes() == b"{}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_mode_that_the_user_asked_for(tmp_path):
    before = os.umask(0o027)
    try:
        assert Destination(str(tmp_path / "run.json")).save(b"{}") is None
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    Destination(str(tmp_path / "link.json")).save(b"new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_bytes() == b"new"


def test_a_device_is_written_to_and_not_replaced():
    destination = Destination("/dev/null")
    destination.check()
    assert destination.save(b"{}") is None
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing/run.json", "no such file or directory"),
        (".", "folder"),
        ("file/run.json", "not a directory"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_any_work(tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(UsageError, match=words) as raised:
        Destination(name).check()
    assert f"--json {name}" in str(raised.value)


def test_a_file_marked_read_only_is_not_replaced_even_by_root(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("kept")
    path.chmod(0o444)
    with pytest.raises(UsageError, match="read-only"):
        Destination(str(path)).check()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a folder without write permission")
def test_a_read_only_folder_is_refused(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o555)
    with pytest.raises(UsageError, match="permission denied"):
        Destination(str(folder / "run.json")).check()


def test_what_cannot_be_saved_in_the_end_is_kept_elsewhere(tmp_path, monkeypatch):
    folder, rescue = tmp_path / "folder", tmp_path / "rescue"
    folder.mkdir()
    rescue.mkdir()
    monkeypatch.setattr(output.tempfile, "tempdir", str(rescue))
    destination = Destination(str(folder / "run.json"))
    destination.check()
    folder.rmdir()
    problem = destination.save(b"precious")
    (kept,) = rescue.iterdir()
    assert kept.read_bytes() == b"precious"
    assert problem is not None
    assert "no such file or directory" in problem
    assert str(kept) in problem


def test_what_can_be_saved_nowhere_goes_to_standard_output(tmp_path, monkeypatch, capsysbinary):
    monkeypatch.setattr(output.tempfile, "tempdir", str(tmp_path / "missing"))
    problem = Destination(str(tmp_path / "missing" / "run.json")).save(b"precious")
    assert capsysbinary.readouterr().out == b"precious"
    assert "standard output" in str(problem)


def test_a_full_disk_leaves_the_old_file_and_no_part_of_the_new(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    path.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(output.os, "fsync", full)
    monkeypatch.setattr(output.tempfile, "tempdir", str(tmp_path.parent))
    problem = Destination(str(path)).save(b"new")
    assert "no space left" in str(problem)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_dash_is_standard_output_byte_for_byte(capsysbinary):
    destination = Destination("-")
    destination.check()
    assert destination.save("{µ}\n".encode()) is None
    assert capsysbinary.readouterr().out == "{µ}\n".encode()

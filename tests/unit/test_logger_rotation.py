"""The files of AsyncLogger: rotation by size and time, and opening them again."""

import os
import re
from pathlib import Path

import pytest
from logged_lines import bodies

from latencykit.engine import AsyncLogger
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError, UnsupportedError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.log"


def rotated(path):
    """All files of a log, the oldest first."""
    older = sorted(path.parent.glob(path.name + ".*"), key=lambda file: -int(file.suffix[1:]))
    return [*older, path]


@pytest.mark.parametrize("form", ["text", "json"])
def test_rotation_by_size_keeps_every_line_whole_and_in_order(path, form):
    with AsyncLogger(path, capacity=1, format=form, rotate_bytes=4096, backups=1000) as logger:
        site = logger.site("line {}")
        for i in range(3000):
            site(i)
    files = rotated(path)
    assert len(files) > 20
    assert all(file.stat().st_size <= 4096 for file in files)
    found = [int(n) for file in files for n in re.findall(r"[ \"]line (\d+)[\"\n]", file.read_text())]
    assert found == list(range(3000))


def test_only_so_many_backups_are_kept(path):
    with AsyncLogger(path, rotate_bytes=1024, backups=2) as logger:
        site = logger.site("{}")
        for i in range(200):
            site(i)
    assert sorted(file.name for file in path.parent.iterdir()) == ["x.log", "x.log.1", "x.log.2"]
    kept = [int(body.split()[1]) for file in rotated(path) for body in bodies(file)]
    assert kept == list(range(kept[0], 200))


def test_a_line_longer_than_the_limit_has_its_own_file(path):
    with AsyncLogger(path, rotate_bytes=1024) as logger:
        site = logger.site("{}")
        for text in ("a", "b" * 5000, "c"):
            site(text)
    assert [bodies(file) for file in rotated(path)] == [["INFO a"], ["INFO " + "b" * 5000], ["INFO c"]]


def test_rotation_by_time_follows_the_lines(path):
    with AsyncLogger(path, rotate_every=1, backups=50) as logger:
        site = logger.site("{}")
        count = 0
        while len(rotated(path)) < 3:
            site(count)
            count += 1
            logger.drain()
    assert [body for file in rotated(path) for body in bodies(file)] == [f"INFO {i}" for i in range(count)]
    seconds = [{line[:19] for line in file.read_text().splitlines()} for file in rotated(path)]
    assert all(len(of_file) == 1 for of_file in seconds)


def test_a_file_of_another_day_is_rotated_at_the_first_line(path):
    path.write_text("yesterday\n")
    day = 86_400 * 1_000_000_000
    os.utime(path, ns=(0, day))
    with AsyncLogger(path, rotate_every="1d") as logger:
        assert path.read_text() == "yesterday\n"
        logger.site("today")()
    assert Path(f"{path}.1").read_text() == "yesterday\n"
    assert bodies(path) == ["INFO today"]


def test_a_rotation_that_fails_is_raised_and_told_and_stops_nothing(path):
    Path(f"{path}.1").mkdir()
    with AsyncLogger(path, rotate_bytes=1024, backups=1) as logger:
        site = logger.site("{}")
        for i in range(60):
            site(i)
        with pytest.raises(IsADirectoryError, match="Is a directory; the log could not be rotated") as caught:
            logger.flush()
        assert caught.value.filename == str(path)
        assert (logger.lost, logger.written) == (0, 60)
        said = "WARNING latencykit: the log could not be rotated and goes on in the same file: Is a directory"
        assert said in bodies(path)
        Path(f"{path}.1").rmdir()
        for i in range(60, 200):
            site(i)
        logger.flush()
    assert Path(f"{path}.1").is_file()


def test_a_relative_path_is_rotated_where_it_was_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with AsyncLogger("x.log", rotate_bytes=1024) as logger:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        site = logger.site("{}")
        for i in range(50):
            site(i)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (tmp_path / "x.log.1").exists()


def test_what_cannot_be_rotated_is_refused():
    with pytest.raises(UnsupportedError, match="'/dev/null' is no regular file"):
        AsyncLogger("/dev/null", rotate_bytes=1024)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"rotate_bytes": 1023}, InvalidValueError),
        ({"rotate_bytes": 1e6}, InvalidTypeError),
        ({"rotate_bytes": 1 << 63}, InvalidValueError),
        ({"rotate_every": 0}, InvalidValueError),
        ({"rotate_every": 1.5}, InvalidTypeError),
        ({"rotate_every": True}, InvalidTypeError),
        ({"rotate_every": "1 hour"}, InvalidValueError),
        ({"rotate_every": "h"}, InvalidValueError),
        ({"rotate_every": "0s"}, InvalidValueError),
        ({"rotate_every": "400d"}, InvalidValueError),
        ({"backups": 0}, InvalidValueError),
        ({"backups": "3"}, InvalidTypeError),
        ({"format": "xml"}, InvalidValueError),
    ],
)
def test_an_option_of_the_file_that_cannot_be_used_raises(path, options, error):
    with pytest.raises(error):
        AsyncLogger(path, **options)
    assert not path.exists()


@pytest.mark.parametrize("every", ["90s", " 15 min ", "1h", "1d", 3600])
def test_times_between_rotations(path, every):
    AsyncLogger(path, rotate_every=every).close()


def test_a_moved_file_is_followed_by_a_new_one_after_reopening(path, tmp_path):
    moved = tmp_path / "moved"
    with AsyncLogger(path, flush_interval=3600) as logger:
        site = logger.site("{}")
        site("before")
        logger.drain()
        path.rename(moved)
        site("between")
        logger.reopen()
        site("after")
    assert (bodies(moved), bodies(path)) == (["INFO before", "INFO between"], ["INFO after"])


def test_a_reopening_that_fails_is_raised_and_the_file_kept(tmp_path):
    folder, gone = tmp_path / "folder", tmp_path / "gone"
    folder.mkdir()
    with AsyncLogger(folder / "x.log") as logger:
        site = logger.site("{}")
        folder.rename(gone)
        with pytest.raises(FileNotFoundError, match="could not be reopened and goes on in the file it had"):
            logger.reopen()
        site("kept")
        logger.flush()
    assert bodies(gone / "x.log") == ["INFO kept"]
    with pytest.raises(InvalidStateError):
        logger.reopen()

"""``latencykit log recover`` on what killed processes left behind."""

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from latencykit.engine import AsyncLogger
from latencykit.engine.log_recovery import append_to_log, write_to

KILLER = Path(__file__).parents[1] / "support" / "killed_loggers.py"
# Each at a moment of its own. Set it lower for a quick look, never in continuous integration.
KILLS = int(os.environ.get("LATENCYKIT_KILLS", "200"))
MESSAGE = re.compile(r"([01]) (\d+) (\d+\.\d\d) größe")
DROPPED = re.compile(r"latencykit: (\d+) records? dropped because the ring was full")


def recover(*arguments):
    command = [sys.executable, "-m", "latencykit", "log", "recover", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False)


def killed(folder, program):
    """Run a program that logs to FOLDER/a.log through `logger` and then kills itself."""
    text = f"""
import os, signal
from latencykit.engine import AsyncLogger
logger = AsyncLogger({str(folder / "a.log")!r}, crash_proof=True, flush_interval=3600)
{program}
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", text], check=False, capture_output=True, text=True)
    assert ended.returncode == -9, ended.stderr
    return folder / "a.log"


def whole_log(log):
    """The content of a log and all that was rotated away, the oldest first."""
    older = sorted(log.parent.glob("a.log.[0-9]*"), key=lambda path: -int(path.suffix[1:]))
    return b"".join(path.read_bytes() for path in [*older, log] if path.exists())


def messages_of(line, form):
    """The message of a line, whose form is checked."""
    if form == "json":
        entry = json.loads(line)
        return entry["time"], entry["message"]
    time, _, rest = line.partition(" ")
    return time, rest.partition(" ")[2]


def check_whole(lines, form, on_full, acknowledged):
    numbers = [[] for _ in acknowledged]
    dropped, last = 0, ""
    for line in lines:
        time, message = messages_of(line, form)
        assert time >= last
        last = time
        if notice := DROPPED.fullmatch(message):
            dropped += int(notice[1])
            continue
        found = MESSAGE.fullmatch(message)
        assert found, line
        thread, number = int(found[1]), int(found[2])
        assert found[3] == f"{number / 4:.2f}"
        numbers[thread].append(number)
    for thread, count in enumerate(acknowledged):
        seen = numbers[thread]
        assert seen == sorted(set(seen))
        # The last call had perhaps logged, but not returned.
        assert seen[-1] + 1 in (count, count + 1)
        if on_full == "block":
            assert seen == list(range(len(seen)))
    ends = sum(seen[-1] + 1 for seen in numbers)
    assert dropped + sum(map(len, numbers)) == ends


@pytest.fixture(scope="module")
def kills(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    seed = random.SystemRandom().randrange(1 << 32)
    command = [sys.executable, str(KILLER), str(folder), str(KILLS), str(seed)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [(folder / str(number) / "a.log", json.loads(line)) for number, line in enumerate(text.splitlines())]


def test_nothing_acknowledged_is_lost_by_kills_at_random_moments(kills, tmp_path):
    assert len(kills) == KILLS
    rest = 0
    for log, setup in kills:
        before = whole_log(log)
        out = tmp_path / "out"
        with out.open("wb") as file:
            printed = write_to(file.fileno(), log)
        assert printed.sound
        assert not printed.inexact
        appended = append_to_log(log)
        after = whole_log(log)
        whole_lines = before[: before.rfind(b"\n") + 1]
        assert after == whole_lines + out.read_bytes()
        assert after.startswith(before)
        assert (appended.records, appended.rest_lines) == (printed.records, printed.rest_lines)
        # A rotation that was cut short may have left its new file, with nothing in it.
        assert not list(log.parent.glob("*.rings*"))
        assert all(path.stat().st_size == 0 for path in log.parent.glob("*.new"))
        check_whole(after.decode().splitlines(), setup["form"], setup["on_full"], setup["acknowledged"])
        lines = [messages_of(line, setup["form"])[1] for line in out.read_text().splitlines()]
        assert printed.records == sum(not DROPPED.fullmatch(line) for line in lines)
        rest += appended.rest_lines > 0
    # Some were killed in the middle of a batch, or there is nothing in what this test says of that.
    assert KILLS < 100 or rest > 0


def test_it_prints_what_was_logged_and_changes_nothing(tmp_path):
    log = killed(tmp_path, "site = logger.site('{} of {}', 'WARNING')\nfor i in range(3): site(i, 'é')")
    first, second = recover(log), recover(tmp_path / "a.log.rings")
    assert first.returncode == 0
    lines = first.stdout.decode().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [f"WARNING {i} of é" for i in range(3)]
    assert second.stdout == first.stdout
    assert b"3 records of process" in first.stderr
    assert log.read_bytes() == b""


def test_append_completes_the_log_once(tmp_path):
    log = killed(tmp_path, "logger.site('{}')(1)\nlogger.drain()\nlogger.site('{}')(2)")
    assert recover(log, "--append", "--quiet").stderr == b""
    assert [line.split(" ", 1)[1] for line in log.read_text().splitlines()] == ["INFO 1", "INFO 2"]
    again = recover(log, "--append")
    assert again.returncode == 0
    assert b"nothing to recover" in again.stderr
    assert len(log.read_text().splitlines()) == 2


def test_o_writes_a_new_file_only(tmp_path):
    log = killed(tmp_path, "logger.site('{}')(1)")
    assert recover(log, "-o", tmp_path / "new").returncode == 0
    assert (tmp_path / "new").read_text().endswith(" INFO 1\n")
    refused = recover(log, "-o", tmp_path / "new")
    assert refused.returncode == 2
    assert b"exists already" in refused.stderr


def test_the_rings_of_a_living_logger_are_refused(tmp_path):
    log = tmp_path / "a.log"
    with AsyncLogger(log, crash_proof=True, flush_interval=3600) as logger:
        logger.site("{}")(1)
        refused = recover(log)
        assert refused.returncode == 2
        assert f"in use by process {os.getpid()}".encode() in refused.stderr
        assert recover(log, "--append").returncode == 2
        shown = recover(log, "--in-use")
        assert shown.returncode == 0
        assert shown.stdout.endswith(b" INFO 1\n")
    assert log.read_text().count("\n") == 1


def test_a_damaged_record_is_marked_and_the_rest_recovered(tmp_path):
    log = killed(tmp_path, "site = logger.site('{}')\nfor i in range(5): site('text', ) if i != 2 else site('DAMAGE')")
    rings = tmp_path / "a.log.rings"
    data = bytearray(rings.read_bytes())
    data[data.index(b"DAMAGE") - 8 + 4] = 1  # A length beyond the ring.
    rings.write_bytes(data)
    found = recover(log, "--append")
    assert found.returncode == 2
    messages = [line.split(" ", 2)[2] for line in log.read_text().splitlines()]
    assert messages == ["text", "text", "latencykit: 40 bytes of damaged records skipped", "text", "text"]
    assert (tmp_path / "a.log.rings.damaged").exists()
    assert b"a.log.rings.damaged" in found.stderr


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", b"0 bytes"),
        (b"text" * 2000, b"not a file of a logger's rings"),
        (b"LKRINGS\n\x09\0\0\0\x04\x03\x02\x01" + bytes(5000), b"version 9"),
        (b"LKRINGS\n\x01\0\0\0\x01\x02\x03\x04" + bytes(5000), b"byte order"),
    ],
)
def test_what_is_no_file_of_rings_is_refused(tmp_path, content, word):
    (tmp_path / "a.log.rings").write_bytes(content)
    for arguments in ((), ("--in-use",)):
        refused = recover(tmp_path / "a.log", *arguments)
        assert refused.returncode == 2
        assert word in refused.stderr
        assert b"Traceback" not in refused.stderr
        assert refused.stdout == b""


def test_an_unfinished_file_of_rings_is_deleted_by_appending_and_that_is_said(tmp_path):
    rings = tmp_path / "a.log.rings"
    rings.write_bytes(bytes(8192))
    assert recover(tmp_path / "a.log").returncode == 2
    assert rings.exists()
    said = recover(tmp_path / "a.log", "--append")
    assert (said.returncode, said.stdout) == (0, b"")
    assert said.stderr.count(b"\n") == 1
    assert b"the empty file is deleted" in said.stderr
    assert not rings.exists()


def test_paths_that_lead_nowhere_are_refused(tmp_path):
    assert b"neither" in recover(tmp_path / "missing.log").stderr
    (tmp_path / "dir.rings").mkdir()
    assert b"no regular file" in recover(tmp_path / "dir.rings").stderr
    assert recover(tmp_path / "a.log", "--append", "--in-use").returncode == 2


def test_a_failed_recovery_leaves_no_output_file(tmp_path):
    with AsyncLogger(tmp_path / "a.log", crash_proof=True) as logger:
        logger.site("x")()
        for _ in range(2):
            refused = recover(tmp_path / "a.log", "-o", tmp_path / "out")
            assert refused.returncode == 2
            assert b"in use by process" in refused.stderr
            assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("path", "words"), [(".", b"is a directory"), ("", b"is a directory"), ("x" * 300, b"too long")]
)
def test_a_path_that_is_no_log_is_refused_in_a_sentence(path, words):
    refused = recover(path)
    assert refused.returncode == 2
    assert words in refused.stderr
    assert b"unexpected" not in refused.stderr


def test_a_log_that_is_called_rings_itself_is_recovered(tmp_path):
    killed(
        tmp_path, f"other = AsyncLogger({str(tmp_path / 'b.rings')!r}, crash_proof=True); other.site('kept {{}}')(1)"
    )
    found = recover(tmp_path / "b.rings")
    assert found.returncode == 0, found.stderr
    assert found.stdout.endswith(b"INFO kept 1\n")

"""What the logger does with its file: levels, rotation, reopening, JSON, limits, a device that is full for a while."""

import errno
import itertools
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from datetime import datetime

import pytest
from leaks import open_files
from logged_lines import STAMP, bodies

from latencykit.engine import AsyncLogger
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.log"


# --- levels ------------------------------------------------------------------------------------------------


def test_the_level_may_be_changed_at_any_time(path):
    with AsyncLogger(path, level="WARNING") as logger:
        debug, error = logger.site("debug {}", "DEBUG"), logger.site("error {}", "ERROR")
        for level in ("WARNING", "DEBUG", "CRITICAL", "ERROR"):
            logger.level = level
            assert logger.level == level
            debug(level)
            error(level)
    assert bodies(path) == ["ERROR error WARNING", "DEBUG debug DEBUG", "ERROR error DEBUG", "ERROR error ERROR"]


def test_a_wrong_level_changes_nothing(path):
    with AsyncLogger(path, level="ERROR") as logger:
        with pytest.raises(InvalidValueError, match="'debug' is none of DEBUG"):
            logger.level = "debug"
        assert (logger.level, logger.threshold) == ("ERROR", 40)


def test_a_call_below_the_level_looks_at_no_argument(path):
    class Loud:
        def __format__(self, spec):
            raise AssertionError(spec)

    with AsyncLogger(path) as logger:
        logger.site("{}", "DEBUG")(Loud())
    assert bodies(path) == []


# --- a device that is full for a while ---------------------------------------------------------------------


def test_logging_goes_on_when_there_is_space_again(path):
    code = """
import resource, sys
from latencykit.engine import AsyncLogger
before = resource.getrlimit(resource.RLIMIT_FSIZE)
logger = AsyncLogger(sys.argv[1])
site = logger.site("{}")
site("first")
logger.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
for i in range(20):
    site(i)
try:
    logger.flush()
except OSError as error:
    print(error.errno, logger.lost, logger.written)
resource.setrlimit(resource.RLIMIT_FSIZE, before)
site("last")
logger.close()
"""
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, check=True)
    number, lost, written = map(int, done.stdout.split())
    assert number == errno.EFBIG
    assert lost + written == 21
    found = bodies(path)
    assert found[:written] == ["INFO first", *(f"INFO {i}" for i in range(written - 1))]
    assert f"WARNING latencykit: {lost} records lost because the file could not be written" in found[written:]
    assert found[-2 if "WARNING" in found[-1] else -1] == "INFO last"


def test_a_full_pipe_delays_and_loses_nothing(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    received = bytearray()

    def read():
        while part := os.read(reader, 1 << 16):
            received.extend(part)

    with AsyncLogger(fifo, capacity=1) as logger:
        site = logger.site("{}")
        os.set_blocking(reader, True)
        thread = threading.Thread(target=read)
        for i in range(2000):
            if i == 100:
                thread.start()
            site("x" * 100)
    thread.join()
    os.close(reader)
    assert received.count(b"\n") == 2000


# --- order -------------------------------------------------------------------------------------------------


def test_a_million_records_of_two_threads_are_in_strict_order(path):
    each = 500_000

    def work(site, name):
        for i in range(each):
            site(name, i, i / 4)

    with AsyncLogger(path, capacity=20_000, on_full="block") as logger:
        site = logger.site("{} {} {}")
        threads = [threading.Thread(target=work, args=(site, name)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        logger.flush()
        assert (logger.written, logger.dropped, logger.lost, logger.late) == (2 * each, 0, 0, 0)
    seen = {"a": itertools.count(), "b": itertools.count()}
    last = ""
    with path.open() as file:
        for line in file:
            stamp, level, name, number, price = line.split()
            assert stamp >= last
            last = stamp
            i = next(seen[name])
            assert (level, number, price) == ("INFO", str(i), str(i / 4))
    assert [next(counter) for counter in seen.values()] == [each, each]


# --- limits a second ---------------------------------------------------------------------------------------

TOLD = re.compile(r"WARNING latencykit: (\d+) records? of 'n \{\}' suppressed by its limit of 5 a second")


def test_a_limit_lets_so_many_pass_and_tells_of_the_rest(path):
    with AsyncLogger(path) as logger:
        limited, free = logger.site("n {}", max_per_second=5), logger.site("n {}")
        for i in range(1000):
            limited(i)
        free("free")
        suppressed = limited.suppressed
        assert (limited.max_per_second, free.max_per_second, free.suppressed) == (5, None, 0)
    passed = [body for body in bodies(path) if body.startswith("INFO n ") and body != "INFO n free"]
    told = [int(match[1]) for body in bodies(path) if (match := TOLD.fullmatch(body))]
    assert passed[:5] == [f"INFO n {i}" for i in range(5)]
    assert len(passed) % 5 == 0  # Should the loop have taken more than a second.
    assert sum(told) == suppressed == 1000 - len(passed)
    assert "INFO n free" in bodies(path)


def test_the_next_second_has_its_own(path):
    # What belongs to which second is tested with a clock of its own, in native/tests/log_limit_test.cpp. Here: that a
    # second has the length of one. A stalled machine makes it longer, and nothing shorter.
    with AsyncLogger(path) as logger:
        site = logger.site("n {}", max_per_second=5)
        start = time.time_ns()
        while logger.written < 11:
            site(0)
            logger.drain()
    passed = [line[: STAMP - 2] for line in path.read_text().splitlines() if " INFO n " in line]
    second_ns = 999_000_000  # The TSC is calibrated to better than a thousandth.
    for number, seconds in ((5, 1), (10, 2)):
        moment = datetime.fromisoformat(passed[number][:19] + "+00:00")
        moment_ns = int(moment.timestamp()) * 1_000_000_000 + int(passed[number][20:])
        assert moment_ns - start >= seconds * second_ns
    assert any(TOLD.fullmatch(body) for body in bodies(path))


def test_a_limit_holds_for_all_threads_together(path):
    with AsyncLogger(path) as logger:
        site = logger.site("n {}", max_per_second=5)
        threads = [threading.Thread(target=lambda: [site(i) for i in range(5000)]) for _ in range(4)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = int((time.monotonic() - start) * 1.001) + 1
        suppressed = site.suppressed
    passed = sum(body.startswith("INFO n ") for body in bodies(path))
    told = [int(match[1]) for body in bodies(path) if (match := TOLD.fullmatch(body))]
    assert 5 <= passed <= 5 * seconds
    assert sum(told) == suppressed == 20_000 - passed


@pytest.mark.parametrize(("most", "error"), [(0, InvalidValueError), (1.5, InvalidTypeError), (True, InvalidTypeError)])
def test_a_wrong_limit_raises(path, most, error):
    with AsyncLogger(path) as logger, pytest.raises(error, match="max_per_second"):
        logger.site("{}", max_per_second=most)


def test_a_limited_site_of_a_closed_logger_raises(path):
    logger = AsyncLogger(path)
    site = logger.site("{}", max_per_second=1)
    site(1)
    logger.close()
    for _ in range(3):
        with pytest.raises(InvalidStateError):
            site(2)


# --- JSON --------------------------------------------------------------------------------------------------


def test_a_line_of_json(path):
    with AsyncLogger(path, format="json") as logger:
        logger.site("order {} qty {} price {:.2f}", "ERROR")("AAPL", 100, 670.251)
    line = json.loads(path.read_text())
    assert list(line) == ["time", "level", "message", "template", "args", "thread"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", line.pop("time"))
    assert line == {
        "level": "ERROR",
        "message": "order AAPL qty 100 price 670.25",
        "template": "order {} qty {} price {:.2f}",
        "args": ["AAPL", 100, 670.251],
        "thread": threading.get_native_id(),
    }


def test_json_tells_the_threads_apart(path):
    numbers = []

    def work():
        numbers.append(threading.get_native_id())
        site()

    with AsyncLogger(path, format="json") as logger:
        site = logger.site("x")
        for _ in range(3):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            logger.drain()
    assert [json.loads(line)["thread"] for line in path.read_text().splitlines()] == numbers


def test_what_the_logger_says_is_json_too(path):
    with AsyncLogger(path, capacity=1, flush_interval=3600, on_full="drop_newest", format="json") as logger:
        site = logger.site("{}")
        while logger.dropped == 0:
            site(0)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    told = [line for line in lines if line["level"] == "WARNING"]
    assert sum(line["args"][0] for line in told) == logger.dropped > 0
    assert told[0]["template"] == "latencykit: {} {} dropped because the ring was full"


def test_open_files_and_memory_are_given_back(path):
    before = open_files()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with AsyncLogger(path, capacity=1, rotate_bytes=1024, backups=3, format="json") as logger:
        site = logger.site("{}", max_per_second=1_000_000_000)
        for i in range(20_000):
            site(i)
        assert open_files() <= before + 2  # Two for a moment, while one takes the place of the other.
    assert open_files() == before
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident < 32 * 1024

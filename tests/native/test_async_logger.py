"""References, memory, threads and descriptors of AsyncLogger and LogSite: nothing leaks."""

import gc
import resource
import sys
import threading
from pathlib import Path

import pytest

from latencykit import _core
from latencykit.engine import AsyncLogger
from latencykit.errors import InvalidTypeError, InvalidValueError

FAST = ("AAPL", 100_000_000, 670.25)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.log"


def blocks_after(work):
    """How many blocks the interpreter holds more after many calls than after few."""
    for _ in range(200):
        work()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(5_000):
        work()
    gc.collect()
    return sys.getallocatedblocks() - before


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def threads_and_files():
    return len(list(Path("/proc/self/task").iterdir())), len(list(Path("/proc/self/fd").iterdir()))


class Thing:
    def __str__(self):
        return "thing"


@pytest.mark.parametrize(
    "arguments",
    [FAST, (None, True, b"bytes"), ("café", 2**80, Thing()), ([1], {}, object)],
    ids=["fast", "tags", "slow", "other"],
)
def test_a_call_keeps_no_reference(path, arguments):
    with AsyncLogger(path, capacity=10) as logger:
        site = logger.site("{} {} {}")
        before = [sys.getrefcount(value) for value in arguments]
        for _ in range(1_000):
            site(*arguments)
        assert [sys.getrefcount(value) for value in arguments] == before
        assert blocks_after(lambda: site(*arguments)) < 50


def test_a_dropped_record_keeps_no_reference(path):
    with AsyncLogger(path, capacity=1, flush_interval=3600, on_full="drop_newest") as logger:
        site = logger.site("{}")
        value = Thing()
        before = sys.getrefcount(value)
        for _ in range(5_000):
            site(value)
        assert logger.dropped > 0
        assert sys.getrefcount(value) == before


def test_calls_that_fail_keep_nothing(path):
    with AsyncLogger(path, capacity=1) as logger:
        site = logger.site("{} {}")
        value = Thing()
        before = sys.getrefcount(value)

        def fail():
            with pytest.raises(InvalidTypeError):
                site(value)
            with pytest.raises(RuntimeError):
                site(value, "x" * 5000)

        for _ in range(100):
            fail()
        assert sys.getrefcount(value) == before


def test_sites_hold_their_logger_and_give_it_back(path):
    native = _core.AsyncLogger(str(path), 100, 1_000_000, True)
    held = sys.getrefcount(native)
    sites = [native.site("{:.2f} {}", "INFO", True) for _ in range(5)]
    assert sys.getrefcount(native) == held + 5
    sites.clear()
    assert sys.getrefcount(native) == held


def test_templates_that_fail_keep_nothing(path):
    native = _core.AsyncLogger(str(path), 100, 1_000_000, True)
    held = sys.getrefcount(native)
    for _ in range(100):
        with pytest.raises(InvalidValueError):
            native.site("{:.2f} {", "INFO", True)
    assert sys.getrefcount(native) == held


def test_loggers_give_back_their_types(path):
    before = sys.getrefcount(_core.AsyncLogger), sys.getrefcount(_core.LogSite)
    for _ in range(20):
        with AsyncLogger(path, capacity=10) as logger:
            logger.site("{}")(1)
        with pytest.raises(FileNotFoundError):
            AsyncLogger("/none/such")
    del logger
    gc.collect()
    assert (sys.getrefcount(_core.AsyncLogger), sys.getrefcount(_core.LogSite)) == before


@pytest.mark.parametrize("closed", [True, False])
def test_loggers_give_back_memory_threads_and_files(path, closed):
    def work():
        logger = AsyncLogger(path)  # A ring of 8 MiB.
        logger.site("{}")(1)
        if closed:
            logger.close()

    work()
    before, others = resident_bytes(), threads_and_files()
    for _ in range(20):
        work()
    assert threads_and_files() == others
    assert resident_bytes() - before < 64 << 20


def test_a_closed_logger_frees_its_rings_while_its_threads_live_on(path):
    loggers = []
    before = resident_bytes()
    for _ in range(20):
        logger = AsyncLogger(path)
        logger.site("{}")(1)
        logger.close()
        loggers.append(logger)
    assert resident_bytes() - before < 64 << 20


def test_rings_of_threads_are_used_again(path):
    with AsyncLogger(path) as logger:
        site = logger.site("{}")
        before = resident_bytes()
        for i in range(30):
            thread = threading.Thread(target=site, args=(i,))
            thread.start()
            thread.join()
            logger.drain()
        assert resident_bytes() - before < 64 << 20


def test_a_reference_cycle_through_the_logger_is_no_leak(path):
    held = sys.getrefcount(_core.AsyncLogger)

    class Owner:
        pass

    owner = Owner()
    owner.me = owner
    owner.logger = AsyncLogger(path, capacity=10)
    owner.site = owner.logger.site("{}")
    owner.site(1)
    del owner
    gc.collect()
    left = sys.getrefcount(_core.AsyncLogger)  # Apart from the assert, which holds one itself.
    assert left == held
    assert path.read_text().endswith("INFO 1\n")

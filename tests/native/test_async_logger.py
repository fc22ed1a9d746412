"""References, memory, threads and descriptors of AsyncLogger and LogSite: nothing leaks."""

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
from leaks import blocks_after, resident_bytes

from latencykit import _core
from latencykit.engine import AsyncLogger
from latencykit.errors import InvalidTypeError, InvalidValueError

FAST = ("AAPL", 100_000_000, 670.25)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.log"


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
        assert blocks_after(lambda: site(*arguments), 5_000, first=200) < 50


def test_a_dropped_record_keeps_no_reference(path):
    # A pipe that nobody reads stops the backend, so that the ring is sure to fill up.
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    logger = AsyncLogger(path, capacity=1, on_full="drop_newest")
    site = logger.site("{}")
    value = Thing()
    before = sys.getrefcount(value)
    while logger.dropped < 1_000:
        site(value)
    assert sys.getrefcount(value) == before
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        logger.close()


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


@pytest.mark.parametrize("part", ["template", "level", "path"])
def test_a_text_that_leads_back_to_the_logger_can_be_collected(path, part):
    class Text(str):
        pass

    texts = {"template": Text("x {}"), "level": Text("INFO"), "path": Text(path)}
    logger = _core.AsyncLogger(texts["path"], 100, 1_000_000, True)
    texts[part].owner = logger if part == "path" else logger.site(texts["template"], texts["level"], True)
    gone = weakref.ref(texts[part])
    del texts, logger
    gc.collect()
    assert gone() is None


def test_a_fill_of_zero_bytes_reaches_the_argument(path):
    class Shown:
        def __format__(self, spec):
            return repr(spec)

    with AsyncLogger(path) as logger:
        logger.site("{:\0<5}")(Shown())
    assert path.read_text().endswith(" INFO " + repr("\0<5") + "\n")


def test_an_exception_that_renames_types_and_fails_itself_is_described_by_their_new_names(path):
    class Shown:
        def __format__(self, spec):
            raise OddError

    class OddError(Exception):
        def __str__(self):
            Shown.__name__, OddError.__name__ = "Renamed", "StrangeError"
            raise ValueError

    with AsyncLogger(path) as logger:
        logger.site("{}")(Shown())
    assert "cannot format the Renamed: StrangeError]" in path.read_text()


def test_a_signal_ends_the_wait_for_a_reader_of_a_fifo(path):
    def stop(*_):
        raise TimeoutError

    os.mkfifo(path)
    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        with pytest.raises(TimeoutError):
            _core.AsyncLogger(str(path), 100, 1_000_000, True)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_the_interpreter_exits_while_a_daemon_thread_waits_for_room(path):
    os.mkfifo(path)
    script = f"""if True:
        import os, subprocess, threading
        from latencykit import _core
        reader = os.open({str(path)!r}, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(reader, True)
        logger = _core.AsyncLogger({str(path)!r}, 64, 1_000_000, True)
        site = logger.site("{{}} {{}}", "INFO", True)
        full = threading.Event()

        def log():
            while True:
                site("x" * 500, 1 << 1400)  # An int that is formatted in the call: the call owns its text.

        threading.Thread(target=log, daemon=True).start()
        written = -1
        while written != logger.written:  # The pipe is full, so the ring is soon.
            written = logger.written
            full.wait(0.1)
        # Reads only when this process is at its end, and lets it come there.
        subprocess.Popen(["sh", "-c", "sleep 1; cat > /dev/null"], stdin=reader)
        os.close(reader)
    """
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")

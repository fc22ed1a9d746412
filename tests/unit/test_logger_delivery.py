"""From a call to the file: flushing, closing, rings that are full, files that fail, and the end of the process."""

import errno
from pathlib import Path

import pytest
from logged_lines import DROPPED, lines, messages, run

from latencykit.engine import AsyncLogger
from latencykit.errors import CapacityError, InvalidStateError

# Makes the site outlive the interpreter, so that only the exit of the process can save what it holds.
LEAK = "import ctypes\nctypes.pythonapi.Py_IncRef(ctypes.py_object(site))\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.log"


# --- flush, drain, close -----------------------------------------------------------------------------------


def test_flush_and_drain_put_everything_into_the_file(path):
    with AsyncLogger(path, flush_interval=3600) as logger:
        site = logger.site("{}")
        site(1)
        logger.flush()
        assert messages(path) == ["1"]
        site(2)
        logger.drain()
        assert messages(path) == ["1", "2"]
        assert logger.written == 2


def test_the_backend_writes_by_itself(path):
    with AsyncLogger(path, flush_interval=0.0005) as logger:
        logger.site("{}")(1)
        while logger.written == 0:
            pass
        assert messages(path) == ["1"]


def test_close_writes_the_rest_and_may_be_repeated(path):
    logger = AsyncLogger(path, flush_interval=3600)
    site = logger.site("{}")
    site(1)
    assert not logger.closed
    logger.close()
    logger.close()
    assert logger.closed
    assert messages(path) == ["1"]
    assert (logger.written, logger.dropped, logger.lost) == (1, 0, 0)
    for use in (lambda: site(2), logger.flush, logger.drain, lambda: logger.site("new")):
        with pytest.raises(InvalidStateError, match="is closed"):
            use()
    assert messages(path) == ["1"]


def test_a_dropped_logger_writes_what_it_has(path):
    site = AsyncLogger(path, flush_interval=3600).site("{}")
    site(1)  # A site keeps its logger alive.
    del site
    assert messages(path) == ["1"]


# --- full rings --------------------------------------------------------------------------------------------


def test_block_loses_nothing_over_many_laps(path):
    with AsyncLogger(path, capacity=1, on_full="block") as logger:
        site = logger.site("{}")
        for i in range(5_000):  # A ring of 4 KiB holds about 128 of these records.
            site(i)
    assert messages(path) == [str(i) for i in range(5_000)]
    assert logger.dropped == 0


def test_drop_newest_counts_and_tells(path):
    with AsyncLogger(path, capacity=1, flush_interval=3600, on_full="drop_newest") as logger:
        site = logger.site("{}")
        for i in range(20_000):
            site(i)
        logger.drain()
        dropped = logger.dropped
        assert dropped > 0
        assert logger.written == 20_000 - dropped
        site(-1)
    kept = [int(message) for _, level, message in lines(path) if level == "INFO"]
    told = [int(DROPPED.fullmatch(message)[1]) for _, level, message in lines(path) if level == "WARNING"]
    assert sum(told) == dropped == logger.dropped
    assert len(kept) + dropped == 20_001
    assert kept[:50] == list(range(50))  # The oldest stay.
    assert kept[:-1] == sorted(set(kept[:-1]))
    assert kept[-1] == -1
    assert [stamp for stamp, _, _ in lines(path)] == sorted(stamp for stamp, _, _ in lines(path))


@pytest.mark.parametrize("on_full", ["block", "drop_newest"])
def test_a_record_that_can_never_fit_raises(path, on_full):
    with AsyncLogger(path, capacity=1, on_full=on_full) as logger:
        site = logger.site("{}")
        site("x" * 2000)
        with pytest.raises(CapacityError, match="takes up to 2048; raise capacity"):
            site("x" * 2049)
        site("y")
    assert messages(path) == ["x" * 2000, "y"]
    assert logger.dropped == 0


def test_ctrl_c_ends_a_wait_for_room(tmp_path):
    # A FIFO whose reader does not read: the backend is stuck in its write, so the ring stays full.
    code = """
import faulthandler, os, signal, sys, threading
from latencykit.engine import AsyncLogger
faulthandler.dump_traceback_later(60, exit=True)  # a wait that nothing ends is a failure
fifo = sys.argv[1]
os.mkfifo(fifo)
reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
logger = AsyncLogger(fifo, capacity=1)
site = logger.site("{}")
done = threading.Event()
def handle(*_):
    if not done.is_set():  # once: a second one would end the code that reports the first
        done.set()
        raise KeyboardInterrupt
signal.signal(signal.SIGINT, handle)
def interrupt():
    while not done.wait(0.2):
        os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
try:
    while True:
        site("x" * 1000)
except KeyboardInterrupt:
    print("interrupted", flush=True)
os._exit(0)
"""
    out, _ = run(code, tmp_path / "fifo")
    assert out == "interrupted\n"


# --- files that fail ---------------------------------------------------------------------------------------

needs_full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")


@needs_full_device
def test_a_full_device_raises_at_flush_and_does_not_stop_the_logger():
    logger = AsyncLogger("/dev/full")
    site = logger.site("{}")
    for i in range(10):
        site(i)
    with pytest.raises(OSError, match="10 lines of the log were lost") as caught:
        logger.flush()
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == "/dev/full"
    assert (logger.lost, logger.written) == (10, 0)
    logger.flush()  # Nothing new went wrong.
    site(11)
    with pytest.raises(OSError, match="1 lines of the log were lost"):
        logger.close()
    logger.close()
    assert logger.closed


@needs_full_device
def test_a_full_device_blocks_nobody():
    logger = AsyncLogger("/dev/full", capacity=1)
    site = logger.site("{}")
    for i in range(5_000):
        site(i)
    with pytest.raises(OSError, match="5000 lines"):
        logger.close()


@needs_full_device
@pytest.mark.parametrize("leak", ["", LEAK], ids=["freed", "leaked"])
def test_an_error_nobody_asked_for_is_told_at_exit(leak):
    code = "from latencykit.engine import AsyncLogger\nsite = AsyncLogger('/dev/full').site('x')\nsite()\n"
    _, error = run(code + leak)
    assert "/dev/full" in error
    assert "No space left on device; 1 lines" in error


# --- exit ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leak", ["", LEAK], ids=["freed", "leaked"])
def test_exit_loses_nothing(path, leak):
    code = """
import sys, threading
from latencykit.engine import AsyncLogger
logger = AsyncLogger(sys.argv[1], flush_interval=3600)
site = logger.site("{} {}")
def work(name):
    for i in range(2000):
        site(name, i)
thread = threading.Thread(target=work, args=("other",))
thread.start()
work("main")
thread.join()
import atexit
atexit.register(site, "atexit", 0)
"""
    run(code + leak, path)
    found = messages(path)
    for name in ("main", "other"):
        assert [m for m in found if m.startswith(name)] == [f"{name} {i}" for i in range(2000)]
    assert found[-1] == "atexit 0"


def test_an_exit_by_exception_loses_nothing(path):
    code = """
import sys
from latencykit.engine import AsyncLogger
site = AsyncLogger(sys.argv[1], flush_interval=3600).site("{}")
site(1)
raise SystemExit(3)
"""
    run(code, path, expect=3)
    assert messages(path) == ["1"]

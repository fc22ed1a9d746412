import errno
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum
from pathlib import Path

import numpy as np
import pytest

from latencykit.engine import AsyncLogger, LogSite
from latencykit.errors import (
    CapacityError,
    InvalidStateError,
    InvalidTypeError,
    InvalidValueError,
    UnsupportedError,
)

LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) ([A-Z]+) (.*)", re.DOTALL)
DROPPED = re.compile(r"latencykit: (\d+) records? dropped because the ring was full")


def lines(path):
    """The parts of every line of a log: time, level, message."""
    found = [LINE.fullmatch(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    assert all(found)
    return [match.groups() for match in found]


def messages(path):
    return [message for _, _, message in lines(path)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.log"


def run(code, *arguments, expect=0):
    """Run code in a fresh interpreter and return what it wrote to standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expect, done.stderr
    return done.stdout, done.stderr


# --- lines -------------------------------------------------------------------------------------------------


def test_a_line_has_time_level_and_message(path):
    with AsyncLogger(path) as logger:
        logger.site("order {} qty {} price {:.2f}")("AAPL", 100, 670.25)
        logger.site("no arguments, {{braces}}", level="ERROR")()
    (first_time, *first), (second_time, *second) = lines(path)
    assert first == ["INFO", "order AAPL qty 100 price 670.25"]
    assert second == ["ERROR", "no arguments, {braces}"]
    assert first_time <= second_time


def test_times_are_the_wall_clock(path):
    before = time.time()
    with AsyncLogger(path) as logger:
        logger.site("now")()
        after = time.time()
    stamp = datetime.fromisoformat(lines(path)[0][0][:26]).replace(tzinfo=UTC).timestamp()
    assert before - 0.005 <= stamp <= after + 0.005


class Colour(IntEnum):
    RED = 3


class Name(str):
    __slots__ = ()

    def __format__(self, spec):
        return f"<{super().__format__(spec)}>"


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        2**63 - 1,
        -(2**63),
        2**63,
        -(10**40),
        1.5,
        -0.0,
        1e300,
        float("nan"),
        True,
        False,
        None,
        "text",
        "",
        "tab\tand 'quotes'",
        "café",
        "€uro",
        "😀 beyond",
        b"bytes",
        b"it's\n\x00\xff\\",
        b"\"'",
        Decimal("1.10"),
        Colour.RED,
        Name("sub"),
        np.float64(2.5),
        np.int32(7),
        [1, "two"],
        {"k": None},
    ],
)
def test_every_type_looks_as_str_format_makes_it(path, value):
    with AsyncLogger(path) as logger:
        logger.site("[{}]")(value)
    assert messages(path) == [f"[{value}]"]


def test_other_types_keep_their_own_formatting(path):
    with AsyncLogger(path) as logger:
        logger.site("{:.2f} {:>8} {:x} {:.1f}")(Decimal("1.005"), Name("a"), 2**70, np.float64(2.25))
    assert messages(path) == ["{:.2f} {:>8} {:x} {:.1f}".format(Decimal("1.005"), Name("a"), 2**70, 2.25)]


def test_a_lone_surrogate_is_escaped(path):
    with AsyncLogger(path) as logger:
        logger.site("{}")("a\udc80b")
    assert messages(path) == ["a\\udc80b"]


def test_a_message_may_hold_newlines(path):
    with AsyncLogger(path) as logger:
        logger.site("{}")("one\ntwo")
    assert path.read_text().endswith(" INFO one\ntwo\n")


def test_the_template_may_be_anything_but_ascii(path):
    with AsyncLogger(path) as logger:
        logger.site("prix {} €")(5)
    assert messages(path) == ["prix 5 €"]


def test_text_is_copied_in_the_call(path):
    with AsyncLogger(path) as logger:
        site = logger.site("{} {}")
        for i in range(1000):
            site("x" * (i % 50) + str(i), f"y{i}".encode())
    assert messages(path) == [f"{'x' * (i % 50)}{i} {f'y{i}'.encode()}" for i in range(1000)]


# --- bad arguments -----------------------------------------------------------------------------------------


class Broken:
    def __str__(self):
        raise ValueError("cannot be shown")


class BrokenTwice:
    def __str__(self):
        class UnprintableError(Exception):
            def __str__(self):
                raise KeyError

        raise UnprintableError


@pytest.mark.parametrize(
    ("spec", "value", "mark"),
    [
        ("{:d}", "abc", "[BAD ARGUMENT: '{:d}' cannot format the str abc]"),
        ("{:d}", 1.5, "[BAD ARGUMENT: '{:d}' cannot format the float 1.5]"),
        ("{:s}", 5, "[BAD ARGUMENT: '{:s}' cannot format the int 5]"),
        ("{:>5}", None, "[BAD ARGUMENT: '{:>5}' cannot format the NoneType None]"),
        ("{:>5}", b"x", "[BAD ARGUMENT: '{:>5}' cannot format the bytes b'x']"),
        ("{:,}", "abc", "[BAD ARGUMENT: '{:,}' cannot format the str abc]"),
        ("{}", Broken(), "[BAD ARGUMENT: '{:}' cannot format the Broken: ValueError: cannot be shown]"),
        ("{}", BrokenTwice(), "[BAD ARGUMENT: '{:}' cannot format the BrokenTwice: UnprintableError]"),
        (
            "{:s}",
            2**70,
            "[BAD ARGUMENT: '{:s}' cannot format the int: ValueError: Unknown format code 's' for",
        ),
    ],
)
def test_a_bad_argument_becomes_a_marked_line_and_logging_goes_on(path, spec, value, mark):
    with AsyncLogger(path) as logger:
        logger.site("before " + spec + " after")(value)
        logger.site("next {}")(1)
    bad, following = messages(path)
    assert bad.startswith("before " + mark)
    assert bad.endswith("] after")
    assert following == "next 1"


def test_what_is_no_exception_goes_through(path):
    class Interrupting:
        def __str__(self):
            raise KeyboardInterrupt

    with AsyncLogger(path) as logger:
        with pytest.raises(KeyboardInterrupt):
            logger.site("{} {}")(1, Interrupting())
        logger.site("ok")()
    assert messages(path) == ["ok"]


@pytest.mark.parametrize("arguments", [(), (1,), (1, 2, 3)])
def test_a_wrong_number_of_arguments_raises(path, arguments):
    with (
        AsyncLogger(path) as logger,
        pytest.raises(InvalidTypeError, match=r"'\{\} \{\}' has 2 placeholders"),
    ):
        logger.site("{} {}")(*arguments)


def test_keyword_arguments_raise(path):
    with AsyncLogger(path) as logger:
        site = logger.site("{}")
        with pytest.raises(InvalidTypeError, match="no keyword arguments, but got 'price'"):
            site(1, price=2)
        none = {}
        site(1, **none)
    assert messages(path) == ["1"]


def test_formatting_an_argument_may_log_too(path):
    class Chatty:
        def __str__(self):
            logger.site("inner")()
            return "outer"

    with AsyncLogger(path) as logger:
        logger.site("{}")(Chatty())
    assert messages(path) == ["inner", "outer"]


def test_formatting_an_argument_may_close_the_logger(path):
    class Closing:
        def __str__(self):
            logger.close()
            return "closed"

    logger = AsyncLogger(path)
    with pytest.raises(InvalidStateError, match="closed"):
        logger.site("{}")(Closing())


# --- templates, levels, options ----------------------------------------------------------------------------


@pytest.mark.parametrize("template", ["{", "}", "{} }", "{:y}", "{:.f}", "{:5.2d}", "{:,x}", "{:5d5}", "\ud800 {}"])
def test_a_wrong_template_raises(path, template):
    with AsyncLogger(path) as logger, pytest.raises(InvalidValueError, match=re.escape(repr(template))):
        logger.site(template)


@pytest.mark.parametrize("template", ["{0}", "{name}", "{!r}", "{:{}}", "{:n}", "{:c}", "{:é>5}", "{:9999}", "{}" * 65])
def test_an_unsupported_template_raises(path, template):
    with AsyncLogger(path) as logger, pytest.raises(UnsupportedError, match="log template"):
        logger.site(template)


def test_sixty_four_placeholders_work(path):
    with AsyncLogger(path) as logger:
        logger.site("{} " * 64)(*range(64))
    assert messages(path) == ["".join(f"{i} " for i in range(64))]


def test_sites_below_the_level_do_nothing(path):
    with AsyncLogger(path, level="WARNING") as logger:
        for level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
            logger.site("{}", level=level)(level.lower())
        with pytest.raises(InvalidTypeError):
            logger.site("{}", level="DEBUG")()
    assert messages(path) == ["warning", "error", "critical"]


def test_a_site_is_made_once(path):
    with AsyncLogger(path) as logger:
        site = logger.site("{}")
        assert isinstance(site, LogSite)
        assert logger.site("{}") is site
        assert logger.site("{}", level="ERROR") is not site
        assert (site.template, site.level, repr(site)) == ("{}", "INFO", "<LogSite '{}' level=INFO>")
        with pytest.raises(TypeError):
            LogSite()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"capacity": 0}, InvalidValueError),
        ({"capacity": 10**9}, InvalidValueError),
        ({"capacity": 1.5}, InvalidTypeError),
        ({"capacity": True}, InvalidTypeError),
        ({"flush_interval": 0}, InvalidValueError),
        ({"flush_interval": float("nan")}, InvalidValueError),
        ({"flush_interval": 1e9}, InvalidValueError),
        ({"flush_interval": "1ms"}, InvalidTypeError),
        ({"on_full": "wait"}, InvalidValueError),
        ({"level": "TRACE"}, InvalidValueError),
        ({"level": []}, InvalidTypeError),
        ({"on_full": []}, InvalidValueError),
        ({"format": []}, InvalidValueError),
    ],
)
def test_an_option_that_cannot_be_used_raises(path, options, error):
    with pytest.raises(error):
        AsyncLogger(path, **options)
    assert not path.exists()


def test_an_unknown_level_of_a_site_raises(path):
    with AsyncLogger(path) as logger, pytest.raises(InvalidValueError, match="'info' is none of DEBUG"):
        logger.site("{}", level="info")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"level": []}, r"level \[\] is not a str; give one of DEBUG"),
        ({"level": None}, "level None is not a str"),
        ({"template": []}, r"template \[\] is not a str; write"),
        ({"template": b"{}"}, r"template b'\{\}' is not a str"),
    ],
)
def test_what_is_no_text_of_a_site_raises(path, wrong, words):
    with AsyncLogger(path) as logger, pytest.raises(InvalidTypeError, match=words):
        logger.site(**{"template": "{}", **wrong})


@pytest.mark.parametrize(
    ("wrong", "error"), [(5, InvalidTypeError), (None, InvalidTypeError), ("a\0b", InvalidValueError)]
)
@pytest.mark.parametrize("crash_proof", [False, True])
def test_what_is_no_path_raises(wrong, error, crash_proof):
    with pytest.raises(error, match="path"):
        AsyncLogger(wrong, crash_proof=crash_proof)


def test_a_path_that_cannot_be_opened_raises_with_the_path(tmp_path):
    missing = tmp_path / "none" / "x.log"
    with pytest.raises(FileNotFoundError, match=re.escape(str(missing))):
        AsyncLogger(missing)
    with pytest.raises(IsADirectoryError):
        AsyncLogger(tmp_path)
    with pytest.raises(ValueError, match="null"):
        AsyncLogger("a\0b")


def test_the_file_is_appended_to(path):
    for i in range(2):
        with AsyncLogger(str(path)) as logger:
            logger.site("run {}")(i)
    assert messages(path) == ["run 0", "run 1"]


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


# --- threads -----------------------------------------------------------------------------------------------


def test_two_threads_write_everything_in_order(path):
    each = 120_000

    def work(site, name):
        for i in range(each):
            site(name, i)

    with AsyncLogger(path) as logger:
        site = logger.site("{} {}")
        threads = [threading.Thread(target=work, args=(site, name)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        logger.flush()
        assert logger.written == 2 * each
        assert logger.dropped == 0
    written = lines(path)
    assert len(written) == 2 * each
    for name in "ab":
        assert [message for _, _, message in written if message[0] == name] == [f"{name} {i}" for i in range(each)]
    times = [stamp for stamp, _, _ in written]
    assert times == sorted(times)


def test_order_across_threads_is_that_of_the_calls(path):
    """Threads take turns, so that the order of their calls is known."""
    threads, rounds = 3, 300
    barriers = [threading.Semaphore(i == 0) for i in range(threads)]

    def work(site, me):
        for i in range(rounds):
            barriers[me].acquire()
            site(i * threads + me)
            barriers[(me + 1) % threads].release()

    with AsyncLogger(path) as logger:
        site = logger.site("{}")
        all_threads = [threading.Thread(target=work, args=(site, me)) for me in range(threads)]
        for thread in all_threads:
            thread.start()
        for thread in all_threads:
            thread.join()
    assert messages(path) == [str(i) for i in range(threads * rounds)]


def test_what_ended_threads_logged_is_kept(path):
    with AsyncLogger(path, flush_interval=3600) as logger:
        site = logger.site("{}")
        for i in range(40):
            thread = threading.Thread(target=site, args=(i,))
            thread.start()
            thread.join()
        logger.drain()
        assert messages(path) == [str(i) for i in range(40)]


def test_close_refuses_a_call_that_waits(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    logger = AsyncLogger(fifo, capacity=1)
    site = logger.site("{}")
    outcome = []

    def fill():
        try:
            while True:
                site("x" * 1000)
        except InvalidStateError:
            outcome.append("refused")

    writer = threading.Thread(target=fill)
    writer.start()
    closer = threading.Thread(target=logger.close)
    closer.start()
    os.set_blocking(reader, True)
    while os.read(reader, 1 << 16):
        pass
    closer.join()
    writer.join()
    os.close(reader)
    assert outcome == ["refused"]


# --- files that fail ---------------------------------------------------------------------------------------

# Makes the site outlive the interpreter, so that only the exit of the process can save what it holds.
LEAK = "import ctypes\nctypes.pythonapi.Py_IncRef(ctypes.py_object(site))\n"

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


# --- fork and exit -----------------------------------------------------------------------------------------


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


def test_a_forked_child_is_refused_and_writes_nothing_twice(path):
    code = """
import os, sys
from latencykit.engine import AsyncLogger
from latencykit.errors import InvalidStateError
path = sys.argv[1]
logger = AsyncLogger(path, flush_interval=3600)
site = logger.site("{}")
site("before the fork")
parent = os.getpid()
child = os.fork()
if child == 0:
    for use in (lambda: site("child"), logger.flush, logger.drain, lambda: logger.site("new")):
        try:
            use()
        except InvalidStateError as error:
            assert f"belongs to process {parent}" in str(error), error
        else:
            sys.exit("not refused")
    assert logger.closed and logger.dropped == 0
    logger.close()
    with AsyncLogger(path) as own:
        own.site("{}")("child's own")
    del logger, site, own
    sys.exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
site("after the fork")
"""
    run(code, path)
    assert sorted(messages(path)) == ["after the fork", "before the fork", "child's own"]


def test_the_backend_leaves_signals_alone(path):
    with AsyncLogger(path) as logger:
        logger.drain()
        blocked = {}
        for thread in Path("/proc/self/task").iterdir():
            status = (thread / "status").read_text()
            name = re.search(r"^Name:\t(.*)$", status, re.MULTILINE)[1]
            blocked[name] = int(re.search(r"^SigBlk:\t(.*)$", status, re.MULTILINE)[1], 16)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            assert blocked["latencykit-log"] >> (number - 1) & 1
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


# --- logging.Handler ---------------------------------------------------------------------------------------


@pytest.fixture
def standard():
    logger = logging.Logger("standard", logging.DEBUG)
    yield logger
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


def test_the_handler_writes_what_logging_logs(path, standard):
    with AsyncLogger(path) as target:
        standard.addHandler(target.handler())
        standard.debug("hidden")
        standard.info("order %s qty %d", "AAPL", 100)
        standard.error("100%% {}")
        standard.log(35, "odd")
        standard.handlers[0].flush()
        written = path.read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in written] == [
        "INFO order AAPL qty 100",
        "ERROR 100%% {}",
        "Level 35 odd",
    ]


def test_the_handler_formats_as_it_is_told_and_adds_tracebacks(path, standard):
    with AsyncLogger(path) as target:
        handler = target.handler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        standard.addHandler(handler)
        try:
            int("wrong")
        except ValueError:
            standard.exception("it failed")
    text = path.read_text()
    assert "ERROR standard: it failed\nTraceback (most recent call last):" in text
    assert "ValueError: invalid literal" in text


def test_the_handler_reports_errors_as_logging_does(path, standard, capsys):
    target = AsyncLogger(path)
    standard.addHandler(target.handler())
    standard.info("%d", "not a number")
    target.close()
    standard.info("too late")
    standard.handlers[0].flush()
    error = capsys.readouterr().err
    assert "--- Logging error ---" in error
    assert "is closed; open another" in error

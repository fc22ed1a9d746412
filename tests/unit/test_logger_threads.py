"""Loggers and threads: the order of lines, threads that end or wait, forks and signals."""

import os
import re
import signal
import threading
from pathlib import Path

import pytest
from logged_lines import lines, messages, run

from latencykit.engine import AsyncLogger
from latencykit.errors import InvalidStateError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.log"


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


# --- forks and signals --------------------------------------------------------------------------------------


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

"""The logger where programs are least careful: signals, forks, exits, files that are moved under it."""

import itertools
import subprocess
import sys
import textwrap

import pytest
from logged_lines import STAMP, bodies

from latencykit.engine.log_recovery import append_to_log

BEGINNING = """
import os, resource, signal, sys, threading, warnings
from latencykit.engine import AsyncLogger
warnings.simplefilter("ignore", DeprecationWarning)  # Of forks beside other threads: that is what is tested.
path = sys.argv[1]
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.log"


def run(path, program, status=0):
    """Run a program in a process of its own; what it printed."""
    command = [sys.executable, "-c", BEGINNING + textwrap.dedent(program), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout


def per_thread(path):
    """The numbers in lines of `thread number`, by thread, which must count up from 0."""
    counts = {}
    for body in bodies(path):
        _, thread, number = body.split()
        assert int(number) == counts.get(thread, 0)
        counts[thread] = int(number) + 1
    return counts


@pytest.mark.parametrize("on_full", ["block", "drop_newest", "drop_oldest"])
@pytest.mark.parametrize("crash_proof", [False, True])
def test_signal_handlers_may_log_wherever_they_interrupt(path, on_full, crash_proof):
    # A ring of 64 records is full most of the time: handlers run in the middle of waits for room, and in each other.
    program = f"""
    logger = AsyncLogger(path, capacity=1, on_full={on_full!r}, crash_proof={crash_proof})
    outside, inside = logger.site("outside {{}} {{}}"), logger.site("inside {{}} {{}}")
    handled = calls = 0
    def handler(*_):
        global handled
        for _ in range(3):
            handled += 1
            inside(handled, "y" * (handled % 300))
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    while handled < 600:
        calls += 1
        outside(calls, "x" * (calls % 700))
    signal.setitimer(signal.ITIMER_REAL, 0)
    logger.close()
    print(calls, handled, logger.written, logger.dropped, logger.lost)
    """
    calls, handled, written, dropped, lost = map(int, run(path, program).split())
    seen = {"outside": [], "inside": []}
    for body in bodies(path):
        level, kind, number, *text = body.split()
        if level == "WARNING":
            continue
        seen[kind].append(int(number))
        wanted = {"outside": "x" * (int(number) % 700), "inside": "y" * (int(number) % 300)}[kind]
        assert "".join(text) == wanted
    assert seen["outside"] == sorted(set(seen["outside"]))
    assert len(seen["inside"]) == len(set(seen["inside"]))
    assert (written, lost) == (sum(map(len, seen.values())), 0)
    assert written + dropped == calls + handled


@pytest.mark.parametrize("crash_proof", [False, True])
def test_an_exit_beside_threads_that_log_keeps_whole_what_they_logged(path, crash_proof):
    program = f"""
    logger = AsyncLogger(path, capacity=50, crash_proof={crash_proof})
    site = logger.site("{{}} {{}}")
    counts, running = [0] * 4, threading.Barrier(5)
    def work(thread):
        for number in range(1 << 62):
            site(thread, number)
            counts[thread] = number + 1
            if number == 1000:
                running.wait()
    for thread in range(4):
        threading.Thread(target=work, args=(thread,), daemon=True).start()
    running.wait()
    print(*counts)
    """
    acknowledged = list(map(int, run(path, program).split()))
    found = per_thread(path)
    assert all(found[str(thread)] >= count > 1000 for thread, count in enumerate(acknowledged))
    assert list(path.parent.iterdir()) == [path]


def test_finalizers_and_exit_handlers_may_log(path):
    program = """
    import atexit
    site = AsyncLogger(path, crash_proof=True).site("{}")
    class Last:
        def __del__(self):
            site("finalizer")
    atexit.register(site, "handler")
    sys.last_of_all = Last()
    """
    run(path, program)
    assert bodies(path) == ["INFO handler", "INFO finalizer"]


def test_an_immediate_exit_leaves_everything_to_the_recovery(path):
    program = """
    site = AsyncLogger(path, crash_proof=True, flush_interval=3600).site("{} {}")
    for number in range(1000):
        site(0, number)
    os._exit(0)
    """
    run(path, program)
    assert append_to_log(path).records == 1000
    assert per_thread(path) == {"0": 1000}


def test_forks_beside_threads_that_log_disturb_neither_side(path):
    program = """
    logger = AsyncLogger(path, capacity=50, crash_proof=True)
    site = logger.site("{} {}", max_per_second=1_000_000_000)
    stop = threading.Event()
    def work(thread):
        number = 0
        while not stop.is_set():
            site(thread, number)
            number += 1
    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(2)]
    def child(own):
        for refused in (lambda: site(9, 9), logger.flush, logger.drain, logger.reopen, lambda: logger.site("x")):
            try:
                refused()
            except RuntimeError:
                continue
            return 3
        assert (logger.closed, logger.dropped) == (True, 0)
        logger.written, logger.lost, logger.late, site.suppressed, logger.close()
        with AsyncLogger(own, capacity=10, crash_proof=True) as other:
            log = other.site("{}")
            threads = [threading.Thread(target=lambda: [log(i) for i in range(200)]) for _ in range(2)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        return 0 if open(own).read().count(chr(10)) == 400 else 4
    for thread in threads: thread.start()
    for fork in range(30):
        pid = os.fork()
        if pid == 0:
            status = 5
            try:
                status = child(f"{path}.{fork}")
            finally:
                os._exit(status)
        site(2, fork)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    stop.set()
    for thread in threads: thread.join()
    logger.close()
    print(logger.written, logger.lost, logger.dropped)
    """
    written, lost, dropped = map(int, run(path, program).split())
    counts = per_thread(path)
    assert (sum(counts.values()), lost, dropped) == (written, 0, 0)
    assert counts["2"] == 30


def test_reopening_while_files_are_rotated_and_moved_away_loses_nothing(path):
    program = """
    logger = AsyncLogger(path, capacity=100, rotate_bytes=4096, backups=1000, crash_proof=True)
    site = logger.site("{} {}")
    def work(thread):
        for number in range(5000):
            site(thread, number)
    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(2)]
    for thread in threads: thread.start()
    moves = 0
    while any(thread.is_alive() for thread in threads):
        try:
            os.rename(path, f"{path}.moved{moves}")
        except FileNotFoundError:
            pass
        moves += 1
        logger.reopen()
    for thread in threads: thread.join()
    logger.close()
    print(logger.lost)
    """
    assert run(path, program) == "0\n"
    found = sorted(body.split()[1:] for file in path.parent.iterdir() for body in bodies(file))
    assert found == sorted([str(thread), str(number)] for thread in range(2) for number in range(5000))


def test_what_follows_a_torn_line_is_recovered_on_a_line_of_its_own(path):
    program = """
    logger = AsyncLogger(path, crash_proof=True, capacity=100, flush_interval=3600)
    site = logger.site("{}")
    site("first")
    logger.drain()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, before[1]))
    site("torn")
    logger.drain()
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    site("last")
    os.kill(os.getpid(), signal.SIGKILL)
    """
    run(path, program, status=-9)
    assert append_to_log(path).sound
    first, torn, last = path.read_text().splitlines()
    assert (first[STAMP:], len(torn), last[STAMP:]) == ("INFO first", 50 - len(first) - 1, "INFO last")


def test_a_living_logger_that_overwrites_is_read_without_damage(path):
    program = """
    from latencykit.engine.log_recovery import write_to
    logger = AsyncLogger(path, capacity=64, on_full="drop_oldest", crash_proof=True)
    site = logger.site("{}")
    stop = threading.Event()
    def work():
        number = 0
        while not stop.is_set():
            site(number)
            number += 1
    thread = threading.Thread(target=work)
    thread.start()
    with open(path + ".out", "wb") as out:
        print(all(write_to(out.fileno(), path, in_use=True).sound for _ in range(100)))
    stop.set()
    thread.join()
    logger.close()
    """
    assert run(path, program) == "True\n"


def test_a_subinterpreter_is_refused_in_a_sentence(path):
    program = """
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    site = AsyncLogger(path).site("{}")
    other = interpreters.create()
    code = '''
    try:
        import latencykit.engine.logger
    except ImportError as error:
        print(error, flush=True)
    '''
    import textwrap
    interpreters.run_string(other, textwrap.dedent(code))
    interpreters.destroy(other)
    site("still there")
    """
    assert "subinterpreter" in run(path, program)  # CPython 3.12 and later say it themselves.
    assert bodies(path) == ["INFO still there"]


def test_rings_of_many_short_threads_are_used_again(path):
    program = """
    logger = AsyncLogger(path, capacity=100, crash_proof=True)
    site = logger.site("{} {}")
    def work(thread):
        site(thread, 0)
        site(thread, 1)
    for turn in range(100):
        threads = [threading.Thread(target=work, args=(10 * turn + i,)) for i in range(10)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        logger.drain()
    print(os.path.getsize(path + ".rings"))
    logger.close()
    """
    assert int(run(path, program)) < 8 << 20
    assert per_thread(path) == dict(zip(map(str, range(1000)), itertools.repeat(2), strict=False))

import os
import resource
import signal
import struct
import threading
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latencykit.engine import AsyncLogger
from latencykit.engine.log_recovery import append_to_log, find_rings, write_to
from latencykit.errors import (
    CapacityError,
    DataError,
    InvalidStateError,
    InvalidValueError,
    LatencykitError,
    UnsupportedError,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.log"


def in_child(program):
    """Run a function in a forked process; its exit status, or minus the signal that ended it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Of forks beside other threads: that is what is tested.
        child = os.fork()
    if child == 0:
        try:
            program()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is must not come back into pytest
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_after(path, program, **options):
    def run():
        logger = AsyncLogger(path, **{"crash_proof": True, "flush_interval": 3600, **options})
        program(logger)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(run) == -signal.SIGKILL


def recovered(path, tmp_path):
    out = tmp_path / "out"
    with out.open("wb") as file:
        report = write_to(file.fileno(), path)
    return report, out.read_text(errors="replace").splitlines()


def messages(lines):
    return [line.split(" ", 2)[2] for line in lines]


def rings_of(path):
    return find_rings(path)[1]


def test_either_name_finds_both_files():
    both = Path("x/a.log"), Path("x/a.log.rings")
    assert find_rings("x/a.log") == both == find_rings("x/a.log.rings")


def test_the_file_of_rings_lives_as_long_as_the_logger(path):
    with AsyncLogger(path, crash_proof=True) as logger:
        logger.site("{}")(1)
        assert rings_of(path).exists()
    assert list(path.parent.iterdir()) == [path]


def test_the_files_are_found_though_the_working_folder_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    logger = AsyncLogger("a.log", crash_proof=True)
    monkeypatch.chdir(tmp_path / "other")
    logger.close()
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.log", "other"}


def test_only_one_crash_proof_logger_has_a_path(path):
    with AsyncLogger(path, crash_proof=True) as logger:
        with pytest.raises(InvalidStateError, match=str(os.getpid())):
            AsyncLogger(path, crash_proof=True)
        logger.site("{}")(1)
    assert path.read_text().endswith(" 1\n")


def test_the_next_logger_writes_down_what_was_left_behind(path):
    kill_after(path, lambda logger: [logger.site("first {}")(i) for i in range(3)])
    with AsyncLogger(path, crash_proof=True) as logger:
        logger.site("second")()
    found = messages(path.read_text().splitlines())
    assert found[:3] == [f"first {i}" for i in range(3)]
    assert found[3].startswith("latencykit: 3 records above recovered from process ")
    assert found[4:] == ["second"]
    assert list(path.parent.iterdir()) == [path]


def test_a_file_of_somebody_else_is_left_alone(path):
    rings_of(path).write_text("mine" * 2000)
    with pytest.raises(DataError, match="move it away"):
        AsyncLogger(path, crash_proof=True)
    assert rings_of(path).read_text() == "mine" * 2000


def test_a_file_that_its_maker_never_finished_is_no_hindrance(path):
    rings_of(path).write_bytes(bytes(8192))
    with AsyncLogger(path, crash_proof=True) as logger:
        logger.site("{}")(1)
    assert path.read_text().count("\n") == 1


@pytest.mark.parametrize("segments", [False, True])
def test_a_file_that_its_maker_never_finished_is_deleted_and_that_is_said(path, sample, segments):
    content = bytearray(sample.read_bytes()) if segments else bytearray(8192)
    content[:4096] = bytes(4096)
    if segments:
        # Up to the sites, which were never written: text, then their header.
        end = 4096 + (4096 + (1 << 20)) + 64
        content[4096 + 4096 : end - 64] = bytes(1 << 20)
        del content[end - 32 :]
    rings_of(path).write_bytes(content)
    report = append_to_log(path)
    assert (report.unfinished, report.records, report.process, report.kept_as) == (True, 0, 0, "")
    assert not rings_of(path).exists()
    assert not path.exists()


def test_a_file_that_lost_its_header_is_kept(path, sample):
    content = bytearray(sample.read_bytes())
    content[:4096] = bytes(4096)
    rings_of(path).write_bytes(content)
    with pytest.raises(DataError, match="is not a file of a logger's rings"):
        append_to_log(path)
    with pytest.raises(DataError, match="move it away"):
        AsyncLogger(path, crash_proof=True)
    assert rings_of(path).read_bytes() == content
    assert not path.exists()


def test_a_wrong_option_leaves_what_was_left_behind(path, sample):
    rings_of(path).write_bytes(sample.read_bytes())
    with pytest.raises(InvalidValueError):
        AsyncLogger(path, capacity=0, crash_proof=True)
    assert not path.exists()
    assert rings_of(path).read_bytes() == sample.read_bytes()


def segment_header(kind, size):
    header = struct.pack("<QIIQ", 0x746E656D67655321, kind, 0, size)
    checksum = 0xCBF29CE484222325
    for byte in header:
        checksum = (checksum ^ byte) * 0x100000001B3 % 2**64
    return header + struct.pack("<Q", checksum)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_file_that_claims_gigabytes_takes_no_memory_for_them(path, sample, tmp_path, sparse):
    content = bytearray(sample.read_bytes())
    claimed = 1 << 31
    end = len(content)
    with rings_of(path).open("wb") as file:
        file.write(content)
        for number in range(8):
            file.seek(end + number * (4096 + claimed))
            file.write(segment_header(1, 4096 + claimed))
            file.seek(end + number * (4096 + claimed) + 128)  # Where the ring's words begin, with `published`.
            file.write(struct.pack("<Q", 4096))
            if not sparse:
                file.truncate(end + 3 * 4096)
                break
        else:
            file.seek(end + 8 * (4096 + claimed))
            # A table of sites, and the text of a batch, of all that is there.
            file.write(segment_header(2, claimed) + struct.pack("<Q", claimed - 64))
            file.truncate(end + 16 * claimed)

    def read():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        report, lines = recovered(path, tmp_path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 << 10
        assert report.damage
        wanted = [f"{number} {number / 3:.3f} {'text' * (number % 4)}" for number in range(20)]
        assert [message for message in messages(lines) if "damaged" not in message] == wanted

    assert in_child(read) == 0


def test_records_of_threads_that_ended_are_kept(path, tmp_path):
    def log(logger):
        site = logger.site("{} {}")
        for number in range(6):
            thread = threading.Thread(target=lambda number=number: [site(number, i) for i in range(10)])
            thread.start()
            thread.join()

    kill_after(path, log)
    report, lines = recovered(path, tmp_path)
    assert messages(lines) == [f"{number} {i}" for number in range(6) for i in range(10)]
    assert report.records == 60


def test_many_threads_at_once_get_a_ring_each(path, tmp_path):
    def log(logger):
        site = logger.site("{} {}")
        start = threading.Barrier(12)

        def run(number):
            site(number, 0)
            start.wait()
            site(number, 1)
            start.wait()

        threads = [threading.Thread(target=run, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    kill_after(path, log, capacity=100)
    _, lines = recovered(path, tmp_path)
    assert sorted(messages(lines)) == sorted(f"{number} {i}" for number in range(12) for i in range(2))


def test_many_sites_and_long_templates_are_found_again(path, tmp_path):
    long = "x" * 100_000

    def log(logger):
        for number in range(2000):
            logger.site(f"{{{{site}}}} {number} {{}}", "DEBUG" if number % 2 else "ERROR")(number)
        logger.site(long + "{:>5}")("y")

    kill_after(path, log, level="DEBUG")
    _, lines = recovered(path, tmp_path)
    assert messages(lines) == [f"{{site}} {number} {number}" for number in range(2000)] + [long + "    y"]
    assert [line.split(" ", 2)[1] for line in lines[:2]] == ["ERROR", "DEBUG"]


def test_a_line_longer_than_the_room_for_lines_is_written_once(path):
    text = "z" * 3_000_000
    with AsyncLogger(path, crash_proof=True) as logger:
        site = logger.site("{}")
        site(text)
        logger.drain()
        site(text)
    assert messages(path.read_text().splitlines()) == [text, text]


def test_a_fork_leaves_rings_and_lock_to_the_parent(path):
    logger = AsyncLogger(path, crash_proof=True)
    site = logger.site("{}")
    site(1)
    release, hold = os.pipe()

    def use_and_wait():
        os.close(hold)
        try:
            site(2)
        except InvalidStateError:
            os.read(release, 1)
            return
        raise AssertionError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            use_and_wait()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is must not come back into pytest
            os._exit(1)
    os.close(release)
    site(3)
    logger.close()
    # The child is still there, and the next logger has the lock all the same.
    with AsyncLogger(path, crash_proof=True) as other:
        other.site("{}")(4)
    os.close(hold)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert messages(path.read_text().splitlines()) == ["1", "3", "4"]


def test_a_living_child_does_not_keep_a_dead_parents_rings(path, tmp_path):
    release, hold = os.pipe()

    def parent():
        logger = AsyncLogger(path, crash_proof=True, flush_interval=3600)
        logger.site("{}")(1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            if os.fork() == 0:
                os.close(hold)
                os.read(release, 1)
                os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(parent) == -signal.SIGKILL
    _, lines = recovered(path, tmp_path)
    assert messages(lines) == ["1"]
    os.close(hold)
    os.close(release)


def test_a_full_disk_is_an_error_when_the_logger_is_made(path):
    def make():
        # A limit on the size of files stands for the disk: reserving fails in the same place.
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
        with pytest.raises(OSError, match=r"File too large") as raised:
            AsyncLogger(path, crash_proof=True)
        assert raised.value.filename == str(rings_of(path))
        assert not rings_of(path).exists()
        AsyncLogger(path, crash_proof=True, capacity=1000).close()

    assert in_child(make) == 0


def test_a_full_disk_is_an_error_of_a_new_threads_first_call(path):
    def log():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
        logger = AsyncLogger(path, crash_proof=True, capacity=30_000)
        site = logger.site("{}")
        site(1)
        raised = []

        def run():
            try:
                site(2)
            except OSError as error:
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert len(raised) == 1
        logger.close()

    assert in_child(log) == 0
    assert messages(path.read_text().splitlines()) == ["1"]


def test_a_path_without_a_place_beside_it_raises(tmp_path):
    with pytest.raises(OSError, match="missing"):
        AsyncLogger(tmp_path / "missing" / "a.log", crash_proof=True)
    with pytest.raises(UnsupportedError, match="no regular file"):
        AsyncLogger("/dev/null", crash_proof=True)


def test_the_oldest_are_dropped_counted_and_told(path):
    with AsyncLogger(path, capacity=64, flush_interval=3600, on_full="drop_oldest") as logger:
        site = logger.site("{}")
        for number in range(100_000):
            site(number)
        logger.drain()
        dropped = logger.dropped
        with pytest.raises(CapacityError):
            site("x" * 5000)
    found = messages(path.read_text().splitlines())
    numbers = [int(message) for message in found if message.isdigit()]
    told = [int(message.split()[1]) for message in found if not message.isdigit()]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 99_999
    assert len(numbers) + dropped == 100_000
    assert sum(told) == dropped > 0


def test_json_is_recovered_with_the_threads_that_logged(path, tmp_path):
    import json

    def log(logger):
        site = logger.site("{}")
        for _ in range(2):
            thread = threading.Thread(target=lambda: site(threading.get_native_id()))
            thread.start()
            thread.join()
            logger.drain()
        thread = threading.Thread(target=lambda: site(threading.get_native_id()))
        thread.start()
        thread.join()

    kill_after(path, log, format="json")
    _, lines = recovered(path, tmp_path)
    entry = json.loads(lines[-1])
    assert entry["args"] == [entry["thread"]]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    path = folder / "a.log"

    def log(logger):
        site = logger.site("{} {:.3f} {}")
        for number in range(20):
            site(number, number / 3, "text" * (number % 4))

    kill_after(path, log, capacity=64)
    return rings_of(path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=8, max_size=8)), max_size=6),
    end=st.one_of(st.none(), st.integers(0, 1 << 21)),
)
def test_any_damage_ends_in_lines_or_in_an_error_of_ours(sample, tmp_path, words, end):
    damaged = bytearray(sample.read_bytes())
    used = [8 * at for at, word in enumerate(memoryview(damaged).cast("Q")) if word]
    for where, word in words:
        at = used[where % len(used)]
        damaged[at : at + 8] = word
    path = tmp_path / "a.log"
    rings_of(path).write_bytes(damaged[:end])
    try:
        report, lines = recovered(path, tmp_path)
    except LatencykitError:
        return
    assert report.records <= len(lines)


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_crash_proof_logger_of_a_directory_is_an_os_error(path):
    with pytest.raises(OSError, match="directory"):
        AsyncLogger(path, crash_proof=True)

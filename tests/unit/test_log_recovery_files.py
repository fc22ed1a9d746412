"""Files of rings that cannot be made, are somebody else's, were never finished, or are damaged."""

import resource
import struct
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from killed_rings import in_child, kill_after, messages, recovered, rings_of

from latencykit.engine import AsyncLogger
from latencykit.engine.log_recovery import append_to_log
from latencykit.errors import (
    DataError,
    InvalidValueError,
    LatencykitError,
    UnsupportedError,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.log"


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

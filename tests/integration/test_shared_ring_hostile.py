"""SharedRing against a process that writes over its memory, cuts its file short, or opens it twice by mistake.

Nothing may end the interpreter, hang, or be another exception than ours.
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
from shared_names import file_of, new_name

from latencykit.engine import SharedRing
from latencykit.errors import DataError, InvalidStateError

RECORD = np.dtype([("number", "<u8"), ("check", "<u8"), ("body", "<u8", (6,))])
CAPACITY = 64
CHECK = np.uint64(0x5555_5555_5555_5555)

pytestmark = pytest.mark.skipif(not file_of("").is_dir(), reason="shared memory has no folder here")

# A process that uses the ring as its neighbour's memory goes bad; it may end with an error of ours only.
USER = """
import faulthandler, sys, time
import numpy as np
from latencykit.engine import SharedRing
from latencykit.errors import LatencykitError
name, side, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
faulthandler.dump_traceback_later(60, exit=True)
end, told = time.monotonic() + seconds, 0
ring = None
while time.monotonic() < end:
    try:
        if ring is None:
            ring = SharedRing.attach(name)
        records = np.zeros(7, ring.dtype)
        if side == "push":
            ring.push(records, timeout=0.001)
        else:
            ring.pop(9, timeout=0.001)
        len(ring), ring.producers, ring.has_consumer
    except LatencykitError:
        told += 1
        if ring is not None:
            ring.close()
        ring = None
print("told" if told else "nothing")
"""


@pytest.fixture
def name():
    with new_name() as name:
        yield name


@contextmanager
def user(name, side, seconds, folder):
    command = [sys.executable, "-c", USER, name, side, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder) as running:
        yield running
        out, err = running.communicate(timeout=90)
        assert (running.returncode, err) == (0, "")
        assert out in ("told\n", "nothing\n")


def content():
    with new_name() as name, SharedRing.create(name, RECORD, CAPACITY, producers=2) as ring:
        ring.push(np.zeros(5, RECORD))
        return bytearray(file_of(name).read_bytes())


@pytest.mark.parametrize("seed", range(2))
def test_noise_over_every_byte_is_an_error_or_noise(name, tmp_path, seed):
    chance, whole = random.Random(seed), content()
    file_of(name).write_bytes(whole)
    with user(name, "push", 2, tmp_path), user(name, "pop", 2, tmp_path), file_of(name).open("r+b", 0) as file:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            at = chance.choice([chance.randrange(len(whole)), chance.randrange(64, 1500), chance.randrange(0, 64)])
            file.seek(at)
            file.write(
                chance.choice([b"\0" * 8, b"\xff" * 8, chance.randbytes(chance.randrange(1, 16))])[: len(whole) - at]
            )
            if chance.random() < 0.02:  # whole again, so that both sides get further than the check
                file.seek(0)
                file.write(whole)
        assert file.seek(0, os.SEEK_END) == len(whole)


@pytest.mark.parametrize("seed", range(2))
def test_a_file_cut_and_grown_at_random_is_an_error(name, tmp_path, seed):
    chance, whole = random.Random(seed), content()
    file_of(name).write_bytes(whole)
    with user(name, "push", 2, tmp_path), user(name, "pop", 2, tmp_path):
        end = time.monotonic() + 2
        while time.monotonic() < end:
            os.truncate(file_of(name), chance.choice([0, 1, 4096, len(whole) - 1, len(whole) // 2]))
            time.sleep(chance.random() * 0.01)
            file_of(name).write_bytes(whole)
            time.sleep(chance.random() * 0.02)


PRODUCER = """
import sys
import numpy as np
from latencykit.engine import SharedRing
name, first = sys.argv[1], int(sys.argv[2])
with SharedRing.attach(name) as ring:
    while True:
        records = np.zeros(9, ring.dtype)
        records["number"] = np.arange(first, first + 9)
        records["check"] = records["number"] ^ np.uint64(0x5555_5555_5555_5555)
        records["body"] = records["number"][:, None]
        first += ring.push(records, timeout=None)
        if first == 9:
            print("ready", flush=True)  # from here on it is a producer, whose death is noticed
"""


@pytest.mark.parametrize("producers", [1, 3])
def test_producers_killed_in_the_middle_leave_whole_records(name, tmp_path, producers):
    chance = random.Random(producers)
    with SharedRing.create(name, RECORD, CAPACITY, producers=producers) as ring:
        for _ in range(3):
            running = [
                subprocess.Popen([sys.executable, "-c", PRODUCER, name, "0"], stdout=subprocess.PIPE, cwd=tmp_path)
                for _ in range(producers)
            ]
            try:
                assert all(each.stdout.readline() == b"ready\n" for each in running)
                whole_until(ring, time.monotonic() + chance.random() * 0.02)
            finally:
                for each in running:
                    each.kill()
                    each.wait()
                    each.stdout.close()
            whole_until(ring, 0)
            with pytest.raises(InvalidStateError, match=r"producer .* died"):
                ring.pop(timeout=60)
            assert ring.producers == 0


def whole_until(ring, moment):
    """Pop until that moment, and then what is left; every record must be whole."""
    while True:
        over = time.monotonic() > moment
        records = ring.pop(timeout=0)
        assert (records["check"] == records["number"] ^ CHECK).all()
        assert (records["body"] == records["number"][:, None]).all()
        if over and not len(records):
            return


def test_a_second_consumer_is_refused_until_the_first_is_gone(name, tmp_path):
    script = (
        "import sys; from latencykit.engine import SharedRing\n"
        "ring = SharedRing.attach(sys.argv[1]); ring.pop(1); print('ready', flush=True); sys.stdin.read()"
    )
    with SharedRing.create(name, RECORD, CAPACITY) as ring:
        ring.push(np.zeros(3, RECORD))
        command = [sys.executable, "-c", script, name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path) as first:
            assert first.stdout.readline() == b"ready\n"
            for _ in range(3):
                with pytest.raises(InvalidStateError, match="has a consumer already"):
                    ring.pop()
            first.send_signal(signal.SIGKILL)
            first.wait()
        assert len(ring.pop()) == 2


def test_a_ring_whose_text_is_a_bomb_is_refused(name):
    """The dtype is text that anybody of the same user can write."""
    whole = content()
    start = whole.index(b"[('number'")
    stop = whole.index(b"]", whole.index(b"body")) + 1
    for text in (b"(" * (stop - start), b"__import__('os').abort()", b"'O'", b"[('x', 'O')]", b"\xff\xfe", b"9**9**9"):
        damaged = bytearray(whole)
        damaged[start:stop] = text.ljust(stop - start)[: stop - start]
        damaged[48:56] = checksum_of(damaged, start, stop)
        file_of(name).write_bytes(damaged)
        with pytest.raises(DataError, match="dtype cannot be read"):
            SharedRing.attach(name)


def checksum_of(data, start, stop):
    """FNV-1a of the shape and the text, as a ring's maker computes it."""
    total = 0xCBF2_9CE4_8422_2325
    for byte in bytes(data[16:40]) + bytes(data[start:stop]):
        total = (total ^ byte) * 0x100_0000_01B3 % 2**64
    return total.to_bytes(8, "little")

"""Memory that is no ring, of another version, damaged, or cut short under its users."""

import os
import threading

import numpy as np
import pytest
from numbered_records import RECORD, in_thread, numbered
from shared_names import MEMORY, new_name

from latencykit import _core
from latencykit.engine import SharedRing
from latencykit.errors import DataError, InvalidStateError

pytestmark = pytest.mark.skipif(not MEMORY.is_dir(), reason="shared memory has no folder here")


@pytest.fixture
def name():
    with new_name() as made:
        yield made


def bytes_of_a_ring(name):
    with SharedRing.create(name, RECORD, 4) as ring:
        ring.push(numbered(0, 2))
        data = (MEMORY / name).read_bytes()
        ring.unlink()
    return data


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 100, 640, -140])
def test_a_ring_cut_short_is_refused(name, cut):
    (MEMORY / name).write_bytes(bytes_of_a_ring(name)[:cut])
    with pytest.raises(DataError, match=r"cut short|something else"):
        SharedRing.attach(name)


def test_foreign_memory_is_refused_and_left_alone(name):
    for data in (b"hello", bytes(10_000), os.urandom(10_000)):
        (MEMORY / name).write_bytes(data)
        with pytest.raises(DataError, match="something else than a ring"):
            SharedRing.attach(name)
        with pytest.raises(InvalidStateError, match="exists already"):
            SharedRing.create(name, "f8", 4)
        assert (MEMORY / name).read_bytes() == data


def patched(data, at, value):
    return data[:at] + value + data[at + len(value) :]


def test_other_versions_and_byte_orders_are_named(name):
    data = bytes_of_a_ring(name)
    (MEMORY / name).write_bytes(patched(data, 8, b"\x09"))
    with pytest.raises(DataError, match="another version"):
        SharedRing.attach(name)
    (MEMORY / name).write_bytes(data[:8][::-1] + data[8:])
    with pytest.raises(DataError, match="other byte order"):
        SharedRing.attach(name)


def test_a_damaged_header_is_refused(name):
    data = bytes_of_a_ring(name)
    text = data.index(b"number")
    for at in (16, 24, 32, 40, 48, text):
        (MEMORY / name).write_bytes(patched(data, at, b"\x7f"))
        with pytest.raises(DataError, match=r"damaged|cut short"):
            SharedRing.attach(name)
    (MEMORY / name).write_bytes(data)
    with SharedRing.attach(name) as ring:
        assert ring.pop()["number"].tolist() == [0, 1]


def test_damaged_positions_are_refused(name):
    with SharedRing.create(name, "i8", 4) as ring:
        ring.push([1])
        data = (MEMORY / name).read_bytes()
        with (MEMORY / name).open("r+b") as file:
            for at in range(128, len(data) // 8 * 8, 8):
                file.seek(at)
                file.write((at << 40).to_bytes(8, "little"))
        with pytest.raises(DataError, match="is damaged"):
            ring.pop()
        assert len(ring) <= 4
        ring.unlink()


@pytest.mark.parametrize("size", [0, 1, 4096, 8192])
@pytest.mark.parametrize("call", ["push", "pop", "len", "wait"])
def test_a_file_cut_short_under_a_ring_is_an_error_and_no_crash(name, size, call):
    with SharedRing.create(name, "V64", 1000) as ring:
        ring.push(np.ones(700, "V64"))
        ring.pop(5)
        os.truncate(MEMORY / name, size)
        calls = {
            "push": lambda: ring.push(np.ones(800, "V64")),
            "pop": ring.pop,
            "len": lambda: [ring.pop(600), len(ring)],
            "wait": lambda: ring.pop(1000, np.empty(1000, "V64"), None),
        }
        with pytest.raises(DataError, match=r"lost its memory.*remove|is damaged") as first:
            calls[call]()
        if "lost" in str(first.value):
            for again in (ring.pop, lambda: ring.push([b"x"]), lambda: len(ring), lambda: ring.producers):
                with pytest.raises(DataError, match="lost its memory"):
                    again()
        ring.close()
    assert SharedRing.remove(name)
    with SharedRing.create(name, "V64", 10) as ring:
        assert ring.push(np.ones(3, "V64")) == 3


def test_a_wait_sees_that_the_file_is_cut_short(name):
    with SharedRing.create(name, "u8", 100) as ring:
        errors = []

        def wait():
            try:
                ring.pop(timeout=None)
            except DataError as error:
                errors.append(str(error))

        thread = in_thread(wait)
        while not ring.has_consumer:
            threading.Event().wait(0.001)
        os.truncate(MEMORY / name, 0)
        thread.join(30)
        assert errors
        assert "lost its memory" in errors[0]


def test_round_trips_see_that_the_file_is_cut_short(name):
    with new_name() as other, SharedRing.create(name, "u8", 8) as there, SharedRing.create(other, "u8", 8) as back:
        errors, cpu = [], min(os.sched_getaffinity(0))

        def drive():
            try:
                _core.shared_ring_round_trips(there, back, 1000, cpu)  # nobody answers
            except Exception as error:  # noqa: BLE001 - for the test to look at
                errors.append(error)

        thread = in_thread(drive)
        with SharedRing.attach(name) as looking:
            while thread.is_alive() and len(looking) == 0:
                threading.Event().wait(0.001)
        os.truncate(MEMORY / name, 0)
        os.truncate(MEMORY / other, 0)
        thread.join(30)
        assert [type(error) for error in errors] == [DataError], errors
        assert "lost its memory" in str(errors[0])

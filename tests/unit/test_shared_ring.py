"""SharedRing within one process: what goes in and out, who may do what, and what is refused."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from latencykit import _core
from latencykit.engine import SharedRing
from latencykit.errors import (
    CapacityError,
    ClosedError,
    DataError,
    InvalidStateError,
    InvalidTypeError,
    InvalidValueError,
)

RECORD = np.dtype([("number", "<u8"), ("price", "<f8"), ("tags", "S4", (3,)), ("at", "<M8[ns]")])
MEMORY = Path("/dev/shm")

pytestmark = pytest.mark.skipif(not MEMORY.is_dir(), reason="shared memory has no folder here")


@pytest.fixture
def name(request):
    name = f"latencykit-test-{os.getpid()}-{abs(hash(request.node.nodeid))}"
    yield name
    SharedRing.remove(name)
    SharedRing.remove(name + "-back")


def numbered(first, count):
    records = np.zeros(count, RECORD)
    records["number"] = np.arange(first, first + count)
    records["price"] = records["number"] / 4
    return records


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_records_come_out_as_they_went_in(name):
    with SharedRing.create(name, RECORD, 8) as writer, SharedRing.attach(name) as reader:
        sent = numbered(0, 5)
        sent["tags"][3] = [b"ab", b"", b"xyzw"]
        assert writer.push(sent) == 5
        assert len(writer) == len(reader) == 5
        first = reader.pop(2)
        rest = reader.pop(100)
        assert first.dtype == rest.dtype == RECORD
        assert np.array_equal(np.concatenate([first, rest]), sent)
        assert reader.pop(10).shape == (0,)


def test_push_takes_what_fits(name):
    with SharedRing.create(name, "u4", 5) as ring:
        assert ring.push(np.arange(3, dtype="u4")) == 3
        assert ring.push(np.arange(3, 9, dtype="u4")) == 2
        assert ring.push(np.arange(1, dtype="u4")) == 0
        assert ring.pop().tolist() == [0, 1, 2, 3, 4]


def test_pop_fills_out_and_returns_that_part(name):
    with SharedRing.create(name, "i8", 8) as ring:
        out = np.full(4, -1)
        ring.push(np.arange(3))
        part = ring.pop(4, out)
        assert part.base is out
        assert part.tolist() == [0, 1, 2]
        assert out.tolist() == [0, 1, 2, -1]
        ring.push(np.arange(6))
        assert ring.pop(out=out) is out
        assert ring.pop(out=out, max_records=1).tolist() == [4]
        assert ring.pop(0, out).shape == (0,)


@pytest.mark.parametrize(
    "records",
    [
        pytest.param(lambda r: r[::2], id="every other one"),
        pytest.param(lambda r: [tuple(one) for one in r[::2]], id="tuples"),
        pytest.param(lambda r: r[::-1][::-2][::-1], id="backwards"),
    ],
)
def test_what_is_no_contiguous_array_is_copied(name, records):
    with SharedRing.create(name, RECORD, 8) as ring:
        sent = numbered(0, 5)
        expected = np.array(records(sent), RECORD)
        assert ring.push(records(sent)) == len(expected)
        assert np.array_equal(ring.pop(), expected)


def test_a_single_record_can_be_pushed(name):
    with SharedRing.create(name, RECORD, 8) as ring:
        sent = numbered(7, 1)
        assert ring.push(sent[0]) == ring.push(sent.reshape(())) == 1
        assert ring.pop()["number"].tolist() == [7, 7]


@pytest.mark.parametrize(
    "dtype",
    ["f8", ">i4", "S7", "?", "<M8[us]", RECORD, np.dtype([("a", "i1"), ("b", "f8")], align=True),
     np.dtype([("inner", [("x", "f4"), ("y", "f4")]), ("n", "u2")]), np.dtype("f8", metadata={"unit": "s"}),
     [(("title", "a"), "i4")]],
    ids=str,
)  # fmt: skip
def test_the_dtype_is_found_in_the_ring(name, dtype):
    with SharedRing.create(name, dtype, 2), SharedRing.attach(name) as ring:
        assert ring.dtype == np.dtype(dtype)
        assert ring.dtype.itemsize == np.dtype(dtype).itemsize
    with SharedRing.attach(name, dtype) as ring:
        assert ring.dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    "dtype",
    [object, [("a", "O")], "S0", [], ("f8", (3,)), "T", 17, "nonsense",
     {"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [4, 0]},
     {"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [0, 2]}],
    ids=str,
)  # fmt: skip
def test_dtypes_that_cannot_be_shared_are_refused(name, dtype):
    with pytest.raises(InvalidTypeError, match="dtype"):
        SharedRing.create(name, dtype, 2)
    assert not (MEMORY / name).exists()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"capacity": 0}, InvalidValueError),
        ({"capacity": -1}, InvalidValueError),
        ({"capacity": 2**32 + 1}, InvalidValueError),
        ({"capacity": 10**40}, InvalidValueError),
        ({"capacity": 1.5}, InvalidTypeError),
        ({"producers": 0}, InvalidValueError),
        ({"producers": 65}, InvalidValueError),
        ({"producers": "many"}, InvalidTypeError),
        ({"dtype": f"V{2**20 + 1}"}, InvalidValueError),
        ({"name": ""}, InvalidValueError),
        ({"name": "a/b"}, InvalidValueError),
        ({"name": ".."}, InvalidValueError),
        ({"name": "a\0b"}, InvalidValueError),
        ({"name": "n" * 251}, InvalidValueError),
        ({"name": "\udc80"}, InvalidValueError),
        ({"name": b"ring"}, InvalidTypeError),
    ],
    ids=str,
)
def test_what_cannot_be_created_is_refused(name, arguments, error):
    with pytest.raises(error):
        SharedRing.create(**{"name": name, "dtype": "f8", "capacity": 4, **arguments})
    assert not (MEMORY / name).exists()


def test_more_than_there_is_of_shared_memory_is_an_error_at_once(name):
    there = os.statvfs(MEMORY)
    blocks = 2 * there.f_blocks * there.f_frsize // 2**20
    with pytest.raises(CapacityError, match="ask for less"):
        SharedRing.create(name, f"V{2**20}", blocks)
    assert not (MEMORY / name).exists()


def test_a_name_is_one_ring(name):
    with SharedRing.create(name, "f8", 4) as ring:
        ring.push([1.0])
        with pytest.raises(InvalidStateError, match="exists already"):
            SharedRing.create(name, "f8", 4)
        with pytest.raises(InvalidStateError, match="has a producer or a consumer"):
            SharedRing.remove(name)
    assert SharedRing.remove(name)
    assert not SharedRing.remove(name)
    with pytest.raises(InvalidValueError, match="no shared memory"):
        SharedRing.attach(name)


def test_an_unlinked_ring_goes_on(name):
    with SharedRing.create(name, "f8", 4) as writer, SharedRing.attach(name) as reader:
        writer.unlink()
        assert not (MEMORY / name).exists()
        writer.push([1.5])
        assert reader.pop().tolist() == [1.5]
        with SharedRing.create(name, "i8", 4) as other:
            writer.unlink()  # is no longer its name
            assert other.push([1]) == 1
            assert (MEMORY / name).exists()


def test_sides_are_taken_by_the_first_and_freed_by_close(name):
    with SharedRing.create(name, "i8", 4) as one, SharedRing.attach(name) as other:
        assert (one.producers, one.has_consumer) == (0, False)
        one.push([1])
        with pytest.raises(InvalidStateError, match="producers=2"):
            other.push([2])
        assert other.pop().tolist() == [1]
        with pytest.raises(InvalidStateError, match="has a consumer already"):
            one.pop()
        assert (one.producers, one.has_consumer) == (other.producers, other.has_consumer) == (1, True)
        one.close()
        assert (other.producers, other.has_consumer) == (0, True)
        assert other.push([3]) == 1
        assert other.pop().tolist() == [3]


def test_many_producers_have_each_their_room_and_their_order(name):
    with SharedRing.create(name, "i8", 4, producers=3) as ring:
        producers = [SharedRing.attach(name) for _ in range(3)]
        for number, producer in enumerate(producers):
            assert producer.push(np.arange(6) + 10 * number) == 4
        assert ring.producers == ring.max_producers == 3
        assert len(ring) == 12
        with pytest.raises(InvalidStateError, match="no room for another"):
            ring.push([0])
        popped = np.concatenate([ring.pop(5), ring.pop()])
        for number, producer in enumerate(producers):
            assert popped[popped // 10 == number].tolist() == [10 * number + i for i in range(4)]
            producer.close()


def test_a_closed_ring_refuses(name):
    ring = SharedRing.create(name, "f8", 4)
    ring.close()
    ring.close()
    assert ring.closed
    for use in (lambda: ring.push([1.0]), ring.pop, lambda: len(ring), lambda: ring.producers, ring.__enter__):
        with pytest.raises(InvalidStateError, match="is closed"):
            use()
    assert (ring.name, ring.capacity, ring.dtype) == (name, 4, np.dtype("f8"))
    assert "closed" in repr(ring)
    ring.unlink()
    assert not (MEMORY / name).exists()


@pytest.mark.parametrize(
    ("records", "error"),
    [
        (np.zeros(2, "f4"), InvalidTypeError),
        (np.zeros(2, ">f8"), InvalidTypeError),
        (np.zeros((2, 2)), InvalidValueError),
        ([[1.0], [2.0]], InvalidTypeError),
        ("text", InvalidTypeError),
        (object(), InvalidTypeError),
        (None, None),
    ],
    ids=str,
)
def test_wrong_records_are_refused(name, records, error):
    with SharedRing.create(name, "f8", 4) as ring:
        if error is None:
            with pytest.raises(InvalidTypeError, match="needs the records"):
                ring.push()
        else:
            with pytest.raises(error):
                ring.push(records)
        assert ring.producers == 0


def test_fields_of_another_name_are_refused(name):
    with SharedRing.create(name, [("price", "f8")], 4) as ring:
        with pytest.raises(InvalidTypeError, match="convert them first"):
            ring.push(np.zeros(1, [("amount", "f8")]))
        with pytest.raises(InvalidTypeError, match="attach with that"):
            SharedRing.attach(name, [("amount", "f8")])


def test_wrong_arguments_of_pop_are_refused(name):
    with SharedRing.create(name, "f8", 4) as ring:
        read_only = np.zeros(4)
        read_only.flags.writeable = False
        for out in (np.zeros(4, "f4"), [0.0], None.__class__):
            with pytest.raises(InvalidTypeError, match="out must be"):
                ring.pop(1, out)
        for out in (read_only, np.zeros(8)[::2], np.zeros((2, 2)), np.zeros(())):
            with pytest.raises(InvalidValueError, match=r"np\.empty"):
                ring.pop(1, out)
        with pytest.raises(InvalidValueError, match="does not fit"):
            ring.pop(5, np.zeros(4))
        with pytest.raises(InvalidValueError, match="negative"):
            ring.pop(-1)
        with pytest.raises(InvalidTypeError, match="max_records"):
            ring.pop("all")
        for timeout in (-1, float("nan")):
            with pytest.raises(InvalidValueError, match="timeout"):
                ring.pop(1, timeout=timeout)
        for wrong in ({"most": 1}, {"max_records": 1}):
            with pytest.raises(InvalidTypeError, match="argument"):
                ring.pop(1, **wrong)
        with pytest.raises(InvalidTypeError, match="at most"):
            ring.pop(1, None, 0, 0)
        assert not ring.has_consumer


def test_a_wait_ends_with_its_time(name):
    with SharedRing.create(name, "i8", 2) as ring:
        assert ring.pop(timeout=0.001).shape == (0,)
        assert ring.push(np.arange(5), timeout=0.001) == 2
        assert ring.pop(1, timeout=None).tolist() == [0]


def test_waits_are_ended_by_the_other_side(name):
    count = 2_000
    with SharedRing.create(name, "i8", 4) as writer, SharedRing.attach(name) as reader:
        thread = in_thread(lambda: writer.push(np.arange(count), timeout=None))
        got = []
        while len(got) < count:
            got += reader.pop(3, timeout=None).tolist()
        thread.join()
        assert got == list(range(count))


def test_a_wait_ends_when_the_other_side_closes(name):
    writer = SharedRing.create(name, "i8", 2)
    with SharedRing.attach(name) as reader:
        writer.push([1, 2])
        writer.close()
        assert reader.pop(1, timeout=None).tolist() == [1]
        assert reader.pop(1, timeout=None).tolist() == [2]
        with pytest.raises(ClosedError, match=r"producer of ring .* closed it"):
            reader.pop(timeout=60)
        assert reader.pop(timeout=0.001).shape == (0,)  # it waits for a new one
        with SharedRing.attach(name) as heir:
            heir.push([3])
            assert reader.pop(timeout=None).tolist() == [3]


def test_a_push_that_got_something_in_says_how_much(name):
    reader = SharedRing.create(name, "i8", 2)
    with SharedRing.attach(name) as writer:
        reader.pop()
        reader.close()
        assert writer.push(np.arange(3), timeout=None) == 2
        with pytest.raises(ClosedError, match=r"consumer of ring .* closed it"):
            writer.push(np.arange(3), timeout=60)


def test_close_ends_the_wait_of_another_thread(name):
    ring = SharedRing.create(name, "i8", 2)
    begun, errors = threading.Event(), []

    def wait():
        begun.set()
        try:
            ring.pop(timeout=None)
        except InvalidStateError as error:
            errors.append(str(error))

    thread = in_thread(wait)
    begun.wait()
    ring.close()
    thread.join()
    assert "is closed" in errors[0]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # the child calls nothing but the ring and ends
def test_a_fork_has_no_part_in_the_ring(name):
    with SharedRing.create(name, "i8", 4) as ring:
        ring.push([1])
        child = os.fork()
        if child == 0:
            status = 1
            try:
                ring.push([2])
            except InvalidStateError as error:
                status = 0 if "inherited by a fork" in str(error) else 2
            del ring
            os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert ring.push([3]) == 1
        assert ring.pop().tolist() == [1, 3]


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
    with SharedRing.create(name, "u8", 8) as there, SharedRing.create(name + "-back", "u8", 8) as back:
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
        os.truncate(MEMORY / (name + "-back"), 0)
        thread.join(30)
        assert [type(error) for error in errors] == [DataError], errors
        assert "lost its memory" in str(errors[0])

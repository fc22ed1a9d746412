"""SharedRing within one process: what goes in and out, who may do what, and what is refused."""

import os
import threading

import numpy as np
import pytest
from numbered_records import RECORD, in_thread, numbered
from shared_names import MEMORY, new_name

from latencykit.engine import SharedRing
from latencykit.errors import CapacityError, InvalidStateError, InvalidTypeError, InvalidValueError

pytestmark = pytest.mark.skipif(not MEMORY.is_dir(), reason="shared memory has no folder here")


@pytest.fixture
def name():
    with new_name() as made:
        yield made


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
        with pytest.raises(InvalidStateError, match=r"producer of ring .* closed it"):
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
        with pytest.raises(InvalidStateError, match=r"consumer of ring .* closed it"):
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

"""SharedRing between processes that are killed at random moments: what is lost is what is said to be, and no more."""

import os
import random
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from latencykit import _core
from latencykit.engine import SharedRing
from latencykit.errors import InvalidStateError

RECORD = np.dtype([("producer", "<u8"), ("number", "<u8"), ("body", "<u8", (6,))])
KILLS = 100
BATCH = 4
CAPACITY = 64

pytestmark = [
    pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory has no folder here"),
    # The children of these forks call nothing but the ring, and end without cleaning up.
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


@pytest.fixture
def name(request):
    name = f"latencykit-processes-{os.getpid()}-{abs(hash(request.node.nodeid))}"
    yield name
    SharedRing.remove(name)
    SharedRing.remove(name + "-back")


@contextmanager
def process(work, *arguments):
    """Run in a child until the end of the block, at the latest; its number."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work(*arguments)
            status = 0
        finally:
            os._exit(status)
    try:
        yield child
    finally:
        end(child)


def end(child):
    """Kill a child if it is not killed yet, and wait for its end."""
    try:
        os.kill(child, signal.SIGKILL)
        return os.waitpid(child, 0)[1]
    except (ProcessLookupError, ChildProcessError):
        return None


def numbered(producer, first, count):
    records = np.empty(count, RECORD)
    records["producer"] = producer
    records["number"] = np.arange(first, first + count)
    records["body"] = (records["number"] * 1000 + producer)[:, None]
    return records


def assert_whole(records):
    assert np.array_equal(records["body"], np.repeat((records["number"] * 1000 + records["producer"])[:, None], 6, 1))


def produce(name, producer, first):
    with SharedRing.attach(name) as ring:
        while True:
            assert ring.push(numbered(producer, first, BATCH), timeout=None) == BATCH
            first += BATCH


def produce_what_fits(name, first):
    """As `produce`, but never a part of a batch."""
    with SharedRing.attach(name) as ring:
        while True:
            while len(ring) > CAPACITY - BATCH:
                pass
            assert ring.push(numbered(0, first, BATCH)) == BATCH
            first += BATCH


def consume(name, most, pipe):
    """Tell which numbers came; what a pop returned is told by one write, which is whole or not there."""
    with SharedRing.attach(name) as ring:
        while True:
            records = ring.pop(most, timeout=None)
            assert_whole(records)
            os.write(pipe, records["number"].tobytes())


def test_producers_killed_at_random_lose_whole_pushes_only(name):
    chance, expected = random.Random(1), 0
    with SharedRing.create(name, RECORD, CAPACITY) as ring:
        for _ in range(KILLS):
            enough = expected + chance.randrange(200)
            with process(produce_what_fits, name, expected) as child:
                while expected <= enough:
                    expected = take(ring.pop(chance.randrange(1, 99), timeout=None), expected)
                end(child)
            expected = take(ring.pop(), expected)
            assert expected % BATCH == 0
            with pytest.raises(InvalidStateError, match=f"process {child}. died"):
                ring.pop(timeout=60)
            assert ring.producers == 0


def take(records, expected):
    assert_whole(records)
    assert records["number"].tolist() == list(range(expected, expected + len(records)))
    return expected + len(records)


def test_consumers_killed_at_random_lose_one_pop_at_most(name):
    chance, most, next_number = random.Random(2), 16, 0
    seen, gaps = [], 0
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    with SharedRing.create(name, RECORD, CAPACITY) as ring:
        for _ in range(KILLS):
            enough = len(seen) + chance.randrange(200)
            with process(consume, name, most, write_end) as child:
                while len(seen) <= enough:
                    assert os.waitpid(child, os.WNOHANG) == (0, 0), "the consumer found something wrong"
                    next_number += ring.push(numbered(0, next_number, chance.randrange(1, 20)))
                    seen += told(read_end)
                end(child)
            seen += told(read_end)
        left = ring.pop()["number"].tolist()
    os.close(read_end)
    os.close(write_end)
    seen += left
    steps = np.diff(np.array([-1, *seen]))
    gaps = np.count_nonzero(steps > 1)
    assert steps.min() == 1, "out of order or twice"
    assert steps.max() <= 1 + most
    assert gaps <= KILLS
    assert next_number - 1 - seen[-1] <= most


def told(pipe):
    try:
        return np.frombuffer(os.read(pipe, 1 << 16), "<u8").tolist()
    except BlockingIOError:
        return []


def test_a_killed_producer_of_three_does_not_stop_the_others(name):
    chance, expected = random.Random(3), [0, 0, 0]

    def take_all(records):
        assert_whole(records)
        for producer in range(3):
            numbers = records["number"][records["producer"] == producer]
            first = expected[producer]
            assert numbers.tolist() == list(range(first, first + len(numbers)))
            expected[producer] += len(numbers)

    with (
        SharedRing.create(name, RECORD, CAPACITY, producers=3) as ring,
        process(produce, name, 0, 0),
        process(produce, name, 1, 0),
    ):
        for _ in range(KILLS):
            enough = [number + chance.randrange(60) for number in expected]
            with process(produce, name, 2, expected[2]) as child:
                while any(number <= least for number, least in zip(expected, enough, strict=True)):
                    take_all(ring.pop(chance.randrange(1, 200), timeout=None))
                end(child)
            take_all(ring.pop())
        assert ring.producers == 2


def test_a_second_producer_is_refused_while_the_first_lives(name):
    with SharedRing.create(name, RECORD, CAPACITY) as ring, process(produce, name, 0, 0) as child:
        assert len(ring.pop(1, timeout=None)) == 1
        with SharedRing.attach(name) as second:
            with pytest.raises(InvalidStateError, match="no room for another"):
                second.push(numbered(0, 0, 1))
            end(child)
            ring.pop()
            assert second.push(numbered(0, 0, 1)) == 1


def test_a_push_ends_when_the_consumer_dies(name):
    def pop_one_and_stay():
        with SharedRing.attach(name) as ring:
            ring.pop(1, timeout=None)
            signal.pause()

    with SharedRing.create(name, RECORD, 2) as ring, process(pop_one_and_stay) as child:
        assert ring.push(numbered(0, 0, 3), timeout=None) == 3
        end(child)
        with pytest.raises(InvalidStateError, match=f"consumer of ring .*process {child}. died"):
            ring.push(numbered(0, 3, 1), timeout=60)
        assert ring.push(numbered(0, 3, 1), timeout=0.001) == 0


def test_a_wait_is_ended_by_ctrl_c(name):
    read_end, write_end = os.pipe()

    def wait():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with SharedRing.attach(name) as ring:
            try:
                os.write(write_end, b"!")
                ring.pop(timeout=None)
            except KeyboardInterrupt:
                os._exit(7)

    with SharedRing.create(name, RECORD, 2), process(wait) as child:
        os.read(read_end, 1)
        os.kill(child, signal.SIGINT)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    os.close(read_end)
    os.close(write_end)


def test_a_long_random_run_keeps_everything_in_order(name):
    count = 100_000

    def send():
        chance, first = random.Random(4), 0
        with SharedRing.attach(name) as ring:
            while first < count:
                batch = numbered(5, first, min(chance.randrange(1, 200), count - first))
                first += ring.push(batch, timeout=chance.choice([0, 0.001, None]))

    chance, expected = random.Random(5), 0
    with SharedRing.create(name, RECORD, 100) as ring, process(send):
        out = np.empty(150, RECORD)
        while expected < count:
            if chance.random() < 0.5:
                expected = take(ring.pop(chance.randrange(1, 150), timeout=chance.choice([0, None])), expected)
            else:
                expected = take(ring.pop(out=out, timeout=0.001), expected)
        assert len(ring) == 0


def test_rings_outlive_their_makers(name):
    def make():
        SharedRing.create(name, RECORD, CAPACITY).push(numbered(9, 0, 3))

    with process(make) as child:
        assert os.waitpid(child, 0)[1] == 0
    with SharedRing.attach(name, RECORD) as ring:
        take(ring.pop(), 0)


def test_records_go_round_between_native_ends(name):
    cpus = sorted(os.sched_getaffinity(0))
    count, back = 50, name + "-back"

    def echo():
        with SharedRing.attach(name) as there, SharedRing.attach(back) as here:
            _core.shared_ring_echo(here, there, count, cpus[0])

    with SharedRing.create(name, RECORD, 8) as there, SharedRing.create(back, RECORD, 8) as here:
        with process(echo) as child:
            ticks = _core.shared_ring_round_trips(there, here, count, cpus[-1])
            assert os.waitpid(child, 0)[1] == 0
        assert len(ticks) == count
        assert ticks.min() > 0
        with process(echo) as child, pytest.raises(InvalidStateError, match="is gone"):
            _core.shared_ring_round_trips(there, here, count + 1, cpus[-1])

"""A feed of ticks from a shared ring: an orderly end, a silent producer, a dead one."""

import os
import signal
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from shared_names import new_name

from latencykit.engine import TICK_DTYPE, SharedRing, SharedRingFeed, SyntheticFeed, Ticks
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError

pytestmark = [
    pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory has no folder here"),
    # The children of these forks call nothing but the ring, and end without cleaning up.
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]
TICKS = Ticks([1, 2, 3], [1.5, 2.5, 3.5], [3.0, 4.0, 5.0], "trades", "test").records()


@pytest.fixture
def name():
    with new_name() as name:
        yield name


def joined(chunks):
    return np.concatenate([np.empty(0, TICK_DTYPE), *chunks])


@pytest.mark.parametrize("by_name", [True, False])
def test_a_feed_ends_when_the_producer_closes(name, by_name):
    ring = SharedRing.create(name, TICK_DTYPE, 64)
    with SharedRing.attach(name) as producer:
        producer.push(TICKS)
    feed = SharedRingFeed(name if by_name else ring, chunk_rows=2)
    with SharedRing.attach(name) as producer:
        producer.push(TICKS[:1])
        chunks = feed.chunks()
        got = [next(chunks), next(chunks)]
    got += list(chunks)
    assert joined(got).tobytes() == np.concatenate([TICKS, TICKS[:1]]).tobytes()
    assert feed.ending == "closed"
    ring.close()


def test_a_feed_of_another_process(name):
    ticks = joined(SyntheticFeed(5_000, symbols=3).chunks())
    with SharedRing.create(name, TICK_DTYPE, 256) as ring:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with SharedRing.attach(name) as producer:
                    producer.push(ticks, timeout=60)
                status = 0
            finally:
                os._exit(status)
        feed = SharedRingFeed(ring, idle_timeout=60)
        assert joined(feed.chunks()).tobytes() == ticks.tobytes()
        assert feed.ending == "closed"
        assert os.waitpid(child, 0)[1] == 0


def test_a_producer_that_dies_is_told_of_after_all_that_it_pushed(name):
    with SharedRing.create(name, TICK_DTYPE, 64) as ring:
        child = os.fork()
        if child == 0:
            try:
                producer = SharedRing.attach(name)
                producer.push(TICKS)
                signal.pause()
            finally:
                os._exit(1)
        feed = SharedRingFeed(ring, idle_timeout=60)
        chunks = feed.chunks()
        got = [next(chunks)]
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with pytest.raises(InvalidStateError, match=rf"{name}' after 3 ticks: the producer of ring .* died") as caught:
            got += list(chunks)
        assert type(caught.value) is InvalidStateError
        assert joined(got).tobytes() == TICKS.tobytes()
        assert feed.ending is None


def test_a_silent_producer_ends_the_feed_after_the_timeout(name):
    with SharedRing.create(name, TICK_DTYPE, 64) as ring, SharedRing.attach(name) as producer:
        producer.push(TICKS)
        feed = SharedRingFeed(ring, idle_timeout=0.01)
        assert len(joined(feed.chunks())) == 3
        assert feed.ending == "idle"
        producer.push(TICKS)
        assert len(joined(feed.chunks())) == 3


def test_the_timeout_is_from_the_last_tick_and_not_from_the_first(name, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("latencykit.engine.ring_feed.time", SimpleNamespace(monotonic=lambda: now[0]))
    with SharedRing.create(name, TICK_DTYPE, 64) as ring, SharedRing.attach(name) as producer:
        feed = SharedRingFeed(ring, idle_timeout=10)
        chunks = feed.chunks()
        for now[0] in (0.0, 8.0, 16.0):
            producer.push(TICKS)
            assert len(next(chunks)) == 3
        now[0] += 3.0  # what the consumer needs for a chunk is no silence of the producer
        producer.push(TICKS)
        assert len(next(chunks)) == 3


def test_a_feed_can_be_stopped(name):
    with SharedRing.create(name, TICK_DTYPE, 64) as ring:
        feed = SharedRingFeed(ring)
        ended = threading.Thread(target=lambda: list(feed.chunks()))
        ended.start()
        while ended.is_alive():
            feed.stop()
            ended.join(0.01)
        assert feed.ending == "stopped"


def test_rings_of_something_else(name):
    with SharedRing.create(name, "i8", 8) as ring:
        with pytest.raises(InvalidTypeError, match="create it with TICK_DTYPE"):
            SharedRingFeed(ring)
        with pytest.raises(InvalidTypeError, match="create it with TICK_DTYPE"):
            list(SharedRingFeed(name).chunks())
    with pytest.raises(InvalidTypeError, match="a int is no shared ring"):
        SharedRingFeed(7)


def test_a_ring_that_is_not_there(name):
    with pytest.raises(InvalidValueError, match=name):
        list(SharedRingFeed(name).chunks())


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_timeouts_that_are_none(timeout):
    with pytest.raises(InvalidValueError, match=r"idle_timeout .* is not above 0"):
        SharedRingFeed("ring", idle_timeout=timeout)

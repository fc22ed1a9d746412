"""Making a feed of what a caller has."""

import numpy as np
import pytest
from shared_names import new_name

from latencykit.engine import TICK_DTYPE, Feed, SharedRing, Ticks, damage_of, feed_of, place_of
from latencykit.engine.array_feed import ArrayFeed, ChunksFeed
from latencykit.engine.csv_feed import CsvFeed
from latencykit.engine.ring_feed import SharedRingFeed
from latencykit.errors import InvalidTypeError, InvalidValueError

TICKS = Ticks([1, 2], [1.5, 2.5], [3.0, 4.0], "trades", "test")


class MyFeed:
    source = "mine"

    def chunks(self):
        yield TICKS.records()


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (TICKS, ArrayFeed),
        (TICKS.records(), ArrayFeed),
        ({"timestamp_ns": [1], "price": [2.0]}, ArrayFeed),
        ([TICKS.records()], ChunksFeed),
        (iter([TICKS.records()]), ChunksFeed),
    ],
)
def test_what_is_in_memory(source, kind):
    feed = feed_of(source)
    assert type(feed) is kind
    assert isinstance(feed, Feed)
    assert all(chunk.dtype == TICK_DTYPE for chunk in feed.chunks())


@pytest.mark.parametrize("form", [str, lambda path: path])
def test_a_path(tmp_path, form):
    path = tmp_path / "ticks.csv"
    path.write_text("timestamp,price,size\n2022-01-05,1,2\n")
    feed = feed_of(form(path))
    assert type(feed) is CsvFeed
    assert [chunk["price"].tolist() for chunk in feed.chunks()] == [[1.0]]


def test_a_ring():
    with new_name() as name, SharedRing.create(name, TICK_DTYPE, 8) as ring:
        assert type(feed_of(ring)) is SharedRingFeed


def test_a_feed_is_itself():
    feed = MyFeed()
    assert feed_of(feed) is feed


@pytest.mark.parametrize("source", [None, 7, b"ticks.csv", object()])
def test_what_is_no_feed(source):
    with pytest.raises(InvalidTypeError, match=rf"a {type(source).__name__} is no feed; pass a feed, Ticks,"):
        feed_of(source)


def test_an_array_without_fields():
    with pytest.raises(InvalidTypeError, match="an array of float64 has no fields; pass timestamp_ns and price"):
        feed_of(np.ones(3))
    with pytest.raises(InvalidValueError, match="price is missing"):
        feed_of({"timestamp_ns": [1]})


def test_places_and_damage_of_feeds_without():
    assert place_of(MyFeed(), 1_234_567) == "mine: row 1,234,567"
    assert damage_of(MyFeed()) == ()


def test_places_and_damage_of_feeds_with(tmp_path):
    path = tmp_path / "ticks.csv"
    path.write_text("timestamp,price,size\nsoon,1,2\n2022-01-05,1,2\n")
    feed = feed_of(path)
    list(feed.chunks())
    assert place_of(feed, 0) == f"{path}:3"
    assert [damage.kind for damage in damage_of(feed)] == ["time"]

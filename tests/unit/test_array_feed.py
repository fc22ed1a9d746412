"""Feeds of what is in memory."""

import numpy as np
import pytest

from latencykit.engine import TICK_DTYPE, ArrayFeed, ChunksFeed, Ticks
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError

QUOTES = Ticks([1, 2, 3], [1.5, 2.5, 3.5], [0.0, 1.0, 2.0], "quotes", "test", bid=[1, 2, 3], ask=[2, 3, 4])


def joined(feed):
    return np.concatenate([np.empty(0, TICK_DTYPE), *feed.chunks()])


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_the_size_of_the_chunks_changes_nothing_else(rows):
    for data in (QUOTES, QUOTES.records(), {"timestamp_ns": [1, 2, 3], "price": [1.5, 2.5, 3.5]}):
        feed = ArrayFeed(data, chunk_rows=rows)
        assert len(feed) == 3
        assert [len(chunk) for chunk in feed.chunks()] == [min(rows, 3 - start) for start in range(0, 3, rows)]
        assert joined(feed).tobytes() == joined(ArrayFeed(data)).tobytes()


def test_ticks_are_their_records():
    assert joined(ArrayFeed(QUOTES)).tobytes() == QUOTES.records().tobytes()
    assert ArrayFeed(QUOTES).source == "test"
    assert ArrayFeed(QUOTES, source="mine").source == "mine"
    assert ArrayFeed(QUOTES.records()).source == "arrays"


def test_an_array_of_ticks_is_not_copied():
    records = QUOTES.records()
    assert all(np.shares_memory(chunk, records) for chunk in ArrayFeed(records, chunk_rows=2).chunks())
    every_other = records[::2]
    chunk = next(ArrayFeed(every_other).chunks())
    assert chunk.flags.c_contiguous
    assert chunk["timestamp_ns"].tolist() == [1, 3]


def test_columns_that_are_missing():
    records = joined(ArrayFeed({"timestamp_ns": [5], "price": [2]}))
    assert records[["timestamp_ns", "price", "volume", "symbol", "reserved"]].tolist() == [(5, 2.0, 0.0, 0, 0)]
    assert np.isnan(records["bid"]).all()
    assert np.isnan(records["ask"]).all()


def test_other_types_of_the_same_values():
    when = np.array(["2022-01-05T00:00:00.5"], "datetime64[ms]")
    columns = {"timestamp_ns": when, "price": np.array([2], ">f4"), "symbol": np.array([7], "i8"), "volume": [3]}
    records = joined(ArrayFeed(columns))
    assert records[["timestamp_ns", "price", "volume", "symbol"]].tolist() == [(1_641_340_800_500_000_000, 2.0, 3.0, 7)]
    structured = np.array([(5, 2.0)], [("timestamp_ns", ">i8"), ("price", "f4")])
    assert joined(ArrayFeed(structured))["timestamp_ns"].tolist() == [5]


def test_an_empty_feed():
    assert list(ArrayFeed(np.empty(0, TICK_DTYPE)).chunks()) == []
    assert list(ArrayFeed({"timestamp_ns": [], "price": []}).chunks()) == []


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"price": [1.0]}, InvalidValueError, "timestamp_ns is missing; pass timestamp_ns and price"),
        ({"timestamp_ns": [1], "price": [1.0], "size": [1]}, InvalidValueError, "size is no column of ticks"),
        ({"timestamp_ns": [1], "price": [1.0, 2.0]}, InvalidValueError, r"'price' has the shape \(2,\)"),
        ({"timestamp_ns": [[1]], "price": [1.0]}, InvalidValueError, r"'timestamp_ns' has the shape \(1, 1\)"),
        ({"timestamp_ns": [1.0], "price": [1.0]}, InvalidTypeError, "timestamp_ns has the dtype float64"),
        ({"timestamp_ns": [1], "price": ["1"]}, InvalidTypeError, "'price' has the dtype <U1; pass numbers"),
        ({"timestamp_ns": [1], "price": [1.0], "symbol": [-1]}, InvalidValueError, "symbol_id has values from -1"),
    ],
)
def test_columns_that_are_no_ticks(columns, error, message):
    with pytest.raises(error, match=message):
        ArrayFeed(columns)


def test_chunks_hold_something():
    with pytest.raises(InvalidValueError, match="chunk_rows 0 is below 1"):
        ArrayFeed(QUOTES, chunk_rows=0)


def test_arrays_one_after_another():
    parts = [QUOTES.records()[:1], QUOTES.records()[1:]]
    feed = ChunksFeed(parts)
    assert joined(feed).tobytes() == joined(feed).tobytes() == QUOTES.records().tobytes()
    fields = np.array([(5, 2.0)], [("timestamp_ns", "i8"), ("price", "f8")])
    assert joined(ChunksFeed([fields]))["price"].tolist() == [2.0]


def test_an_iterator_is_used_once():
    feed = ChunksFeed(iter([QUOTES.records()]))
    assert len(joined(feed)) == 3
    with pytest.raises(InvalidStateError, match="was used by a pass before; pass a list, or a new iterator"):
        feed.chunks()


def test_arrays_that_are_none():
    with pytest.raises(InvalidTypeError, match="list of arrays: number 1 is a float; give structured arrays"):
        joined(ChunksFeed([QUOTES.records(), 1.0]))
    with pytest.raises(InvalidTypeError, match="an array of float64 has no fields"):
        joined(ChunksFeed([np.ones(2)]))

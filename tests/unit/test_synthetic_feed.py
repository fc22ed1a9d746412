"""Synthetic markets of any length, in bounded memory."""

import tracemalloc

import numpy as np
import pytest

from latencykit.engine import SyntheticFeed, synthetic_market
from latencykit.engine import synthetic_feed as module
from latencykit.errors import InvalidValueError


def joined(feed):
    return np.concatenate(list(feed.chunks()))


@pytest.fixture
def small_segments(monkeypatch):
    monkeypatch.setattr(module, "_MADE_AT_ONCE", 3_000)


def test_a_short_feed_is_the_synthetic_market():
    feed = SyntheticFeed(12_000, seed=7, chunk_rows=5_000)
    market = synthetic_market(12_000, seed=7)
    assert joined(feed).tobytes() == market.records().tobytes()
    assert feed.panics == market.panics
    assert len(feed) == 12_000


@pytest.mark.parametrize(("ticks", "symbols"), [(1, 1), (999, 1), (7_001, 1), (7_001, 2), (10_000, 7), (5, 9)])
def test_the_size_of_the_chunks_changes_nothing(small_segments, ticks, symbols):
    feeds = [SyntheticFeed(ticks, 3, symbols, chunk_rows=rows) for rows in (1, 777, 10**6)]
    all_records = [joined(feed) for feed in feeds]
    assert {len(records) for records in all_records} == {ticks}
    assert len({records.tobytes() for records in all_records}) == 1
    assert len({feed.panics for feed in feeds}) == 1
    assert joined(feeds[0]).tobytes() == all_records[0].tobytes()
    assert not all_records[0]["reserved"].any()


def test_symbols_come_in_the_order_of_time_and_are_markets_of_their_own(small_segments):
    records = joined(SyntheticFeed(30_000, seed=5, symbols=3))
    assert (np.diff(records["timestamp_ns"]) >= 0).all()
    assert set(records["symbol"].tolist()) == {0, 1, 2}
    by_symbol = [records[records["symbol"] == symbol] for symbol in range(3)]
    for own in by_symbol:
        assert 9_000 < len(own) < 11_000
        assert (np.diff(own["timestamp_ns"]) > 0).mean() > 0.99
    assert by_symbol[0]["price"][:500].tolist() != by_symbol[1]["price"][:500].tolist()


def test_every_row_of_every_market_comes_once(small_segments):
    records = joined(SyntheticFeed(20_000, seed=5, symbols=3))
    for symbol in range(3):
        own = records[records["symbol"] == symbol]
        market = module._Market(5, symbol, 1_000, bent=True)
        alone = np.concatenate([market.next_segment() for _ in range(-(-len(own) // 1_000))])[: len(own)]
        alone["reserved"] = 0
        assert own.tobytes() == alone.tobytes()


def test_a_long_market_keeps_its_level_and_does_not_jump_between_segments(small_segments):
    price = joined(SyntheticFeed(60_000, seed=2))["price"]
    starts, ends = price[::3_000], price[2_999::3_000]
    assert starts == pytest.approx(starts[0], rel=1e-4)
    assert ends == pytest.approx(starts[0], rel=1e-4)


def test_panics_are_where_the_markets_fall(small_segments):
    feed = SyntheticFeed(30_000, seed=4, symbols=2)
    records = joined(feed)
    assert len(feed.panics) >= 20
    for panic in feed.panics:
        own = records[panic:][records["symbol"][panic:] == records["symbol"][panic]]["price"]
        if len(own) > 51:
            assert own[:51].min() < 0.985 * own[0]


def test_seeds_and_symbols_differ(small_segments):
    one, other = joined(SyntheticFeed(9_000, seed=1)), joined(SyntheticFeed(9_000, seed=2))
    assert one["price"].tolist() != other["price"].tolist()
    assert one["price"][:3_000].tolist() != one["price"][3_000:6_000].tolist()


def test_memory_does_not_grow_with_the_ticks(small_segments):
    def peak(ticks):
        tracemalloc.start()
        for _ in SyntheticFeed(ticks, symbols=2, chunk_rows=500).chunks():
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(1_000)
    assert peak(60_000) < 1.3 * peak(6_000)


@pytest.mark.parametrize("wrong", [{"ticks": 0}, {"ticks": 1, "seed": -1}, {"ticks": 1, "symbols": 0}])
def test_arguments_out_of_range(wrong):
    with pytest.raises(InvalidValueError, match="is out of range"):
        SyntheticFeed(**wrong)

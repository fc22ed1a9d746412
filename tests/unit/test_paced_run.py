"""Ticks that come when they are due: how many, from when they are timed, and what ends them. No times are judged."""

import numpy as np
import pytest
from engine_feeds import feed

from latencykit.engine import TICK_DTYPE, ArrayFeed, Engine, EngineConfig, FeedRules
from latencykit.engine.paced_run import _lag_s, _slices
from latencykit.engine.stats import PerformanceStats
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError


def test_all_ticks_are_taken_and_timed():
    with Engine() as engine:
        report = engine.run_paced(feed(500), 1e6)
        assert engine.summary().ticks == 500
    assert (report.ticks, report.responses.count, report.ended, report.rate) == (500, 500, "feed", 1e6)
    assert 0 < report.achieved <= 1e6
    assert report.resolution_ns > 0


def test_the_duration_ends_it_at_its_last_tick():
    seen = []
    with Engine() as engine:
        report = engine.run_paced(feed(500), 10_000, duration=0.02, on_slice=lambda part: seen.append(part.ticks))
    assert (report.ticks, report.responses.count, report.ended) == (200, 200, "duration")
    assert seen == [200]


def test_a_halt_ends_it():
    ticks = ArrayFeed(feed(100))
    (rows,) = (chunk.copy() for chunk in ticks.chunks())
    rows["price"][40] = -1.0
    with Engine(EngineConfig(feed_rules=FeedRules(bad_price="halt"))) as engine:
        report = engine.run_paced(rows, 1e6)
        assert (report.ticks, report.ended) == (41, "stopped")
        with pytest.raises(InvalidStateError, match="halted"):
            engine.run_paced(rows, 1e6)


def test_a_feed_without_ticks_is_over_at_once():
    with Engine() as engine:
        report = engine.run_paced(np.empty(0, TICK_DTYPE), 1e6)
    assert (report.ticks, report.achieved, report.responses.count, report.ended) == (0, 0.0, 0, "feed")


def test_the_journal_is_that_of_a_run(tmp_path):
    for name, call in (("run", Engine.run), ("paced", lambda engine, ticks: engine.run_paced(ticks, 1e6))):
        with Engine(EngineConfig(journal_path=tmp_path / name)) as engine:
            call(engine, feed(2_000))
    assert (tmp_path / "run").read_bytes() == (tmp_path / "paced").read_bytes()


@pytest.mark.parametrize("rate", [0, -1, 2e9, float("nan"), float("inf")])
def test_a_rate_out_of_range_is_refused(rate):
    with Engine() as engine, pytest.raises(InvalidValueError, match="rate"):
        engine.run_paced(feed(10), rate)


@pytest.mark.parametrize("arguments", [("5", None), (True, None), (5.0, "1s")])
def test_what_is_no_number_is_refused(arguments):
    rate, duration = arguments
    with Engine() as engine, pytest.raises(InvalidTypeError, match="not a number"):
        engine.run_paced(feed(10), rate, duration=duration)


def test_a_duration_out_of_range_is_refused():
    with Engine() as engine, pytest.raises(InvalidValueError, match="duration"):
        engine.run_paced(feed(10), 5.0, duration=0)


@pytest.mark.parametrize("sizes", [[], [0], [1], [7], [3, 4], [10, 0, 25], [6, 1]])
def test_slices_hold_every_tick_in_its_order(sizes):
    rows = np.zeros(sum(sizes), TICK_DTYPE)
    rows["timestamp_ns"] = np.arange(len(rows))
    chunks = np.split(rows, np.cumsum(sizes)[:-1]) if sizes else []
    slices = list(_slices(iter(chunks), 7))
    assert [each["timestamp_ns"].tolist() for each in slices] == [
        list(range(start, min(start + 7, len(rows)))) for start in range(0, len(rows), 7)
    ]


def test_the_lag_is_where_responses_grow_and_not_where_one_is_long():
    behind, stalled = PerformanceStats(), PerformanceStats()
    for tick in range(1_000):
        behind.record(tick * 1_000)
        stalled.record(500)
    stalled.record(50_000_000)
    assert _lag_s(behind) == pytest.approx(1e-3, rel=0.01)
    assert _lag_s(stalled) == pytest.approx(1e-6, rel=0.01)
    assert _lag_s(PerformanceStats()) == 0

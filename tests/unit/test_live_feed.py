"""Bars from Yahoo Finance, of a module that takes its place: with the calls, columns and index of the real one."""

import sys
import threading
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from latencykit.engine import TICK_DTYPE, Feed, YFinanceFeed
from latencykit.engine import live_feed as module
from latencykit.errors import DataError, InvalidValueError, UnsupportedError

pandas = pytest.importorskip("pandas", reason="the tables that yfinance gives are pandas'")

START = 1_641_393_000  # 2022-01-05 09:30 in New York


def table(closes, start=START, zone="America/New_York", step=60):
    index = pandas.DatetimeIndex(
        pandas.to_datetime([start + step * i for i in range(len(closes))], unit="s", utc=True), name="Datetime"
    ).tz_convert(zone)
    columns = {"Open": closes, "High": closes, "Low": closes, "Close": closes, "Adj Close": closes}
    return pandas.DataFrame({**columns, "Volume": [100 + i for i in range(len(closes))]}, index=index)


@pytest.fixture
def yahoo(monkeypatch):
    """What Yahoo answers to each poll, by symbol; the arguments of the calls; and what time it is in a poll."""
    state = SimpleNamespace(answers={}, calls=[], now=START + 10**6)

    class Ticker:
        def __init__(self, name):
            self.name = name

        def history(self, **arguments):
            state.calls.append((self.name, arguments))
            answer = state.answers[self.name].pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    fake = ModuleType("yfinance")
    fake.Ticker = Ticker
    monkeypatch.setitem(sys.modules, "yfinance", fake)
    monkeypatch.setattr(module.time, "time_ns", lambda: state.now * 10**9)
    return state


def chunks_of(symbols, polls, **options):
    return list(YFinanceFeed(symbols, polls=polls, poll_seconds=0, **options).chunks())


def test_each_bar_comes_once(yahoo):
    yahoo.answers = {"AAPL": [table([1.0, 2.0]), table([1.0, 2.0, 3.0]), table([1.0, 2.0, 3.0])]}
    first, second, third = chunks_of(["AAPL"], 3)
    assert first.dtype == TICK_DTYPE
    assert first["timestamp_ns"].tolist() == [START * 10**9, (START + 60) * 10**9]
    assert first["price"].tolist() == [1.0, 2.0]
    assert first["volume"].tolist() == [100.0, 101.0]
    assert np.isnan(first["bid"]).all()
    assert second["price"].tolist() == [3.0]
    assert len(third) == 0
    assert yahoo.calls[0] == (
        "AAPL",
        {"period": "1d", "interval": "1m", "auto_adjust": False, "actions": False, "raise_errors": True},
    )


def test_a_bar_comes_only_when_it_has_ended(yahoo):
    yahoo.now = START + 119
    yahoo.answers = {"AAPL": [table([1.0, 2.0])]}
    assert chunks_of(["AAPL"], 1)[0]["price"].tolist() == [1.0]


def test_symbols_are_numbered_and_in_the_order_of_time(yahoo):
    yahoo.answers = {"A": [table([1.0, 2.0])], "B": [table([7.0, 8.0], start=START + 30, zone="UTC")]}
    (ticks,) = chunks_of(["A", "B"], 1)
    assert ticks["symbol"].tolist() == [0, 1, 0, 1]
    assert ticks["price"].tolist() == [1.0, 7.0, 2.0, 8.0]


def test_an_index_without_a_zone_and_of_another_unit_is_utc(yahoo):
    frame = table([1.0])
    frame.index = frame.index.tz_convert(None).as_unit("s")
    yahoo.answers = {"A": [frame]}
    assert chunks_of(["A"], 1)[0]["timestamp_ns"].tolist() == [START * 10**9]


def test_outside_market_hours_there_is_nothing(yahoo):
    yahoo.answers = {"A": [table([])]}
    assert [len(chunk) for chunk in chunks_of(["A"], 1)] == [0]


def test_failures_are_counted_and_too_many_in_a_row_end_the_pass(yahoo):
    yahoo.answers = {"A": [OSError("no route"), table([1.0]), OSError("no route"), OSError("no route")]}
    feed = YFinanceFeed(["A"], poll_seconds=0, retries=1)
    got = []
    with pytest.raises(DataError, match=r"Yahoo Finance gave no bars of A \(OSError: no route\); check the name"):
        got.extend(feed.chunks())
    assert [len(chunk) for chunk in got] == [1]
    assert feed.failures == 3


def test_a_table_of_something_else(yahoo):
    yahoo.answers = {"A": [table([1.0]).drop(columns="Close")]}
    with pytest.raises(DataError, match=r"table of A is not as expected \(KeyError: 'Close'\)"):
        chunks_of(["A"], 1, retries=0)


def test_a_pass_can_be_stopped(yahoo):
    yahoo.answers = {"A": [table([1.0])]}
    feed = YFinanceFeed(["A"])  # the next poll is a minute away
    chunks = feed.chunks()
    assert len(next(chunks)) == 1
    threading.Timer(0.01, feed.stop).start()
    assert list(chunks) == []


def test_it_is_a_feed(yahoo):
    feed = YFinanceFeed(["A", "B"], "5m")
    assert isinstance(feed, Feed)
    assert feed.source == "Yahoo Finance, A, B, 5m"


def test_without_yfinance(monkeypatch):
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(UnsupportedError, match=r"yfinance is not installed; run: pip install 'latencykit\[live\]'"):
        YFinanceFeed(["AAPL"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbols": "AAPL"}, {"symbols": []}, {"interval": "1s"}, {"poll_seconds": -1}, {"polls": 0}, {"retries": -1},
    ],
)  # fmt: skip
def test_arguments_out_of_range(yahoo, wrong):
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        YFinanceFeed(**{"symbols": ["A"], **wrong})

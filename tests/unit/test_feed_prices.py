"""The market that is kept of a feed, and what latency costs on it."""

import numpy as np
import pytest

from latencykit.analysis.entry_trades import Entry
from latencykit.analysis.feed_prices import FeedPrices
from latencykit.analysis.latency_cost import latency_cost
from latencykit.engine import TICK_DTYPE

NAN = float("nan")
SECOND = 10**9
DELAYS = (0, SECOND, 2 * SECOND)


def ticks(prices, times=None, symbol=0, **columns):
    rows = np.zeros(len(prices), TICK_DTYPE)
    rows["price"], rows["symbol"] = prices, symbol
    rows["timestamp_ns"] = np.arange(len(prices)) * SECOND if times is None else np.asarray(times) * SECOND
    rows["bid"] = rows["ask"] = NAN
    for name, column in columns.items():
        rows[name] = column
    return rows


def told(rows, entries, *, taken=None, symbols=1, skipped=(), chunk=3):
    prices = FeedPrices(symbols, skipped)
    for start in range(0, len(rows), chunk):
        prices.add(rows[start : start + chunk])
    return prices.cost(len(rows) if taken is None else taken, entries, DELAYS)


def expected(prices, times, entry):
    return latency_cost(np.asarray(times) * SECOND, prices, [entry], delays_ns=DELAYS)


def test_a_clean_feed_is_taken_as_it_is():
    prices = [10.0, 9.0, 9.5, 10.5, 11.0]
    found = told(ticks(prices), [(1, 10.4, 8.0)])
    assert found.cost.delays == expected(prices, range(5), Entry(1, 10.4, 8.0)).delays
    assert found.remark == ""


@pytest.mark.parametrize(
    "bad",
    [
        {"price": NAN}, {"price": -1.0}, {"price": np.inf}, {"price": 0.0}, {"volume": -1.0}, {"volume": NAN},
        {"bid": 1.0}, {"bid": 1.0, "ask": -1.0}, {"symbol": 1}, {"timestamp_ns": -SECOND},
    ],
)  # fmt: skip
def test_rows_that_no_engine_accepts_are_no_market(bad):
    rows = ticks([10.0, 9.0, 99.0, 9.5, 10.5, 11.0], [0, 1, 2, 2, 3, 4])
    for name, value in bad.items():
        rows[name][2] = value
    found = told(rows, [(1, 10.4, 8.0)])
    assert found.cost.delays == expected([10.0, 9.0, 9.5, 10.5, 11.0], range(5), Entry(1, 10.4, 8.0)).delays


@pytest.mark.parametrize("skipped", [True, False])
def test_a_crossed_quote_is_market_where_the_rules_accept_it(skipped):
    rows = ticks([10.0, 9.0, 11.0, 9.5], bid=10.0, ask=10.0)
    rows["bid"][2] = 12.0
    found = told(rows, [(1, 10.4, 8.0)], skipped={"crossed_quote"} if skipped else ())
    assert (found.cost.delays[0].outcomes == {"end": 1}) is skipped


def test_each_symbol_has_a_past_of_its_own():
    rows = ticks([10.0, 50.0, 9.0, 51.0, 10.5, 52.0], [5, 0, 6, 1, 7, 2], [0, 1, 0, 1, 0, 1])
    found = told(rows, [(2, 10.4, 8.0)], symbols=2)
    assert found.cost.delays == expected([10.0, 9.0, 10.5], [5, 6, 7], Entry(1, 10.4, 8.0)).delays


def test_rows_after_the_last_that_was_taken_are_not_known():
    found = told(ticks([10.0, 9.0, 9.5, 10.5]), [(1, 10.4, 8.0)], taken=3)
    assert found.cost.delays[0].outcomes == {"end": 1}


def test_entries_without_levels_are_left_out_and_counted():
    found = told(ticks([10.0, 9.0, 9.5]), [(0, NAN, NAN), (1, 10.4, 8.0), (2, 9.0, 9.5), (1, np.inf, 0.0)])
    assert (found.cost.signals, found.remark.split(" ")[0]) == (1, "3")
    none = told(ticks([10.0, 9.0, 9.5]), [(0, NAN, NAN)])
    assert none.cost is None
    assert none.remark.startswith("nothing to tell: 1 ")


def test_no_entry_is_a_sentence():
    assert told(ticks([10.0]), []).remark == "nothing to tell: no entry was made"


def test_too_long_a_feed_is_left_out_and_frees_its_memory():
    prices = FeedPrices(1, (), most_rows=5)
    prices.add(ticks([1.0] * 5))
    prices.add(ticks([1.0]))
    found = prices.cost(6, [(0, 2.0, 0.5)], DELAYS)
    assert found.cost is None
    assert "up to 5 ticks" in found.remark
    assert prices._chunks == []

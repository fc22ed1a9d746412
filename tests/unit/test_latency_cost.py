"""What becomes of late entries, by hand; what is said of them; and what is refused."""

import numpy as np
import pytest

from latencykit.analysis.entry_trades import Entry
from latencykit.analysis.latency_cost import DELAYS_NS, latency_cost
from latencykit.errors import InvalidValueError

SECOND = 1_000_000_000


def cost_of(prices, entries, *, step=SECOND, holding=100 * SECOND, delays=(0, SECOND, 2 * SECOND), **more):
    times = np.arange(len(prices), dtype=np.int64) * step
    return latency_cost(times, prices, entries, delays_ns=delays, longest_holding_ns=holding, **more)


def outcomes(cost):
    return [next(iter(one.outcomes)) for one in cost.delays]


def test_a_take_profit_is_sold_at_its_own_price():
    cost = cost_of([100, 101, 102, 110], [Entry(0, 105.0, 90.0)])
    assert outcomes(cost) == ["take_profit"] * 3
    assert [one.per_share for one in cost.delays] == [5.0, 4.0, 3.0]
    assert [one.percent for one in cost.delays] == pytest.approx([5.0, 400 / 101, 300 / 102])
    assert cost.delays[1].lost_percent == pytest.approx(5.0 - 400 / 101)


def test_a_stop_is_sold_at_the_price_of_its_row():
    cost = cost_of([100, 99, 98, 80, 120], [Entry(0, 105.0, 90.0)])
    assert outcomes(cost) == ["stop"] * 3
    assert [one.per_share for one in cost.delays] == [-20.0, -19.0, -18.0]


def test_without_either_it_is_sold_at_the_first_row_at_the_deadline():
    cost = cost_of([100, 101, 102, 103, 104], [Entry(0, 105.0, 90.0)], holding=3 * SECOND)
    assert outcomes(cost) == ["deadline"] * 3
    assert [one.per_share for one in cost.delays] == [3.0, 2.0, 1.0]
    late = cost_of([100, 101, 102, 103, 104], [Entry(0, 105.0, 90.0)], holding=3 * SECOND, delays=(3 * SECOND,))
    assert outcomes(late) == ["late"]
    between = cost_of([100, 101, 102, 103, 104], [Entry(0, 105.0, 90.0)], holding=5 * SECOND // 2, delays=(0,))
    assert between.delays[0].per_share == 3.0


def test_where_the_feed_ends_first_it_is_sold_at_the_last_row():
    cost = cost_of([100, 101, 102], [Entry(0, 105.0, 90.0)])
    assert outcomes(cost) == ["end", "end", "late"]
    assert [one.per_share for one in cost.delays] == [2.0, 1.0, 0.0]
    assert cost.delays[2].waited_ns == 2 * SECOND


def test_a_price_that_ran_away_is_no_trade():
    cost = cost_of([100, 106, 101, 107], [Entry(0, 105.0, 90.0)])
    assert outcomes(cost) == ["take_profit", "beyond", "take_profit"]
    assert [one.beyond for one in cost.delays] == [0.0, 1.0, 0.0]
    assert [one.per_share for one in cost.delays] == [5.0, 0.0, 4.0]
    assert outcomes(cost_of([100, 90, 101], [Entry(0, 105.0, 90.0)], delays=(SECOND,))) == ["below"]


def test_a_feed_that_ends_before_the_entry():
    cost = cost_of([100, 101], [Entry(1, 105.0, 90.0)])
    assert outcomes(cost) == ["late"] * 3
    assert [one.waited_ns for one in cost.delays] == [0, None, None]


def test_an_entry_without_stop():
    assert cost_of([100, 1, 105], [Entry(0, 105.0, 0.0)]).delays[0].per_share == 5.0


def test_the_delay_counts_from_the_signals_own_row():
    times = [0, 0, 0, 5, 5]
    cost = latency_cost(
        times, [1.0, 2.0, 3.0, 4.0, 5.0], [Entry(1, 9.0, 0.5)], delays_ns=(0, 1, 5), longest_holding_ns=9
    )
    assert [one.per_share for one in cost.delays] == [3.0, 1.0, 1.0]
    assert [one.waited_ns for one in cost.delays] == [0, 5, 5]


def test_symbols_are_kept_apart():
    prices, symbols = [100.0, 7.0, 101.0, 8.0, 105.0, 9.0], [0, 1, 0, 1, 0, 1]
    entries = [Entry(0, 105.0, 90.0), Entry(1, 9.0, 1.0)]
    cost = cost_of(prices, entries, symbol=symbols)
    assert cost.delays[0].outcomes == {"take_profit": 2}
    assert cost.delays[0].per_share == (5.0 + 2.0) / 2
    assert cost.spacing_ns == 2 * SECOND


@pytest.mark.parametrize(("step", "resolved"), [(1, [True] * 6), (SECOND, [True, False, False, True, True, True])])
def test_delays_below_the_spacing_are_not_resolved(step, resolved):
    cost = cost_of([100.0] * 9, [Entry(0, 105.0, 90.0)], step=step, delays=DELAYS_NS)
    assert [one.delay_ns for one in cost.delays] == list(DELAYS_NS)
    assert [one.resolved for one in cost.delays] == resolved


def test_one_row_resolves_nothing():
    cost = cost_of([100.0], [Entry(0, 105.0, 90.0)])
    assert cost.spacing_ns is None
    assert [one.resolved for one in cost.delays] == [True, False, False]


def test_the_time_between_two_symbols_is_no_spacing():
    assert latency_cost([0, 10], [100.0, 7.0], [ENTRY], symbol=[0, 1]).spacing_ns is None
    assert latency_cost([0, 2, 90], [100.0, 100.0, 7.0], [ENTRY], symbol=[0, 0, 1]).spacing_ns == 2.0


def test_the_intervals_are_students():
    # Profits of 1, 2, 3 %: mean 2, standard deviation 1, t(2) = 4.302653.
    prices = [100, 101, 100, 102, 100, 103]
    cost = cost_of(prices, [Entry(0, 101.0, 1.0), Entry(2, 102.0, 1.0), Entry(4, 103.0, 1.0)], delays=(0,))
    low, high = cost.delays[0].percent_interval
    assert (low, high) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), rel=1e-6)
    assert cost_of(prices, [Entry(0, 101.0, 1.0)], delays=(0,)).delays[0].percent_interval is None


def test_what_is_lost_is_paired():
    # Two signals of very different profit that lose the same by a second: the loss is certain, the profits are not.
    prices = [100, 101, 110, 100, 101, 150]
    entries = [Entry(0, 110.0, 1.0), Entry(3, 150.0, 1.0)]
    cost = cost_of(prices, entries, symbol=[0, 0, 0, 1, 1, 1], delays=(0, SECOND))
    assert cost.delays[0].lost_percent == 0.0
    low, high = cost.delays[1].lost_interval
    assert high - low < 0.2 * (cost.delays[1].percent_interval[1] - cost.delays[1].percent_interval[0])


ENTRY = Entry(0, 105.0, 90.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entries": []}, "there are no entries"),
        ({"entries": [Entry(2, 105.0, 90.0)]}, "entry at row 2 is none of the 2 rows"),
        ({"entries": [Entry(-1, 105.0, 90.0)]}, "entry at row -1 is none of the 2 rows"),
        ({"entries": [Entry(0, 90.0, 105.0)]}, "the stop must be below the take-profit"),
        ({"entries": [Entry(0, float("nan"), 1.0)]}, "the stop must be below the take-profit"),
        ({"delays_ns": []}, r"delays \[\] are none"),
        ({"delays_ns": [-1, 0]}, r"delays \[-1, 0\] are none"),
        ({"longest_holding_ns": 0}, "longest_holding_ns 0 is not above 0"),
        ({"price": [1.0, float("nan")]}, "row 1 has the price nan"),
        ({"price": [0.0, 1.0]}, r"row 0 has the price 0\.0"),
        ({"timestamp_ns": [1, 0]}, "row 1 is before its symbol's row above"),
        ({"timestamp_ns": [0.0, 1.0]}, "are no rows; pass columns of one length"),
        ({"price": [1.0]}, "are no rows; pass columns of one length"),
    ],
)
def test_what_is_refused(change, message):
    arguments = {"timestamp_ns": [0, 1], "price": [100.0, 101.0], "entries": [ENTRY], **change}
    with pytest.raises(InvalidValueError, match=message):
        latency_cost(**arguments)


def test_another_symbols_earlier_time_is_no_step_back():
    cost = latency_cost([5, 0, 6, 1], [100.0, 7.0, 105.0, 8.0], [ENTRY], symbol=[0, 1, 0, 1], delays_ns=(0,))
    assert cost.delays[0].per_share == 5.0

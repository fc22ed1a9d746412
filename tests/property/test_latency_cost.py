"""Late entries against a plain reference that goes through the rows one by one."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latencykit.analysis.entry_trades import Entry
from latencykit.analysis.latency_cost import latency_cost

DELAYS = (0, 1, 2, 3, 7)

rows = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([96.0, 98.0, 99.0, 100.0, 101.0, 102.0, 104.0]), st.integers(0, 2)),
    min_size=1,
    max_size=40,
)
levels = st.sampled_from([(101.5, 98.5), (103.0, 97.0), (102.0, 98.0), (105.0, 0.0)])


def trade(times, prices, symbols, entry, delay, holding):
    """The outcome and the profit of one share in % of the price, by the definition."""
    start = times[entry.row]
    own = [row for row in range(entry.row, len(times)) if symbols[row] == symbols[entry.row]]
    at_deadline = [row for row in own if times[row] >= start + holding]
    last = at_deadline[0] if at_deadline else own[-1]
    late = [row for row in own if row == entry.row or delay > 0] if delay == 0 else own
    entered = next((row for row in late if times[row] >= start + delay), None)
    if entered is None or entered >= last:
        return "late", 0.0
    bought = prices[entered]
    if bought >= entry.take_profit:
        return "beyond", 0.0
    if bought <= entry.stop:
        return "below", 0.0
    for row in own:
        if not entered < row <= last:
            continue
        if prices[row] >= entry.take_profit:
            return "take_profit", 100 * (entry.take_profit - bought) / bought
        if prices[row] <= entry.stop:
            return "stop", 100 * (prices[row] - bought) / bought
    return "deadline" if at_deadline else "end", 100 * (prices[last] - bought) / bought


@given(rows=rows, data=st.data(), holding=st.integers(1, 12))
def test_every_trade_is_that_of_the_definition(rows, data, holding):
    steps, prices, symbols = zip(*rows, strict=True)
    times = [sum(steps[: row + 1]) for row in range(len(rows))]
    picks = data.draw(st.lists(st.tuples(st.integers(0, len(rows) - 1), levels), min_size=1, max_size=5))
    entries = [Entry(row, *level) for row, level in picks]
    cost = latency_cost(times, prices, entries, symbol=symbols, delays_ns=DELAYS, longest_holding_ns=holding)
    for one in cost.delays:
        expected = [trade(times, prices, symbols, entry, one.delay_ns, holding) for entry in entries]
        names = [name for name, _ in expected]
        assert one.outcomes == {name: names.count(name) for name in names}
        assert one.percent == pytest.approx(statistics.fmean(profit for _, profit in expected), abs=1e-9)
        assert one.beyond == names.count("beyond") / len(names)


@given(rows=rows, data=st.data())
def test_the_order_of_symbols_between_each_other_changes_nothing(rows, data):
    steps, prices, symbols = zip(*rows, strict=True)
    times = [sum(steps[: row + 1]) for row in range(len(rows))]
    row = data.draw(st.integers(0, len(rows) - 1))
    alone = [at for at in range(len(rows)) if symbols[at] == symbols[row]]
    entry = Entry(row, 103.0, 97.0)
    together = latency_cost(times, prices, [entry], symbol=symbols, delays_ns=DELAYS, longest_holding_ns=9)
    single = latency_cost(
        [times[at] for at in alone], [prices[at] for at in alone], [Entry(alone.index(row), 103.0, 97.0)],
        delays_ns=DELAYS, longest_holding_ns=9,
    )  # fmt: skip
    assert [(one.percent, one.outcomes) for one in together.delays] == [
        (one.percent, one.outcomes) for one in single.delays
    ]

"""What latency costs, as it is shown."""

import os
import re
from pathlib import Path

import pytest

from latencykit.analysis.entry_trades import Entry
from latencykit.analysis.latency_cost import DELAYS_NS, latency_cost
from latencykit.commands.output import show
from latencykit.reporters.console import render_latency_cost
from latencykit.reporters.latency_cost import cost_block

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
SECOND = 1_000_000_000


def recovery(spacing_ns, *, signals=4):
    """Return what latency costs where each signal is followed by a recovery of 2 % in half a minute."""
    rows = 90 * SECOND // spacing_ns
    times, prices, symbols, entries = [], [], [], []
    for symbol in range(signals):
        entries.append(Entry(len(times), 101.5 + symbol / 10, 98.0))
        for row in range(rows):
            times.append(row * spacing_ns)
            prices.append(100.0 + min(2.0, row * spacing_ns / (15 * SECOND)) + 0.01 * (row % (symbol + 2)))
            symbols.append(symbol)
    return latency_cost(times, prices, entries, symbol=symbols, delays_ns=DELAYS_NS, longest_holding_ns=80 * SECOND)


COSTS = {
    "ticks": lambda: recovery(50_000_000),
    "bars": lambda: recovery(30 * SECOND),
    "one": lambda: recovery(SECOND, signals=1),
}


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
def test_looks_as_it_should(width, name, colour):
    """Set LATENCYKIT_UPDATE_GOLDEN=1 to write what it looks like now; then read the difference."""
    text = render_latency_cost(COSTS[name](), width=width, colour=colour)
    path = GOLDEN / f"latency_cost_{name}_{width}.{'ansi' if colour else 'txt'}"
    if os.environ.get("LATENCYKIT_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("width", [80, 100, 140, 200])
def test_keeps_to_the_width_and_colours_change_no_word(name, width):
    plain = render_latency_cost(COSTS[name](), width=width, colour=False)
    assert max(map(len, plain.splitlines())) <= width
    assert not any(line != line.rstrip() for line in plain.splitlines())
    coloured = ANSI.sub("", render_latency_cost(COSTS[name](), width=width, colour=True))
    assert [line.rstrip() for line in coloured.splitlines()] == plain.splitlines()


@pytest.mark.parametrize(("name", "unresolved"), [("ticks", 1), ("bars", 4), ("one", 2)])
def test_delays_that_the_feed_does_not_resolve_are_marked(name, unresolved):
    block = cost_block(COSTS[name](), 140)
    assert sum(" *" in line for line in block.chart) == unresolved
    assert sum(" *" in line for line in block.tables[0]) == unresolved
    assert "not resolved by this feed" in block.legend[-1]


def test_feeds_that_resolve_every_delay_are_not_doubted():
    cost = latency_cost([0, 1, 2], [1.0, 1.0, 1.0], [Entry(0, 2.0, 0.5)], delays_ns=(0, 5), longest_holding_ns=9)
    block = cost_block(cost, 140)
    assert not any("*" in line for line in (*block.legend, *block.chart, *block.tables[0]))


def test_no_profit_at_all_is_a_chart_too():
    cost = latency_cost([0, 1, 2], [1.0, 1.0, 1.0], [Entry(0, 2.0, 0.5)] * 3, delays_ns=(0, 1), longest_holding_ns=9)
    assert cost_block(cost, 80).chart == ("none  ●", "1 ns  ●", "      0.000")


def test_every_character_has_its_place_in_ascii(tmp_path):
    path = tmp_path / "out"
    with path.open("w", encoding="ascii") as stream:
        show(render_latency_cost(COSTS["bars"](), width=80, colour=False), stream)
    assert "?" not in path.read_text()
    assert "o" in path.read_text()

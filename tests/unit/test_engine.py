import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine_feeds import SECOND_NS, SignalsAt, feed, journal_lines, of_kind

from latencykit.engine import (
    BUY,
    SELL,
    Engine,
    EngineConfig,
    SyntheticFeed,
    Ticks,
    read_ticks,
    synthetic_market,
)
from latencykit.errors import DataError, InvalidStateError, InvalidValueError

DATA = Path(__file__).parents[3] / "shared" / "data"
NAN = float("nan")


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "engine.journal"


def averages(values, period):
    alpha, results = 2 / (period + 1), [values[0]]
    for value in values[1:]:
        results.append((1 - alpha) * results[-1] + alpha * value)
    return results


def test_an_order_is_made_on_each_signal_and_on_nothing_else():
    ticks = feed(100)
    with Engine(EngineConfig(order_quantity=42), strategy=SignalsAt(0, 31, 99)) as engine:
        orders = [engine.on_tick(*row) for row in ticks.rows()]
        made = {index: order for index, order in enumerate(orders) if order is not None}
        assert list(made) == [0, 31, 99]
        for index, order in made.items():
            assert (order.symbol_id, order.side, order.quantity) == (0, BUY, 42)
            assert order.price == ticks.price[index]
        assert engine.position(0) == 3 * 42


def test_a_position_is_sold_at_its_take_profit_and_at_its_stop():
    prices = [100.0, 100.5, 101.0, 102.0, 100.0, 99.6, 99.4]
    with Engine(strategy=SignalsAt(0, 4, profit=0.01, stop=0.005)) as engine:
        orders = [engine.on_tick(index, price, 1.0) for index, price in enumerate(prices)]
        assert [None if order is None else (order.side, order.price) for order in orders] == [
            (BUY, 100.0), None, (SELL, 101.0), None, (BUY, 100.0), None, (SELL, 99.4),
        ]  # fmt: skip
        assert engine.position(0) == 0


def test_quotes_are_bought_at_the_ask_and_sold_at_the_bid():
    with Engine(strategy=SignalsAt(0, profit=0.01)) as engine:
        bought = engine.on_tick(0, 100.0, 0.0, 0, 99.0, 101.0)
        sold = engine.on_tick(1, 102.0, 0.0, 0, 101.5, 102.5)
        assert (bought.price, sold.price) == (101.0, 101.5)
        assert engine.quote() == (1, 102.0, 0.0, 101.5, 102.5)


def test_a_run_reports_what_became_of_the_feed():
    ticks = feed(100)
    with Engine(strategy=SignalsAt(3, 64, 100, 101)) as engine:
        report = engine.run(ticks)
        assert (report.ticks, report.updates, report.signals, report.orders) == (100, 100, 2, 2)
        assert report.signal_indices == (3, 64)
        assert report.signal_timestamps_ns == (3 * SECOND_NS, 64 * SECOND_NS)
        assert report.elapsed_ns > 0
        assert report.entries["price"].tolist() == [ticks.price[3], ticks.price[64]]
        later = Ticks(ticks.timestamp_ns + 100 * SECOND_NS, ticks.price, ticks.volume, "trades", "test")
        again = engine.run(later)
        assert (again.ticks, again.updates, again.signals, again.orders) == (100, 100, 2, 2)
        assert again.signal_indices == (100, 101)


def test_each_update_has_a_line_with_its_indicators(journal):
    ticks = feed(200)
    config = EngineConfig(journal_path=journal, fast_period=5, slow_period=9)
    with Engine(config, strategy=SignalsAt(50)) as engine:
        engine.run(ticks)
    columns = list(zip(*of_kind(journal, "T"), strict=True))
    assert [int(row) for row in columns[0]] == list(range(200))
    assert [int(time) for time in columns[1]] == ticks.timestamp_ns.tolist()
    assert [float(price) for price in columns[3]] == ticks.price.tolist()
    assert [float(volume) for volume in columns[4]] == ticks.volume.tolist()
    assert set(columns[5]) == set(columns[6]) == {""}
    assert list(columns[7]) == [f"{value:.6f}" for value in averages(ticks.price.tolist(), 5)]
    assert list(columns[8]) == [f"{value:.6f}" for value in averages(ticks.price.tolist(), 9)]
    price = float(ticks.price[50])
    assert of_kind(journal, "O") == [
        ["50", "1", "buy", "100", f"{price!r}", "0.900000", f"{price * 1.5!r}", f"{price * 0.5!r}"]
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"simd": False}, {"lockfree": False}, {"preallocated_memory": 0}, {"sample_every": 1},
        {"sample_every": 0}, {"journal_capacity": 1}, {"journal_flush_interval": 0.1},
        {"lockfree": False, "preallocated_memory": 0, "simd": False},
    ],
)  # fmt: skip
def test_no_switch_changes_the_journal(tmp_path, changes):
    ticks = synthetic_market(5_000)
    texts = []
    for name, some in (("plain", {}), ("switched", changes)):
        path = tmp_path / name
        with Engine(EngineConfig(journal_path=path, **some)) as engine:
            engine.run(ticks)
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]


def test_one_by_one_gives_the_journal_of_a_run(tmp_path):
    rows = next(SyntheticFeed(20_000, symbols=3).chunks())
    paths = [tmp_path / "run", tmp_path / "one"]
    for path in paths:
        with Engine(EngineConfig(journal_path=path, symbols=3)) as engine:
            if path == paths[0]:
                engine.run(rows)
            else:
                for row in rows.tolist():
                    engine.on_tick(row[0], row[1], row[2], row[5], row[3], row[4])
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert len(of_kind(paths[0], "O")) > 0


def test_two_processes_give_one_journal(tmp_path):
    program = (
        "import sys\nfrom latencykit.engine import Engine, EngineConfig, SyntheticFeed\n"
        "with Engine(EngineConfig(journal_path=sys.argv[1], symbols=4)) as engine:\n"
        "    engine.run(SyntheticFeed(30_000, seed=9, symbols=4))\n"
    )
    hashes = set()
    for number, seed in enumerate(("0", "12345")):
        path = tmp_path / str(number)
        subprocess.run([sys.executable, "-c", program, path], check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        hashes.add(hashlib.sha256(path.read_bytes()).hexdigest())
        assert len(of_kind(path, "O")) > 0
    assert len(hashes) == 1


def test_drain_and_flush_return_when_the_lines_are_in_the_file(journal):
    with Engine(EngineConfig(journal_path=journal, journal_flush_interval=60)) as engine:
        for count, row in enumerate(feed(4).rows(), 1):
            engine.on_tick(*row)
            (engine.drain if count % 2 else engine.flush)()
            assert len(journal_lines(journal)) == count


def test_without_a_journal_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Engine() as engine:
        engine.run(feed(10))
        engine.drain()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_is_there_is_not_lost(journal):
    journal.write_text("precious")
    with pytest.raises(DataError, match="is there already"):
        Engine(EngineConfig(journal_path=journal))
    assert journal.read_text() == "precious"
    with Engine(EngineConfig(journal_path=journal, journal_replace=True)) as engine:
        engine.run(feed(3))
    assert len(of_kind(journal, "T")) == 3


def test_a_journal_that_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError):
        Engine(EngineConfig(journal_path=tmp_path / "none" / "engine.journal"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_ends_orders_and_is_raised():
    engine = Engine(EngineConfig(journal_path="/dev/full", journal_replace=True), strategy=SignalsAt(5))
    engine.on_tick(0, 10.0, 1.0)
    with pytest.raises(OSError, match="No space left"):
        engine.drain()
    orders = [engine.on_tick(row, 10.0, 1.0) for row in range(1, 9)]
    assert orders == [None] * 8
    assert engine.stopped == (5, "journal failed")
    with pytest.raises(OSError, match="No space left"):
        engine.close()


def test_the_update_interval_holds_ticks_and_adds_up_their_volume(journal):
    strategy = SignalsAt(1)
    with Engine(EngineConfig(update_interval=1, journal_path=journal), strategy=strategy) as engine:
        times = [0.0, 0.4, 0.999999999, 1.0, 1.5, 2.5]
        orders = [
            engine.on_tick(round(time * SECOND_NS), 10 + index / 8, 2.0**index) for index, time in enumerate(times)
        ]
    assert [index for index, order in enumerate(orders) if order is not None] == [3]
    assert [asked[2:] for asked in strategy.asked] == [(10.0, 1.0), (10.375, 2.0 + 4.0 + 8.0), (10.625, 16.0 + 32.0)]
    assert [fields[0] for fields in journal_lines(journal)] == ["T", "H", "H", "T", "O", "H", "T"]


def test_the_preallocated_memory_bounds_the_orders():
    with Engine(EngineConfig(preallocated_memory=2 * 112), strategy=SignalsAt(0, 1, 2)) as engine:
        first, second, third = (engine.on_tick(*row) for row in feed(3).rows())
        assert [order.alive for order in (first, second, third)] == [False, True, True]
        with pytest.raises(InvalidStateError):
            _ = first.price


def test_only_the_newest_decisions_are_kept():
    with Engine(EngineConfig(kept_decisions=3), strategy=SignalsAt(*range(10))) as engine:
        report = engine.run(feed(10))
        assert report.signals == 10
        assert engine.decisions()["row"].tolist() == [7, 8, 9] == list(report.signal_indices)


def test_each_symbol_has_its_own_state():
    with Engine(EngineConfig(symbols=2, fast_period=1, slow_period=2)) as engine:
        engine.on_tick(0, 10.0, 1.0, 0)
        engine.on_tick(0, 90.0, 1.0, 1)
        assert engine.indicators(0) == (10.0, 10.0, 10.0, 50.0)
        assert engine.indicators(1) == (90.0, 90.0, 90.0, 50.0)
        for bad in (2, -1, 2**40):
            with pytest.raises(InvalidValueError, match="is none of this engine's 2"):
                engine.quote(bad)


# Whole feeds


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*.csv")) or ["none"])
def test_real_files_go_through(journal, name):
    if not (DATA / name).exists():
        pytest.skip(f"the market data {DATA} is not here")
    ticks = read_ticks(DATA / name)
    with Engine(EngineConfig(journal_path=journal)) as engine:
        report = engine.run(DATA / name)
    assert report.ticks == len(ticks) == report.updates + report.skipped
    lines = journal_lines(journal)
    told = [fields for fields in lines if fields[0] in "TS"]
    assert [int(fields[2]) for fields in told] == ticks.timestamp_ns.tolist()
    assert [float(fields[4]) for fields in told] == ticks.price.tolist()

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from engine_feeds import SECOND_NS, SignalsAt, feed, journal_lines, of_kind

from latencykit.engine import (
    BUY,
    SELL,
    TICK_DTYPE,
    Engine,
    EngineConfig,
    FeedRules,
    RiskLimits,
    SyntheticFeed,
    Ticks,
    read_ticks,
    synthetic_market,
)
from latencykit.errors import DataError, InvalidStateError, InvalidTypeError, InvalidValueError

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


# What a feed may be like


BAD = {
    "unknown_symbol": (10, 1.0, 1.0, 1), "bad_price": (10, NAN, 1.0), "bad_volume": (10, 1.0, -1.0),
    "bad_quote": (10, 1.0, 1.0, 0, 1.0, NAN), "crossed_quote": (10, 1.0, 1.0, 0, 2.0, 1.0),
    "backwards": (8, 1.0, 1.0), "repeated_quote": (9, 10.0, 1.0, 0, 9.0, 11.0),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_tick_is_counted_and_changes_nothing(journal, kind):
    last = (9, 10.0, 1.0, 0, 9.0, 11.0)
    strategy = SignalsAt(*range(10))
    with Engine(EngineConfig(journal_path=journal), strategy=strategy) as engine:
        engine.on_tick(*last)
        before = engine.quote(), engine.indicators(), engine.position(0)
        assert engine.on_tick(*BAD[kind]) is None
        assert (engine.quote(), engine.indicators(), engine.position(0)) == before
        (fault,) = engine.faults()
        assert (fault.kind, fault.count, fault.first_row, fault.last_row) == (kind, 1, 1, 1)
        assert len(strategy.asked) == 1
    (line,) = of_kind(journal, "S")
    assert (line[0], line[-1]) == ("1", kind)


@pytest.mark.parametrize("kind", [*BAD, "repeated_trade", "gap"])
def test_a_rule_may_halt(journal, kind):
    ticks = {**BAD, "repeated_trade": (9, 10.0, 1.0), "gap": (10 * SECOND_NS, 1.0, 1.0)}
    quote = () if kind == "repeated_trade" else (0, 9.0, 11.0)
    rules = FeedRules(longest_gap="1s", **{kind: "halt"})
    engine = Engine(EngineConfig(feed_rules=rules, journal_path=journal))
    engine.on_tick(9, 10.0, 1.0, *quote)
    with pytest.raises(InvalidStateError, match=f"halted at row 1 .{kind}"):
        engine.on_tick(*ticks[kind])
    with pytest.raises(InvalidStateError, match="rearm"):
        engine.on_tick(20 * SECOND_NS, 10.0, 1.0)
    assert engine.stopped == (1, "bad tick")
    engine.rearm()
    engine.on_tick(10, 10.0, 2.0)
    engine.close()
    assert [fields[0] for fields in journal_lines(journal)] == ["T", "S", "X", "T"]


def test_a_run_ends_where_a_rule_halts_it():
    rows = feed(100).records()
    rows["price"][40] = NAN
    with Engine(EngineConfig(feed_rules=FeedRules(bad_price="halt"))) as engine:
        report = engine.run(rows)
        assert (report.ticks, report.updates, report.stopped) == (41, 40, (40, "bad tick"))
        with pytest.raises(InvalidStateError, match="halted"):
            engine.run(rows)


@pytest.mark.parametrize("bad", ["AAPL", None, [1]])
def test_what_is_no_number_is_refused(bad):
    with Engine() as engine:
        for arguments in ((bad, 1.0, 1.0), (0, bad, 1.0), (0, 1.0, bad), (0, 1.0, 1.0, bad)):
            with pytest.raises(InvalidTypeError):
                engine.on_tick(*arguments)
        for count in (0, 2, 7):
            with pytest.raises(InvalidTypeError, match=rf"\({count} arguments were given\)"):
                engine.on_tick(*[1] * count)
        assert engine.run(feed(1)).ticks == 1


@pytest.mark.parametrize("chunk", [np.zeros(3), [1, 2], np.zeros(3, dtype=[("price", float)])])
def test_a_chunk_that_is_not_of_ticks(chunk):
    with Engine() as engine, pytest.raises((InvalidTypeError, InvalidValueError)):
        engine.run(iter([chunk]))


def test_a_strided_chunk_is_taken_in():
    rows = feed(20).records()[::2]
    assert not rows.flags.c_contiguous
    with Engine() as engine:
        assert engine.run(rows).ticks == 10
    assert rows.dtype == TICK_DTYPE


# What stops orders


def test_a_kill_ends_orders_but_not_ticks(journal):
    with Engine(EngineConfig(journal_path=journal), strategy=SignalsAt(*range(10))) as engine:
        assert engine.on_tick(0, 10.0, 1.0) is not None
        threading.Thread(target=engine.kill).start()
        while not engine.killed:
            pass
        assert engine.on_tick(1, 10.0, 2.0) is None
        assert engine.stopped == (1, "killed")
        engine.rearm()
        assert engine.on_tick(2, 10.0, 3.0) is not None
        assert engine.stopped is None
    assert of_kind(journal, "X") == [["1", "killed"]]
    assert of_kind(journal, "R") == [["1", "killed", "buy", "100", "10.0"]]


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [
        (RiskLimits(max_order_quantity=99), "size"), (RiskLimits(max_position=99), "position"),
        (RiskLimits(max_orders_per_second=0, price_collar=1e-9), None), (RiskLimits(), None),
    ],
)  # fmt: skip
def test_the_risk_gate(journal, limits, verdict):
    with Engine(EngineConfig(risk=limits, journal_path=journal), strategy=SignalsAt(0)) as engine:
        order = engine.on_tick(0, 10.0, 1.0)
        assert (order is None) == (verdict is not None)
    assert [line[1] for line in of_kind(journal, "R")] == ([] if verdict is None else [verdict])


def test_a_price_out_of_line_and_too_many_orders_are_refused(journal):
    limits = RiskLimits(max_orders_per_second=1)  # the third tick is beyond the take-profit, and has a signal too
    with Engine(EngineConfig(risk=limits, journal_path=journal), strategy=SignalsAt(0, 1, 2, 3)) as engine:
        ticks = [(0, 10.0), (5, 10.0), (SECOND_NS, 20.0), (2 * SECOND_NS, 11.0)]
        orders = [engine.on_tick(time, price, 1.0) for time, price in ticks]
    assert [order is not None for order in orders] == [True, False, False, True]
    assert [line[1] for line in of_kind(journal, "R")] == ["rate", "collar", "exit"]


class Failing(SignalsAt):
    def __call__(self, symbol, timestamp_ns, price, volume):
        signal = super().__call__(symbol, timestamp_ns, price, volume)
        if len(self.asked) % 10 == 0:
            raise KeyError(price)
        return signal


def test_a_strategy_that_fails_halts_the_engine(journal):
    engine = Engine(EngineConfig(journal_path=journal), strategy=Failing(3, 9))
    with pytest.raises(KeyError):
        engine.run(feed(20))
    assert engine.stopped == (9, "strategy failed")
    assert "failed 1 times, first at row 9: KeyError" in engine.report()
    engine.close()
    assert len(of_kind(journal, "T")) == 10
    assert [line[0] for line in of_kind(journal, "O")] == ["3"]
    assert [line[:2] for line in of_kind(journal, "R")] == [["9", "strategy"]]


def test_a_strategy_that_fails_may_be_passed_over():
    with Engine(EngineConfig(on_strategy_error="skip"), strategy=Failing(9, 12)) as engine:
        report = engine.run(feed(25))
        assert (report.ticks, report.orders, report.refused, report.strategy_errors) == (25, 1, 2, 2)
        assert report.stopped is None


def test_a_strategy_that_returns_something_else(journal):
    with Engine(EngineConfig(journal_path=journal), strategy=lambda *_: "buy") as engine:
        with pytest.raises(InvalidTypeError, match="the strategy returned 'buy'"):
            engine.on_tick(0, 10.0, 1.0)
        assert engine.stopped == (0, "strategy failed")


def test_an_interrupt_is_never_passed_over():
    def interrupted(*_):
        raise KeyboardInterrupt

    with (
        Engine(EngineConfig(on_strategy_error="skip"), strategy=interrupted) as engine,
        pytest.raises(KeyboardInterrupt),
    ):
        engine.run(feed(3))


def test_a_strategy_may_not_call_its_engine():
    engine = None

    def recursive(*_):
        engine.on_tick(1, 1.0, 1.0)

    engine = Engine(strategy=recursive)
    with pytest.raises(InvalidStateError, match="the engine is taken"):
        engine.on_tick(0, 10.0, 1.0)
    engine.close()


def test_a_strategy_that_cannot_be_called():
    with pytest.raises(InvalidTypeError, match="cannot be called"):
        Engine(strategy=3)


def test_a_running_engine_is_taken_but_may_be_watched_and_killed():
    rows = next(SyntheticFeed(60_000, chunk_rows=60_000).chunks())
    seen = []
    with Engine() as engine:

        def watch():
            while engine.quote() is None:
                pass
            seen.append(engine.report())
            engine.kill()

        thread = threading.Thread(target=watch)
        thread.start()
        report = engine.run(iter([rows] * 3))
        thread.join()
    assert report.ticks == 180_000
    assert "stage" in seen[0]


def test_a_closed_engine_refuses_ticks_and_closes_again_without_complaint(journal):
    engine = Engine(EngineConfig(journal_path=journal, update_interval=1))
    engine.on_tick(0, 10.0, 1.0)
    engine.close()
    engine.close()
    assert engine.closed
    for call in (lambda: engine.on_tick(1, 10.0, 1.0), lambda: engine.run(feed(1)), engine.decisions, engine.flush):
        with pytest.raises(InvalidStateError, match="the engine is closed"):
            call()
    assert len(journal_lines(journal)) == 1


def test_an_engine_that_is_dropped_completes_its_journal(journal):
    Engine(EngineConfig(journal_path=journal, journal_flush_interval=60)).run(feed(500))
    assert len(of_kind(journal, "T")) == 500


def test_an_engine_left_open_at_exit_completes_its_journal(journal):
    program = (
        "import sys\nfrom latencykit.engine import Engine, EngineConfig, synthetic_market\n"
        "engine = Engine(EngineConfig(journal_path=sys.argv[1], journal_flush_interval=60))\n"
        "engine.run(synthetic_market(1_000))\n"
    )
    subprocess.run([sys.executable, "-c", program, journal], check=True)
    assert len(of_kind(journal, "T")) == 1_000


def test_a_forked_child_leaves_the_engine_to_its_parent(journal):
    with Engine(EngineConfig(journal_path=journal)) as engine:
        engine.on_tick(0, 10.0, 1.0)
        child = os.fork()
        if child == 0:
            try:
                engine.on_tick(1, 10.0, 1.0)
            except InvalidStateError:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        engine.on_tick(2, 10.0, 1.0)
    assert len(of_kind(journal, "T")) == 2


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

import os
import subprocess
import sys
import threading

import pytest
from engine_feeds import SECOND_NS, SignalsAt, feed, journal_lines, of_kind

from latencykit.engine import (
    Engine,
    EngineConfig,
    RiskLimits,
    SyntheticFeed,
)
from latencykit.errors import InvalidStateError, InvalidTypeError


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "engine.journal"


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

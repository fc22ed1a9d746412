import os
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from latencykit.engine import BUY, Engine, EngineConfig, Ticks, read_ticks, synthetic_market
from latencykit.errors import InvalidStateError, InvalidValueError, LatencykitError

BITCOIN = Path(__file__).parents[3] / "shared" / "data" / "btc_perp_1m_2022-01.csv"
ALLOWED = sorted(os.sched_getaffinity(0))
SECOND_NS = 10**9
two_cpus = pytest.mark.skipif(len(ALLOWED) < 2, reason="this machine lends us one CPU only")


class SignalsAt:
    """A detector that signals on the updates it was told to, and remembers what it was asked."""

    def __init__(self, *updates):
        self.updates = updates
        self.asked = []

    def update(self, price, volume):
        self.asked.append((price, volume))
        if len(self.asked) - 1 not in self.updates:
            return None
        return SimpleNamespace(price=price, confidence=0.9, take_profit=price * 1.01, index=len(self.asked) - 1)


def feed(count, seed=5):
    rng = np.random.default_rng(seed)
    price = np.round(100 * np.exp(np.cumsum(rng.normal(0, 1e-3, count))), 2)
    return Ticks(np.arange(count) * SECOND_NS, price, rng.integers(0, 50, count), "trades", "test")


def lines_of(path):
    """Return the fields of each line's message, behind the logger's own prefix: time, then name=value."""
    lines = []
    for line in path.read_text().splitlines():
        message = line.split(" ")[-6:]
        lines.append((int(message[0]), {k: float(v) for k, v in (field.split("=") for field in message[1:])}))
    return lines


def ema(values, period):
    alpha, results = 2 / (period + 1), [values[0]]
    for value in values[1:]:
        results.append(alpha * value + (1 - alpha) * results[-1])
    return results


@pytest.fixture
def log(tmp_path):
    return tmp_path / "engine.log"


def test_an_order_is_made_on_each_signal_and_on_nothing_else():
    ticks = feed(100)
    config = EngineConfig(symbol_id=7, order_quantity=42)
    with Engine(config, detector=SignalsAt(0, 31, 99)) as engine:
        orders = [engine.on_tick(*row) for row in ticks.rows()]
        made = {index: order for index, order in enumerate(orders) if order is not None}
        assert list(made) == [0, 31, 99]
        for index, order in made.items():
            assert (order.symbol_id, order.side, order.quantity) == (7, BUY, 42)
            assert order.price == ticks.price[index]


def test_a_run_reports_what_became_of_the_feed():
    ticks = feed(100)
    with Engine(detector=SignalsAt(3, 64, 100, 101)) as engine:
        report = engine.run(ticks)
        assert (report.ticks, report.updates, report.signals, report.orders) == (100, 100, 2, 2)
        assert report.signal_indices == (3, 64)
        assert report.signal_timestamps_ns == (3 * SECOND_NS, 64 * SECOND_NS)
        assert report.elapsed_ns > 0
        again = engine.run(ticks)
        assert (again.ticks, again.updates, again.signals, again.orders) == (100, 100, 2, 2)
        assert again.signal_indices == (0, 1)


def test_every_update_logs_one_line_with_its_indicators_and_order(log):
    ticks = feed(200)
    with Engine(EngineConfig(log_path=log, fast_period=5, slow_period=9), detector=SignalsAt(50)) as engine:
        orders = [engine.on_tick(*row) for row in ticks.rows()]
    lines = lines_of(log)
    assert [time for time, _ in lines] == ticks.timestamp_ns.tolist()
    columns = {name: [fields[name] for _, fields in lines] for name in lines[0][1]}
    assert columns["price"] == ticks.price.tolist()
    assert columns["volume"] == ticks.volume.tolist()
    assert columns["fast"] == pytest.approx(ema(ticks.price.tolist(), 5), rel=1e-12)
    assert columns["slow"] == pytest.approx(ema(ticks.price.tolist(), 9), rel=1e-12)
    assert columns["order"] == [0] * 50 + [orders[50].handle] + [0] * 149


def test_drain_returns_when_the_lines_are_in_the_file(log):
    with Engine(EngineConfig(log_path=log, log_flush_interval=60)) as engine:
        for count, row in enumerate(feed(3).rows(), 1):
            engine.on_tick(*row)
            engine.drain()
            assert len(log.read_text().splitlines()) == count


def test_without_a_log_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Engine() as engine:
        engine.run(feed(10))
        engine.drain()
    assert list(tmp_path.iterdir()) == []


def test_more_lines_than_the_ring_holds(log):
    with Engine(EngineConfig(log_path=log, log_capacity=16)) as engine:
        engine.run(feed(2_000))
    assert [time // SECOND_NS for time, _ in lines_of(log)] == list(range(2_000))


def test_the_update_interval_holds_ticks_and_adds_up_their_volume(log):
    detector = SignalsAt(1)
    config = EngineConfig(update_interval=1, log_path=log)
    with Engine(config, detector=detector) as engine:
        times = [0.0, 0.4, 0.999999999, 1.0, 1.5, 2.5]
        orders = [engine.on_tick(round(time * SECOND_NS), 10.0 + index, 2.0**index) for index, time in enumerate(times)]
    assert [index for index, order in enumerate(orders) if order is not None] == [3]
    assert detector.asked == [(10.0, 1.0), (13.0, 2.0 + 4.0 + 8.0), (15.0, 16.0 + 32.0)]
    assert len(lines_of(log)) == 3


def test_a_run_counts_held_ticks_apart():
    with Engine(EngineConfig(update_interval=10), detector=SignalsAt(2)) as engine:
        report = engine.run(feed(100))
    assert (report.ticks, report.updates) == (100, 10)
    assert report.signal_indices == (20,)


@pytest.mark.parametrize("interval", [0, 1])
def test_time_may_start_anywhere_and_start_over(interval):
    detector = SignalsAt()
    with Engine(EngineConfig(update_interval=interval), detector=detector) as engine:
        for second in (-3_000_000_000, -5, 0, 7_000_000_000, 0, 1):
            engine.on_tick(second * SECOND_NS, 10.0, 1.0)
    assert len(detector.asked) == 6


@pytest.mark.parametrize(
    ("price", "volume"),
    [(np.nan, 1.0), (-1.0, 1.0), (0.0, 1.0), (np.inf, 1.0), (10.0, -1.0), (10.0, np.nan), (10.0, np.inf)],
)
@pytest.mark.parametrize("held", [False, True])
def test_a_tick_out_of_range_is_refused_and_changes_nothing(tmp_path, held, price, volume):
    logs = []
    for bad in (False, True):
        log = tmp_path / f"{bad}.log"
        logs.append(log)
        with Engine(EngineConfig(log_path=log, update_interval=2)) as engine:
            for index, (time, p, v) in enumerate(feed(50).rows()):
                if bad and index % 2 == held:
                    with pytest.raises(InvalidValueError):
                        engine.on_tick(time, price, volume)
                engine.on_tick(time, p, v)
    assert lines_of(logs[0]) == lines_of(logs[1])
    assert len(lines_of(logs[0])) == 25


def test_the_preallocated_memory_bounds_the_orders():
    two = 2 * 112
    with Engine(EngineConfig(preallocated_memory=two), detector=SignalsAt(0, 1, 2)) as engine:
        first, second, third = (engine.on_tick(*row) for row in feed(3).rows())
        assert [order.alive for order in (first, second, third)] == [False, True, True]
        with pytest.raises(InvalidStateError):
            _ = first.price


def test_a_closed_engine_refuses_ticks_and_closes_again_without_complaint(log):
    engine = Engine(EngineConfig(log_path=log, update_interval=1))
    engine.on_tick(0, 10.0, 1.0)
    engine.close()
    engine.close()
    for time in (1, 2 * SECOND_NS):
        with pytest.raises(InvalidStateError, match="the engine is closed"):
            engine.on_tick(time, 10.0, 1.0)
    assert len(lines_of(log)) == 1


def test_an_error_in_the_detector_reaches_the_caller_and_the_log_is_complete(log):
    class FailsOnTheEleventh(SignalsAt):
        def update(self, price, volume):
            super().update(price, volume)
            if len(self.asked) == 11:
                raise KeyError(price)

    engine = Engine(EngineConfig(log_path=log), detector=FailsOnTheEleventh())
    with pytest.raises(KeyError), engine:
        engine.run(feed(20))
    assert len(lines_of(log)) == 10


def test_a_log_that_cannot_be_written(tmp_path):
    with pytest.raises((OSError, LatencykitError)):
        Engine(EngineConfig(log_path=tmp_path / "none" / "engine.log"))


# Pinning


def affinity_of_threads():
    """Return the CPUs of each thread of this process."""
    return {int(t.name): os.sched_getaffinity(int(t.name)) for t in Path("/proc/self/task").iterdir()}


@two_cpus
def test_pinning_puts_the_engine_on_one_cpu_and_its_logger_on_the_other(log):
    before = affinity_of_threads()
    with Engine(EngineConfig(cpu_pinning=True, cpu_cores=(ALLOWED[1], ALLOWED[0]), log_path=log)) as engine:
        engine.on_tick(0, 10.0, 1.0)
        during = affinity_of_threads()
        assert during[threading.get_native_id()] == {ALLOWED[1]}
        assert [cores for task, cores in during.items() if task not in before] == [{ALLOWED[0]}]
    assert os.sched_getaffinity(0) == before[threading.get_native_id()]


@two_cpus
def test_no_pinning_leaves_all_threads_where_they_were(log):
    before = os.sched_getaffinity(0)
    with Engine(EngineConfig(cpu_cores=(ALLOWED[1], ALLOWED[0]), log_path=log)):
        assert set(map(frozenset, affinity_of_threads().values())) == {frozenset(before)}


@two_cpus
def test_the_cpus_are_given_back_when_the_engine_cannot_start(tmp_path):
    before = os.sched_getaffinity(0)
    config = EngineConfig(cpu_pinning=True, cpu_cores=tuple(ALLOWED[:2]), log_path=tmp_path / "none" / "engine.log")
    with pytest.raises((OSError, LatencykitError)):
        Engine(config)
    assert os.sched_getaffinity(0) == before


def test_a_cpu_that_is_not_ours():
    with pytest.raises(InvalidValueError, match="CPU 100000 does not exist"):
        Engine(EngineConfig(cpu_pinning=True, cpu_cores=(ALLOWED[0], 100_000)))


# Whole feeds


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_planted_panic_of_the_synthetic_market_leads_to_an_order(seed):
    ticks = synthetic_market(seed=seed)
    with Engine() as engine:
        report = engine.run(ticks)
    assert report.orders == report.signals == len(report.signal_indices)
    for panic in ticks.panics:
        assert any(panic <= index < panic + 60 for index in report.signal_indices)


def test_a_month_of_real_bars_goes_through(log):
    if not BITCOIN.exists():
        pytest.skip(f"the market data {BITCOIN} is not here")
    ticks = read_ticks(BITCOIN)
    with Engine(EngineConfig(log_path=log)) as engine:
        report = engine.run(ticks)
    lines = lines_of(log)
    assert report.ticks == report.updates == len(lines) == 45_031
    ordered = [index for index, (_, fields) in enumerate(lines) if fields["order"]]
    assert tuple(ordered) == report.signal_indices
    assert report.orders == len(ordered) > 0
    assert [time for time, _ in lines] == ticks.timestamp_ns.tolist()
    assert [fields["price"] for _, fields in lines] == ticks.price.tolist()


def test_the_same_feed_leads_to_the_same_lines(tmp_path):
    logs = [tmp_path / "a.log", tmp_path / "b.log"]
    reports = []
    for path in logs:
        with Engine(EngineConfig(log_path=path)) as engine:
            reports.append(engine.run(synthetic_market(5_000)))
    assert lines_of(logs[0]) == lines_of(logs[1])
    assert reports[0].signal_indices == reports[1].signal_indices

import gc
import weakref

import pytest
from engine_feeds import SignalsAt, feed
from leaks import leaked_bytes

from latencykit._core import AllocationCounter
from latencykit.engine import Engine, EngineConfig, PerformanceStats, SyntheticFeed
from latencykit.errors import LatencykitError

ROWS = feed(300).records()


def failing(engine: Engine) -> None:
    for arguments in ((), ("x", 1.0, 1.0), (0, "x", 1.0), (0, 1.0, 1.0, None)):
        with pytest.raises(LatencykitError):
            engine.on_tick(*arguments)  # type: ignore[arg-type]
    for call in (lambda: engine.quote(7), lambda: engine.run(ROWS["price"]), lambda: engine._run([1])):  # type: ignore[arg-type]
        with pytest.raises(LatencykitError):
            call()


def test_nothing_leaks(tmp_path):
    def whole_life():
        config = EngineConfig(journal_path=tmp_path / "journal", journal_replace=True, preallocated_memory=1120)
        with Engine(config, strategy=SignalsAt(3)) as engine:
            engine.run(ROWS)
            engine.report()

    assert leaked_bytes(whole_life, calls=20) < 20_000
    with Engine() as engine:
        for operation in (
            lambda: engine.on_tick(0, 10.0, 1.0),
            lambda: engine._run(ROWS),
            lambda: (engine.quote(), engine.indicators(), engine.position(0), engine.faults(), engine.decisions()),
            lambda: (engine.report(), engine.prometheus()),
            lambda: failing(engine),
        ):
            assert leaked_bytes(operation, calls=2_000) < 30_000


def test_a_tick_asks_for_no_memory(tmp_path):
    (rows,) = SyntheticFeed(3_000, chunk_rows=3_000).chunks()
    ticks = [
        (int(t), float(p), float(v))
        for t, p, v in zip(rows["timestamp_ns"], rows["price"], rows["volume"], strict=True)
    ]
    with Engine(EngineConfig(journal_path=tmp_path / "journal", sample_every=0)) as engine:
        on_tick, counter, counts = engine.on_tick, AllocationCounter(), []
        for begin in range(0, 3_000, 1_000):
            some = iter(ticks[begin : begin + 1_000])
            counter.start()
            for timestamp_ns, price, volume in some:
                on_tick(timestamp_ns, price, volume)
            counts.append(counter.stop())
    assert {"raw": 0, "mem": 0, "object": 0, "malloc": 0} in counts[1:]  # other threads may ask for some


def test_an_engine_in_a_cycle_with_its_strategy_is_collected():
    class Strategy(SignalsAt):
        engine: Engine

    strategy = Strategy()
    strategy.engine = Engine(strategy=strategy)
    strategy.engine.on_tick(0, 1.0, 1.0)
    reference = weakref.ref(strategy)
    del strategy
    gc.collect()
    assert reference() is None


def test_the_histograms_outlive_their_engine():
    engine = Engine(EngineConfig(sample_every=1))
    engine.run(ROWS)
    stats = engine.performance_stats()
    engine.close()
    del engine
    gc.collect()
    assert isinstance(stats["tick"], PerformanceStats)
    assert stats["tick"].count == stats["log"].count == 300

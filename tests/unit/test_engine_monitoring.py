"""What an engine says of itself: Prometheus's text, the report, what it does when degraded, the presets."""

import json
import os
from pathlib import Path

import pytest

from latencykit.engine import Engine, EngineConfig, FeedRules, PerformanceConfig, RiskLimits, Signal
from latencykit.errors import InvalidTypeError
from tests.support.engine_feeds import SignalsAt, feed


def always(symbol, timestamp_ns, price, volume):
    return Signal(price, 0.9, price * 2, price / 2, 0)


def degraded(policy, **changes):
    config = EngineConfig(when_degraded=policy, latency_limit=1, sample_every=1, exits=False, **changes)
    engine = Engine(config, strategy=always)
    engine.run(feed(100))
    return engine


def metrics(engine):
    lines = [line for line in engine.prometheus().splitlines() if not line.startswith("#")]
    return dict(line.rsplit(" ", 1) for line in lines)


def test_prometheus_has_the_counts_under_their_names(tmp_path):
    with Engine(EngineConfig(journal_path=tmp_path / "j", sample_every=1)) as engine:
        engine.run(feed(2_000))
        found = metrics(engine)
    assert found["latencykit_ticks_total"] == found["latencykit_journal_lines_total"] == "2000"
    assert found["latencykit_journal_lost_lines_total"] == "0"
    assert found['latencykit_stage_seconds_count{stage="tick"}'] == "2000"
    median = float(found['latencykit_stage_seconds{stage="tick",quantile="0.5"}'])
    assert median == engine.performance_stats()["tick"].percentile(50) / 1e9


def test_prometheus_counts_a_full_queue_as_stalls(tmp_path):
    with Engine(EngineConfig(journal_path=tmp_path / "j", journal_capacity=4)) as engine:
        engine.run(feed(20_000))
        found = metrics(engine)
        assert int(found["latencykit_journal_stalls_total"]) == engine._journal_state()[2] > 0
        assert found["latencykit_journal_lost_lines_total"] == "0"


def test_a_degraded_engine_halves_its_entries():
    quantities = set(degraded("reduce").decisions()["quantity"].tolist())
    assert quantities == {50, 100}


def test_a_degraded_engine_pauses():
    engine = degraded("pause")
    assert engine._counts()[5] < 10
    assert engine.decisions()["verdict"][-1] == 6
    assert "it is degraded, 1 times above a mean of 1.00 ns" in engine.report()


def test_a_degraded_engine_still_sells():
    config = EngineConfig(when_degraded="pause", latency_limit=1, sample_every=1)
    engine = Engine(config, strategy=SignalsAt(0, profit=1e-9, stop=1e-9))
    engine.run(feed(100))
    assert engine._counts()[5:7] == (1, 1)


def test_a_position_larger_than_an_order_is_left_in_parts():
    config = EngineConfig(risk=RiskLimits(max_order_quantity=100, max_position=250, price_collar=0))
    engine = Engine(config, strategy=SignalsAt(0, 1, profit=0.5, stop=0.5))
    for timestamp, price in enumerate((100.0, 100.0, 151.0, 151.0, 151.0)):
        engine.on_tick(timestamp, price, 1.0)
    decisions = engine.decisions()
    assert decisions["quantity"].tolist() == [100] * 4
    assert decisions["side"].tolist() == [0, 0, 1, 1]
    assert engine.position(0) == 0


def test_an_engine_that_keeps_up_is_not_degraded():
    engine = Engine(EngineConfig(when_degraded="pause", latency_limit="100s", sample_every=1), strategy=SignalsAt(50))
    assert engine.run(feed(100)).orders == 1


def test_the_second_report_has_the_second_runs_profit():
    engine = Engine(strategy=SignalsAt(0, profit=1e-9, stop=1e-9))
    first = engine.run(feed(100))
    assert first.profit != 0
    assert engine.run(feed(100)).profit == 0


def test_the_head_of_a_journal_has_the_rules(tmp_path):
    with Engine(EngineConfig(journal_path=tmp_path / "j", feed_rules=FeedRules(gap="halt", longest_gap="9s"))):
        pass
    head = json.loads((tmp_path / "j").read_text().split(" ", 2)[2])
    assert (head["gap"], head["bad_price"], head["longest_gap_ns"]) == ("halt", "skip", 9 * 10**9)


def test_the_presets():
    production, naive = PerformanceConfig.production(), PerformanceConfig.naive(symbols=3)
    assert (production.update_interval, production.cpu_pinning, production.lockfree, production.simd) == (1, 1, 1, 1)
    assert (naive.update_interval, naive.cpu_pinning, naive.lockfree, naive.simd, naive.symbols) == (0, 0, 0, 0, 3)
    assert naive.native()["preallocated"] is False
    assert production.native()["preallocated"] is True


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two CPUs are pinned to")
def test_an_engine_that_is_not_made_gives_the_cpus_back():
    before = os.sched_getaffinity(0)
    cores = tuple(sorted(before))[:2]
    with pytest.raises(InvalidTypeError):
        Engine(EngineConfig(cpu_pinning=True, cpu_cores=cores), on_alert=5)
    assert os.sched_getaffinity(0) == before
    with pytest.raises(FileNotFoundError):
        Engine(EngineConfig(cpu_pinning=True, cpu_cores=cores, journal_path="/no/such/folder/j"))
    assert os.sched_getaffinity(0) == before


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two CPUs are pinned to")
def test_engine_and_journal_have_a_cpu_each(tmp_path):
    before = os.sched_getaffinity(0)
    cores = tuple(sorted(before))[:2]
    with Engine(EngineConfig(cpu_pinning=True, cpu_cores=cores, journal_path=tmp_path / "j")):
        assert os.sched_getaffinity(0) == {cores[0]}
        names = {(task / "comm").read_text().strip(): int(task.name) for task in Path("/proc/self/task").iterdir()}
        assert os.sched_getaffinity(names["latencykit-jrnl"]) == {cores[1]}
    assert os.sched_getaffinity(0) == before

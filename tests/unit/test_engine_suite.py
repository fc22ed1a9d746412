"""The two ways of the engine suite do the same work: a ratio between them means something."""

import pytest

from latencykit.engine import Engine, EngineConfig, synthetic_market
from latencykit.suites import engine as suite


def lines_of(path):
    """Return the fields of each line's message, behind the logger's own prefix."""
    return [[float(f.split("=")[-1]) for f in line.split(" ")[-6:]] for line in path.read_text().splitlines()]


def test_both_decide_the_same_and_log_the_same(tmp_path):
    ticks = synthetic_market(3_000)  # the naive way takes its time
    naive = suite.NaivePipeline(tmp_path / "naive.log")
    config = EngineConfig(
        log_path=tmp_path / "engine.log", fast_period=suite.FAST, slow_period=suite.SLOW,
        symbol_id=suite.SYMBOL_ID, order_quantity=suite.QUANTITY,
    )  # fmt: skip
    decisions = {"naive": [], "engine": []}
    with Engine(config) as running:
        for row in ticks.rows():
            for name, on_tick in (("naive", naive.on_tick), ("engine", running.on_tick)):
                order = on_tick(*row)
                decisions[name].append(order and (order.symbol_id, order.quantity, order.price))
    naive.close()
    assert decisions["naive"] == decisions["engine"]
    assert any(decisions["naive"])
    plain, composed = lines_of(tmp_path / "naive.log"), lines_of(tmp_path / "engine.log")
    assert len(plain) == len(composed) == len(ticks)
    for one, other in zip(plain, composed, strict=True):
        assert one[:-1] == pytest.approx(other[:-1], rel=1e-6)
        assert bool(one[-1]) == bool(other[-1])

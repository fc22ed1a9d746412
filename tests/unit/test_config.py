import dataclasses
import math

import pytest

from latencykit.engine import EngineConfig, FeedRules, PerformanceConfig, RiskLimits
from latencykit.errors import InvalidTypeError, InvalidValueError


def test_the_default_updates_on_every_tick_unpinned_and_writes_nothing():
    config = EngineConfig()
    assert config.update_interval_ns == 0
    assert not config.cpu_pinning
    assert config.journal_path is None


def test_a_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        EngineConfig().symbols = 2


@pytest.mark.parametrize(("seconds", "ns"), [(1, 10**9), (0.25, 250_000_000), (1e-9, 1), (0.1, 100_000_000)])
def test_the_update_interval_in_nanoseconds(seconds, ns):
    assert EngineConfig(update_interval=seconds).update_interval_ns == ns


@pytest.mark.parametrize(("memory", "orders"), [(112, 1), (223, 1), (224, 2), (10_000_000, 89_285)])
def test_the_preallocated_memory_gives_the_number_of_orders(memory, orders):
    assert EngineConfig(preallocated_memory=memory).arena_capacity == orders


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("update_interval", -1), ("update_interval", math.nan), ("update_interval", math.inf),
        ("journal_flush_interval", 0), ("journal_flush_interval", -0.5), ("preallocated_memory", 111),
        ("preallocated_memory", -1), ("journal_capacity", 0), ("journal_capacity", 2**25 + 1),
        ("fast_period", 0), ("fast_period", 26),
        ("slow_period", 12), ("symbols", 0), ("symbols", 10**6 + 1), ("order_quantity", 0),
        ("rsi_period", 0), ("sample_every", -1), ("kept_decisions", 0), ("when_degraded", "explode"),
        ("on_strategy_error", "ignore"), ("latency_limit", "fast"), ("panic", {"colour": 1}),
        ("cpu_cores", ()), ("cpu_cores", (0,)), ("cpu_cores", (1, 1)), ("cpu_cores", (0, 1, 2)),
        ("cpu_cores", (-1, 0)),
    ],
)  # fmt: skip
def test_values_out_of_range(name, value):
    with pytest.raises(InvalidValueError, match=name):
        EngineConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("update_interval", "1s"), ("update_interval", None), ("update_interval", True),
        ("journal_flush_interval", "1ms"), ("preallocated_memory", 1e6), ("journal_capacity", "many"),
        ("fast_period", 3.0), ("symbols", "AAPL"), ("simd", 1), ("lockfree", "yes"),
        ("order_quantity", 1.5), ("cpu_cores", (0.0, 1)),
        ("cpu_cores", (False, 1)),
    ],
)  # fmt: skip
def test_values_of_the_wrong_type(name, value):
    with pytest.raises(InvalidTypeError, match=name):
        EngineConfig(**{name: value})


def test_both_ends_of_each_range_are_allowed():
    EngineConfig(symbols=1, order_quantity=1, fast_period=1, slow_period=2, journal_capacity=1, preallocated_memory=0)
    EngineConfig(symbols=10**6, order_quantity=2**53, slow_period=2**31, update_interval=0, sample_every=2**31)


def test_nothing_ahead_still_keeps_orders():
    assert EngineConfig(preallocated_memory=0).arena_capacity == 16_384


def test_the_panic_arguments_are_copied_and_read_only():
    arguments = {"window": 200}
    config = EngineConfig(panic=arguments)
    arguments["window"] = 3
    assert config.panic == {"window": 200}
    with pytest.raises(TypeError):
        config.panic["window"] = 3


def test_a_panic_argument_out_of_range_is_named():
    with pytest.raises(InvalidValueError, match="window is 1"):
        EngineConfig(panic={"window": 1})


@pytest.mark.parametrize("kind", ["unknown_symbol", "bad_price", "bad_volume", "bad_quote"])
def test_what_no_engine_can_work_with_cannot_be_accepted(kind):
    with pytest.raises(InvalidValueError, match=f"{kind} cannot be accepted"):
        FeedRules(**{kind: "accept"})


@pytest.mark.parametrize("changes", [{"gap": "explode"}, {"longest_gap": "soon"}, {"longest_gap": 0}])
def test_feed_rules_out_of_range(changes):
    with pytest.raises(InvalidValueError, match=next(iter(changes))):
        FeedRules(**changes)


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_order_quantity", 0), ("max_position", 0), ("price_collar", -0.1), ("price_collar", math.nan),
     ("max_orders_per_second", -1), ("max_orders_per_second", 10**7 + 1)],
)  # fmt: skip
def test_risk_limits_out_of_range(name, value):
    with pytest.raises(InvalidValueError, match=name):
        RiskLimits(**{name: value})


def test_the_presets():
    production, naive = PerformanceConfig.production(), PerformanceConfig.naive(symbols=3)
    assert (production.update_interval, production.cpu_pinning, production.cpu_cores) == (1.0, True, (0, 1))
    assert (production.lockfree, production.preallocated_memory, production.simd) == (True, 10_000_000, True)
    assert (naive.lockfree, naive.preallocated_memory, naive.simd, naive.cpu_pinning) == (False, 0, False, False)
    assert (naive.symbols, naive.update_interval) == (3, 0.0)
    assert PerformanceConfig.production(cpu_pinning=False).cpu_pinning is False

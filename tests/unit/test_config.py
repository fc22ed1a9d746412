import dataclasses
import math

import pytest

from latencykit.engine import EngineConfig
from latencykit.errors import InvalidTypeError, InvalidValueError


def test_the_default_updates_on_every_tick_unpinned_and_writes_nothing():
    config = EngineConfig()
    assert config.update_interval_ns == 0
    assert not config.cpu_pinning
    assert config.log_path is None


def test_a_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        EngineConfig().symbol_id = 2


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
        ("log_flush_interval", 0), ("log_flush_interval", -0.5), ("preallocated_memory", 111),
        ("preallocated_memory", -1), ("log_capacity", 15), ("log_capacity", 2**25 + 1),
        ("fast_period", 0), ("fast_period", 26),
        ("slow_period", 12), ("symbol_id", -1), ("symbol_id", 2**32), ("order_quantity", 0),
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
        ("log_flush_interval", "1ms"), ("preallocated_memory", 1e6), ("log_capacity", "many"),
        ("fast_period", 3.0), ("symbol_id", "AAPL"), ("order_quantity", 1.5), ("cpu_cores", (0.0, 1)),
        ("cpu_cores", (False, 1)),
    ],
)  # fmt: skip
def test_values_of_the_wrong_type(name, value):
    with pytest.raises(InvalidTypeError, match=name):
        EngineConfig(**{name: value})


def test_both_ends_of_each_range_are_allowed():
    EngineConfig(symbol_id=0, order_quantity=1, fast_period=1, slow_period=2, log_capacity=16)
    EngineConfig(symbol_id=2**32 - 1, order_quantity=2**63 - 1, slow_period=2**63 - 1, update_interval=0)

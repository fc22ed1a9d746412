"""The reference engine: the parts of a trading-style hot path, as fast as Python can call them."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latencykit.engine.config import EngineConfig
    from latencykit.engine.engine import Detector, Engine, RunReport
    from latencykit.engine.feeds import Ticks, read_ticks, synthetic_market
    from latencykit.engine.orders import BUY, ORDER_DTYPE, SELL, Order, OrderArena
    from latencykit.engine.pinning import CpuPinning

__all__ = [
    "BUY",
    "ORDER_DTYPE",
    "SELL",
    "CpuPinning",
    "Detector",
    "Engine",
    "EngineConfig",
    "Order",
    "OrderArena",
    "RunReport",
    "Ticks",
    "read_ticks",
    "synthetic_market",
]

_HOMES = {
    "BUY": "latencykit.engine.orders",
    "CpuPinning": "latencykit.engine.pinning",
    "Detector": "latencykit.engine.engine",
    "Engine": "latencykit.engine.engine",
    "EngineConfig": "latencykit.engine.config",
    "ORDER_DTYPE": "latencykit.engine.orders",
    "Order": "latencykit.engine.orders",
    "OrderArena": "latencykit.engine.orders",
    "RunReport": "latencykit.engine.engine",
    "SELL": "latencykit.engine.orders",
    "Ticks": "latencykit.engine.feeds",
    "read_ticks": "latencykit.engine.feeds",
    "synthetic_market": "latencykit.engine.feeds",
}


def __getattr__(name: str) -> object:
    """Import the home of a public name on its first use (PEP 562): one part does not load the others."""
    if name not in _HOMES:
        raise AttributeError(f"module 'latencykit.engine' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

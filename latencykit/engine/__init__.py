"""The reference engine: the parts of a trading-style hot path, imported on first use."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latencykit.engine import indicators
    from latencykit.engine.config import EngineConfig
    from latencykit.engine.engine import Detector, Engine, RunReport
    from latencykit.engine.feeds import Ticks, read_ticks, synthetic_market
    from latencykit.engine.logger import AsyncLogger, LogSite
    from latencykit.engine.orders import BUY, ORDER_DTYPE, SELL, Order, OrderArena
    from latencykit.engine.pinning import CpuPinning
    from latencykit.engine.signals import Confidence, PanicDetector, Price, Signal

__all__ = [
    "BUY",
    "ORDER_DTYPE",
    "SELL",
    "AsyncLogger",
    "Confidence",
    "CpuPinning",
    "Detector",
    "Engine",
    "EngineConfig",
    "LogSite",
    "Order",
    "OrderArena",
    "PanicDetector",
    "Price",
    "RunReport",
    "Signal",
    "Ticks",
    "indicators",
    "read_ticks",
    "synthetic_market",
]

# Where each public name lives; a module stands for itself.
_HOMES = {
    "AsyncLogger": "latencykit.engine.logger",
    "BUY": "latencykit.engine.orders",
    "Confidence": "latencykit.engine.signals",
    "CpuPinning": "latencykit.engine.pinning",
    "Detector": "latencykit.engine.engine",
    "Engine": "latencykit.engine.engine",
    "EngineConfig": "latencykit.engine.config",
    "LogSite": "latencykit.engine.logger",
    "ORDER_DTYPE": "latencykit.engine.orders",
    "Order": "latencykit.engine.orders",
    "OrderArena": "latencykit.engine.orders",
    "PanicDetector": "latencykit.engine.signals",
    "Price": "latencykit.engine.signals",
    "RunReport": "latencykit.engine.engine",
    "SELL": "latencykit.engine.orders",
    "Signal": "latencykit.engine.signals",
    "Ticks": "latencykit.engine.feeds",
    "indicators": "latencykit.engine.indicators",
    "read_ticks": "latencykit.engine.feeds",
    "synthetic_market": "latencykit.engine.feeds",
}


def __getattr__(name: str) -> object:
    """Import the home of a public name on its first use (PEP 562): one part does not load the others."""
    if name not in _HOMES:
        raise AttributeError(f"module 'latencykit.engine' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    value = globals()[name] = home if _HOMES[name] == f"{__name__}.{name}" else getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

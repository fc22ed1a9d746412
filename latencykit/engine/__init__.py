"""The reference engine: the parts of a trading-style hot path, as fast as Python can call them."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latencykit.engine.orders import BUY, ORDER_DTYPE, SELL, Order, OrderArena

__all__ = ["BUY", "ORDER_DTYPE", "SELL", "Order", "OrderArena"]

_HOMES = {
    "BUY": "latencykit.engine.orders",
    "ORDER_DTYPE": "latencykit.engine.orders",
    "SELL": "latencykit.engine.orders",
    "Order": "latencykit.engine.orders",
    "OrderArena": "latencykit.engine.orders",
}


def __getattr__(name: str) -> object:
    """Import the home of a public name on its first use (PEP 562): one part does not load the others."""
    if name not in _HOMES:
        raise AttributeError(f"module 'latencykit.engine' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

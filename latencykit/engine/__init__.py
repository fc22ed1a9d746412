"""The reference engine: the parts of a trading-style hot path, and their composition."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latencykit.engine.feeds import Ticks, read_ticks, synthetic_market

__all__ = ["Ticks", "read_ticks", "synthetic_market"]

_HOMES = {
    "Ticks": "latencykit.engine.feeds",
    "read_ticks": "latencykit.engine.feeds",
    "synthetic_market": "latencykit.engine.feeds",
}


def __getattr__(name: str) -> object:
    """Import the home of a public name on its first use (PEP 562): who uses one part loads that part only."""
    if name not in _HOMES:
        raise AttributeError(f"module 'latencykit.engine' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

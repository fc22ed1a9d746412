"""The reference engine: the building blocks of a hot path, imported on first use."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latencykit.engine import indicators
    from latencykit.engine.signals import Confidence, PanicDetector, Price, Signal

__all__ = ["Confidence", "PanicDetector", "Price", "Signal", "indicators"]

# Where each public name lives; a module stands for itself.
_HOMES = {
    "Confidence": "latencykit.engine.signals",
    "PanicDetector": "latencykit.engine.signals",
    "Price": "latencykit.engine.signals",
    "Signal": "latencykit.engine.signals",
    "indicators": "latencykit.engine.indicators",
}


def __getattr__(name: str) -> object:
    """Import the home of a public name on its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'latencykit.engine' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    value = globals()[name] = home if _HOMES[name] == f"{__name__}.{name}" else getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

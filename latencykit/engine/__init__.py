"""The reference engine: fast building blocks of a trading-style hot path, called from Python."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latencykit.engine.logger import AsyncLogger, LogSite

__all__ = ["AsyncLogger", "LogSite"]

_HOMES = {
    "AsyncLogger": "latencykit.engine.logger",
    "LogSite": "latencykit.engine.logger",
}


def __getattr__(name: str) -> object:
    """Import the home of a public name on its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'latencykit.engine' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Benchmark and profile latency-critical Python against its budget, on the machine it runs on."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latencykit.measuring.allocations import assert_no_allocations
    from latencykit.model import Claim, Target
    from latencykit.one_call import measure
    from latencykit.suite import Component, Parameter, call, market, replay

__all__ = ["Claim", "Component", "Parameter", "Target", "assert_no_allocations", "call", "market", "measure", "replay"]
__version__ = "0.1.0"

_HOMES = {
    "Claim": "latencykit.model",
    "Component": "latencykit.suite",
    "Parameter": "latencykit.suite",
    "Target": "latencykit.model",
    "assert_no_allocations": "latencykit.measuring.allocations",
    "call": "latencykit.suite",
    "market": "latencykit.suite",
    "measure": "latencykit.one_call",
    "replay": "latencykit.suite",
}


def __getattr__(name: str) -> object:
    """Import the home of a public name on its first use (PEP 562), so that importing latencykit costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'latencykit' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""A run of the engine as JSON of the schema ``latencykit.engine_run/1``."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from latencykit.analysis.latency_cost import LatencyCost
from latencykit.analysis.open_loop import RatePoint
from latencykit.engine.run_summary import RunSummary

SCHEMA: Final = "latencykit.engine_run/1"


def render(
    run: RunSummary | None,
    *,
    cost: LatencyCost | None,
    rates: Sequence[RatePoint],
    targets: Sequence[dict[str, Any]],
    histograms: dict[str, str],
) -> bytes:
    """Return a run as indented JSON, ending in a newline.

    Args:
        run: What the engine did; None for a sweep, where each rate has an engine of its own.
        cost: What latency costs, if that was told.
        rates: Response times by rate, of an open loop.
        targets: Each target with its verdict.
        histograms: By stage, HdrHistogram V2 in base64.
    """
    document = {
        "schema": SCHEMA, "run": run, "latency_cost": cost, "rates": rates, "targets": targets,
        "histograms": histograms,
    }  # fmt: skip
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"

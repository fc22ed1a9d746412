"""Samples as the runner makes them, with chosen durations."""

from collections.abc import Iterable, Sequence
from typing import Any

from latencykit.histogram import Histogram, encode
from latencykit.model import Samples


def _histogram(durations: Iterable[float]) -> str:
    histogram = Histogram()
    for duration in durations:
        histogram.record(round(duration))
    return encode(histogram)


def batched(per_op: Sequence[float], *, batch: int = 100, floor: float = 7.0, **more: Any) -> Samples:
    batch_ns = [value * batch for value in per_op]
    return _samples("batched", batch_ns, len(per_op) * batch, batch, floor, 10.0 / batch, batch_ns, more)


def per_call(durations: Sequence[float], *, floor: float = 30.0, **more: Any) -> Samples:
    return _samples("per_call", durations, len(durations), 1, floor, 10.0, [], more)


def _samples(
    mode: Any,
    recorded: Sequence[float],
    count: int,
    batch: int,
    floor: float,
    step: float,
    batch_ns: list[float],
    more: Any,
) -> Samples:
    fields = {"component": "orders", "variant": "arena", "parameters": {}, "allocations_per_op": 0.0} | more
    return Samples(
        mode=mode, count=count, batch_size=batch, floor_ns=floor, resolution_ns=step, histogram=_histogram(recorded),
        batch_ns=batch_ns, **fields,
    )  # fmt: skip

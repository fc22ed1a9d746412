"""The operations of known cost, measured by the same way as everything else."""

from collections.abc import Iterator
from dataclasses import dataclass

from latencykit.histogram import decode
from latencykit.measurement import Measurement
from latencykit.measuring.effort import Level
from latencykit.measuring.probes import multiply_chain, spin_ns
from latencykit.model import Validity
from latencykit.one_call import measure
from latencykit.selftest.checks import Check, centre, chain_checks, tail
from latencykit.suite import call, replay

SPINS_NS = (1_000, 10_000)
# From about 20 ns to 1 µs beyond the first, which is long enough that a chain no longer hides in the call around it.
CHAINS = (64, 96, 128, 256, 512, 1_024)
COMMON_NS, RARE_NS, RARE_SHARE = 1_000, 50_000, 100
ALLOCATIONS = (0, 1, 3, 10)
# The slope of a straight line below 200 ns is known to no better than this from batches.
CHAIN_FLOOR_NS = 3.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Checks that came out of one measurement, and the machine meanwhile."""

    checks: list[Check]
    validity: Validity


def findings(level: Level, cpu: int | None) -> Iterator[Finding]:
    """Measure every truth in turn.

    Args:
        level: How long to measure each.
        cpu: The CPU to pin to; None for the highest allowed one.

    Yields:
        What was found, as soon as it is.
    """
    for ns in SPINS_NS:
        yield _spin(ns, measure(call(spin_ns, ns), level=level, cpu=cpu))
    yield _chains([measure(call(multiply_chain, length), level=level, cpu=cpu) for length in CHAINS])
    rows = [(COMMON_NS,)] * (RARE_SHARE - 1) + [(RARE_NS,)]
    yield _mixture(measure(replay(spin_ns, rows), level=level, cpu=cpu))
    for count in ALLOCATIONS:
        found = measure(planted_allocations(count), level="quick", cpu=cpu)
        per_op = found.batched.allocations_per_op
        yield Finding([Check(f"{count} planted allocations", count, per_op or 0.0, 0.0, "")], found.validity)


def planted_allocations(count: int) -> "object":
    """Return a function that makes so many integers too large to be kept ready, and nothing else."""
    big = 1 << 80
    names: dict[str, object] = {"big": big}
    body = "\n".join(["    big + 1"] * count) or "    pass"
    exec(f"def allocate(big=big):\n{body}\n", names)  # noqa: S102 - so many expressions, without a loop's own objects
    return names["allocate"]


def _spin(ns: int, found: Measurement) -> Finding:
    step_ns = found.per_call.resolution_ns
    checks = [
        centre(f"{figure} of a spin of {ns} ns", ns, row.p50_ns or 0.0, step_ns)
        for figure, row in (("batched p50", found.batched), ("per-call p50", found.per_call))
    ]
    return Finding(checks, found.validity)


def _chains(found: list[Measurement]) -> Finding:
    medians = [measurement.p50_ns or 0.0 for measurement in found]
    worst = max((measurement.validity for measurement in found), key=lambda validity: validity.stolen_ratio)
    return Finding(chain_checks(CHAINS, medians, CHAIN_FLOOR_NS), worst)


def _mixture(found: Measurement) -> Finding:
    row = found.per_call
    high_ns = decode(row.histogram).percentile(99.5) - row.floor_ns
    checks = [
        centre("p50 of 99 % 1 µs and 1 % 50 µs", COMMON_NS, row.p50_ns or 0.0, row.resolution_ns),
        tail("p99.5 of the same", RARE_NS, high_ns, row.resolution_ns),
    ]
    return Finding(checks, found.validity)

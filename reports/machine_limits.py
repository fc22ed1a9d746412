"""Measure how wrong figures become as another process takes time from the core that is measured on.

Chains of multiplies of fixed work are measured in turns with and without a competitor that is pinned to the same CPU
and busy for a share of the time. Run it as ``python reports/machine_limits.py > reports/machine-limits.local.md``.
"""

import contextlib
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from latencykit.analysis.summaries import summarise
from latencykit.measuring.conditions import choose_cpu, collector, pinned
from latencykit.measuring.effort import Effort
from latencykit.measuring.meter import read_meter
from latencykit.measuring.probes import multiply_chain
from latencykit.measuring.sampling import Subject, measure_operation
from latencykit.suite import call

SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4)
BUSY_S = 0.002
LENGTHS = (64, 4_096, 65_536)
TRIALS = 6
EFFORT = Effort(operation_ns=250_000_000, meter_ns=100_000_000)


@dataclass(frozen=True)
class Trial:
    """One pair of measurements: what the meter said with the competitor, and figures as ratios to those without."""

    stolen: float
    p50: float
    p99: float | None
    p999: float | None


def main() -> None:
    """Measure all shares and print a table in Markdown."""
    cpu = choose_cpu(None)
    if cpu is None:
        sys.exit("this system cannot pin threads; the experiment needs a competitor on the same CPU")
    print(
        f"CPU {cpu} of {os.uname().nodename}; {TRIALS} pairs a row; "
        "median (worst) ratio to the same work without competitor\n"
    )
    print("| work | competitor | time lost: median (range) | p50 | p99 | p99.9 |")
    print("|---|---|---|---|---|---|")
    for length in LENGTHS:
        for share in SHARES:
            trials = [trial(length, share, cpu) for _ in range(TRIALS)]
            print(row(length, share, trials), flush=True)


def trial(length: int, share: float, cpu: int) -> Trial:
    """Measure once without and once with the competitor."""
    _, quiet = measured(length, cpu)
    with competitor(share, cpu):
        stolen, loaded = measured(length, cpu)
    p50, p99, p999 = (ratio(a, b) for a, b in zip(quiet, loaded, strict=True))
    return Trial(stolen, p50 or 0.0, p99, p999)


def measured(length: int, cpu: int) -> tuple[float, tuple[float | None, ...]]:
    """Return the share of lost time, and p50, p99 and p99.9."""
    before = read_meter(cpu, EFFORT.meter_ns)
    with collector("off"), pinned(cpu):
        batched, per_call = measure_operation(Subject("limits", "chain"), call(multiply_chain, length), EFFORT)
    after = read_meter(cpu, EFFORT.meter_ns)
    stolen = (before.lost_ns + after.lost_ns) / (before.observed_ns + after.observed_ns)
    calls = summarise(per_call).result
    return stolen, (summarise(batched).result.p50_ns, calls.p99_ns, calls.p999_ns)


def ratio(quiet: float | None, loaded: float | None) -> float | None:
    """Return loaded over quiet, None where either is not known."""
    return loaded / quiet if quiet and loaded is not None else None


def row(length: int, share: float, trials: list[Trial]) -> str:
    """Return one row of the table."""
    lost = sorted(t.stolen for t in trials)
    cells = [
        f"{length} multiplies",
        f"{share:.0%}",
        f"{statistics.median(lost):.1%} ({lost[0]:.1%} to {lost[-1]:.1%})",
        cell([t.p50 for t in trials]),
        cell([t.p99 for t in trials]),
        cell([t.p999 for t in trials]),
    ]
    return "| " + " | ".join(cells) + " |"


def cell(ratios: list[float] | list[float | None]) -> str:
    """Return the median ratio and the one farthest from 1."""
    known = [value for value in ratios if value is not None]
    if not known:
        return "n/a"
    return f"{statistics.median(known):.3f} ({max(known, key=lambda value: abs(value - 1)):.3f})"


@contextlib.contextmanager
def competitor(share: float, cpu: int) -> Iterator[None]:
    """Keep a process busy on the CPU for a share of the time."""
    if share == 0:
        yield
        return
    process = multiprocessing.get_context("spawn").Process(target=compete, args=(share, cpu), daemon=True)
    process.start()
    time.sleep(0.3)  # the interpreter starts; the meter shows what really was taken
    try:
        yield
    finally:
        process.kill()
        process.join()


def compete(share: float, cpu: int) -> None:
    """Be busy, then sleep, until killed."""
    os.sched_setaffinity(0, {cpu})
    while True:
        end = time.perf_counter() + BUSY_S
        while time.perf_counter() < end:
            pass
        time.sleep(BUSY_S * (1 - share) / share)


if __name__ == "__main__":
    main()

"""Hold the queues between threads and processes against the limits that they were built to, as ratios in this one run.

What is compared is measured in turns, round after round, and a ratio is the median over the rounds, with its 95 %
interval. Needs two CPUs. Run it as ``python reports/channel_limits.py``. It prints a table in Markdown and ends with 0
if every limit holds, 1 if one is missed, 3 if one cannot be told or the machine was unfit.
"""

import multiprocessing
import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from latencykit import _core
from latencykit.analysis.intervals import quantile_ranks
from latencykit.analysis.verdicts import judge_machine
from latencykit.engine import SharedRing
from latencykit.measuring.child import prepared
from latencykit.measuring.meter import read_meter
from latencykit.suites.pinning import two_cpus
from latencykit.suites.queues_processes import RECORDS, queues_processes

ROUNDS = 41
TRIPS = 5_000
METER_NS = 300_000_000
Measure = Callable[[], float]


def main() -> int:
    """Measure, print the table and return the exit status."""
    home, other = two_cpus()
    before = [read_meter(cpu, METER_NS) for cpu in (home, other)]
    print("| limit | measured | 95 % interval | must be | |\n|---|---|---|---|---|")
    words = [trips_between_threads(home, other), trips_between_processes(home, other), records_between_processes()]
    validity = judge_machine([*before, *(read_meter(cpu, METER_NS) for cpu in (home, other))])
    print(
        f"\nMachine {validity.verdict}: {validity.stolen_ratio:.1%} of spinning cores' time was lost; {ROUNDS} rounds."
    )
    if "MISSED" in words:
        return 1
    return 3 if "cannot be told" in words or validity.verdict == "unfit" else 0


def trips_between_threads(home: int, other: int) -> str:
    """Compare a round trip through two rings with that of one cache line."""
    return row(
        "native round trip, two threads, against a bare cache line",
        ratios(lambda: thread_trip_ns("spsc", home, other), lambda: thread_trip_ns("cache_line", home, other)),
        most=1.5,
    )


def trips_between_processes(home: int, other: int) -> str:
    """Compare a round trip through two shared rings with one through two rings of one process."""
    with process_trips(home, other) as trip_ns:
        return row(
            "native round trip, two processes, against two threads",
            ratios(trip_ns, lambda: thread_trip_ns("spsc", home, other)),
            most=2,
        )


def records_between_processes() -> str:
    """Compare the time to hand records over one by one with that for a batch through a shared ring."""
    variants = queues_processes.variants
    with prepared(variants["mutex"].setup, {}) as slow, prepared(variants["lockfree"].setup, {}) as fast:
        return row(
            f"records to another process: times faster than multiprocessing.Queue, {RECORDS} at once",
            ratios(lambda: mean_ns(slow.function, 5), lambda: mean_ns(fast.function, 500)),
            least=100,
        )


def thread_trip_ns(kind: "_core._Channel", home: int, other: int) -> float:
    """Return the median round trip between two native threads, in ticks; only ratios are taken."""
    ticks: list[int] = _core.round_trips(kind, TRIPS, home, other).tolist()
    return statistics.median(ticks)


@contextmanager
def process_trips(home: int, other: int) -> Iterator[Measure]:
    """Yield what measures the median round trip to another process and back, in ticks."""
    names = [f"latencykit-limits-{uuid.uuid4().hex}" for _ in range(2)]
    there, back = (SharedRing.create(name, "V64", 1024) for name in names)
    child = multiprocessing.get_context("spawn").Process(target=echo, args=(*names, other, TRIPS * ROUNDS))
    child.start()
    try:
        yield lambda: statistics.median(_core.shared_ring_round_trips(there, back, TRIPS, home).tolist())
        child.join()
    finally:
        child.kill()
        for ring in (there, back):
            ring.unlink()
            ring.close()


def echo(there: str, back: str, cpu: int, count: int) -> None:
    """Send every record back, in a process of its own."""
    with SharedRing.attach(there) as incoming, SharedRing.attach(back) as outgoing:
        _core.shared_ring_echo(outgoing, incoming, count, cpu)


def mean_ns(function: Callable[[], object], calls: int) -> float:
    """Return what a call takes, over some in a row."""
    start = time.perf_counter_ns()
    for _ in range(calls):
        function()
    return (time.perf_counter_ns() - start) / calls


def ratios(numerator: Measure, denominator: Measure) -> list[float]:
    """Return the ratio of two measurements that are made in turns, for each round."""
    return [numerator() / denominator() for _ in range(ROUNDS)]


def row(name: str, values: list[float], *, most: float | None = None, least: float | None = None) -> str:
    """Print how a limit stands and return the word for it."""
    ordered = sorted(values)
    low, high = (ordered[rank - 1] for rank in quantile_ranks(0.5, len(ordered)))
    held = low >= least if least is not None else most is not None and high <= most
    missed = high < least if least is not None else most is not None and low > most
    word = "held" if held else "MISSED" if missed else "cannot be told"
    bound = f">= {least:g}" if least is not None else f"<= {most:g}"
    print(f"| {name} | {statistics.median(ordered):.3g} | {low:.3g} to {high:.3g} | {bound} | {word} |", flush=True)
    return word


if __name__ == "__main__":
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    sys.exit(main())

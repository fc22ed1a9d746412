"""Hold the ring between two native threads against the limit that it was built to, as a ratio within this one run.

A round trip through two rings and one of a bare cache line are measured in turns, round after round; the ratio is the
median over the rounds, with its 95 % interval. Needs two CPUs. Run it as ``python reports/thread_limits.py``. It prints
a table in Markdown and ends with 0 if the limit holds, 1 if it is missed, 3 if that cannot be told or the machine was
unfit. ``process_limits.py`` does the same between processes.
"""

import statistics
import sys
from collections.abc import Callable

from latencykit import _core
from latencykit.analysis.intervals import quantile_ranks
from latencykit.analysis.verdicts import judge_machine
from latencykit.measuring.meter import read_meter
from latencykit.suites.pinning import two_cpus

ROUNDS = 41
TRIPS = 5_000
METER_NS = 300_000_000
Measure = Callable[[], float]


def main() -> int:
    """Measure, print the table and return the exit status."""
    home, other = two_cpus()
    before = [read_meter(cpu, METER_NS) for cpu in (home, other)]
    print("| limit | measured | 95 % interval | must be | |\n|---|---|---|---|---|")
    word = trips_between_threads(home, other)
    validity = judge_machine([*before, *(read_meter(cpu, METER_NS) for cpu in (home, other))])
    print(
        f"\nMachine {validity.verdict}: {validity.stolen_ratio:.1%} of spinning cores' time was lost; {ROUNDS} rounds."
    )
    if word == "MISSED":
        return 1
    return 3 if word == "cannot be told" or validity.verdict == "unfit" else 0


def trips_between_threads(home: int, other: int) -> str:
    """Compare a round trip through two rings with that of one cache line."""
    return row(
        "native round trip, two threads, against a bare cache line",
        ratios(lambda: thread_trip_ns("spsc", home, other), lambda: thread_trip_ns("cache_line", home, other)),
        1.5,
    )


def thread_trip_ns(kind: "_core._Channel", home: int, other: int) -> float:
    """Return the median round trip between two native threads, in ticks; only ratios are taken."""
    ticks: list[int] = _core.round_trips(kind, TRIPS, home, other).tolist()
    return statistics.median(ticks)


def ratios(numerator: Measure, denominator: Measure) -> list[float]:
    """Return the ratio of two measurements that are made in turns, for each round."""
    return [numerator() / denominator() for _ in range(ROUNDS)]


def row(name: str, values: list[float], most: float) -> str:
    """Print how a limit stands and return the word for it."""
    ordered = sorted(values)
    low, high = (ordered[rank - 1] for rank in quantile_ranks(0.5, len(ordered)))
    word = "held" if high <= most else "MISSED" if low > most else "cannot be told"
    print(f"| {name} | {statistics.median(ordered):.3g} | {low:.3g} to {high:.3g} | <= {most:g} | {word} |", flush=True)
    return word


if __name__ == "__main__":
    sys.exit(main())

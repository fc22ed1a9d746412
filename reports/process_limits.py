"""Hold the ring between two processes against the limits that it was built to, as ratios within this one run.

Batches: one process pushes 256 records of 64 bytes at a time and another takes them out, until all of a round are
there; multiprocessing.Queue does the same with a put for each record, as bytes. Round trips: one record of 64 bytes
goes to the other process and back, both ends driven by native code and pinned to a CPU each; the same between two
threads through the ring for threads. The two are measured in turns; a figure is the median over rounds, with its 95 %
interval.

Run it as ``python reports/process_limits.py``. It ends with 0 if both limits hold, 1 if one is missed, 3 if one
cannot be told or the machine was unfit.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from latencykit import _core
from latencykit.analysis.intervals import quantile_ranks
from latencykit.analysis.verdicts import judge_machine
from latencykit.engine import SharedRing
from latencykit.measuring.meter import read_meter
from latencykit.suites.queues_processes import other_process

ROUNDS = 25
RECORD = np.dtype("V64")
BATCH = 256
CAPACITY = 4096
RING_BATCHES = 400  # a round of some milliseconds either way
QUEUE_BATCHES = 10
TRIPS = 10_000
# The slots of both directions fit into the first-level cache, as those of the ring for threads do.
TRIP_CAPACITY = 64
METER_NS = 500_000_000
LEAST_RATE_RATIO = 100
MOST_TRIP_RATIO = 2
NAME = f"latencykit-limits-{os.getpid()}"


@contextmanager
def two_rings(dtype: object, capacity: int) -> Iterator[tuple[SharedRing, SharedRing]]:
    """Yield a ring in each direction."""
    with SharedRing.create(NAME, dtype, capacity) as there, SharedRing.create(f"{NAME}-back", dtype, capacity) as back:
        try:
            yield there, back
        finally:
            there.unlink()
            back.unlink()


def drain_ring(name: str, cpu: int) -> None:
    """Take out the batches of a round and answer with one record, for ever."""
    os.sched_setaffinity(0, {cpu})
    with SharedRing.attach(name) as records, SharedRing.attach(f"{name}-back") as back:
        out, answer = np.empty(4 * BATCH, RECORD), np.zeros(1, RECORD)
        back.push(answer)
        while True:
            missing = RING_BATCHES * BATCH
            while missing:
                missing -= len(records.pop(min(missing, len(out)), out, None))
            back.push(answer)


def drain_queue(records: Any, done: Any, cpu: int) -> None:
    """Take out the records of a round and answer, for ever."""
    os.sched_setaffinity(0, {cpu})
    done.put(None)
    while True:
        for _ in range(QUEUE_BATCHES * BATCH):
            records.get()
        done.put(None)


def echo(name: str, cpu: int) -> None:
    """Send back every record of a round, after as many to warm up."""
    with SharedRing.attach(name) as there, SharedRing.attach(f"{name}-back") as back:
        _core.shared_ring_echo(back, there, 2 * TRIPS, cpu)


def rate_ratios(cpu: int) -> list[float]:
    """Return how many times the record rate of multiprocessing.Queue the ring has, for each round."""
    context = multiprocessing.get_context("spawn")
    queue, done = context.Queue(), context.Queue()
    batch, singles = np.zeros(BATCH, RECORD), [bytes(RECORD.itemsize)] * BATCH
    with (
        two_rings(RECORD, CAPACITY) as (there, back),
        other_process(drain_ring, NAME, cpu),
        other_process(drain_queue, queue, done, cpu),
    ):

        def through_ring() -> None:
            for _ in range(RING_BATCHES):
                there.push(batch, None)
            back.pop(1, timeout=None)

        def through_queue() -> None:
            for _ in range(QUEUE_BATCHES):
                for record in singles:
                    queue.put(record)
            done.get()

        back.pop(1, timeout=None)
        done.get()
        through_ring()
        through_queue()
        ratios = [timed(through_queue) / QUEUE_BATCHES / (timed(through_ring) / RING_BATCHES) for _ in range(ROUNDS)]
    queue.cancel_join_thread()
    return ratios


def timed(work: Callable[[], None]) -> int:
    """Return the nanoseconds that it took."""
    begin = time.perf_counter_ns()
    work()
    return time.perf_counter_ns() - begin


def trip_ratios(cpu: int, echo_cpu: int) -> list[float]:
    """Return how many times a round trip between two threads one between two processes takes, for each round."""
    ratios = []
    with two_rings(RECORD, TRIP_CAPACITY) as (there, back):
        for _ in range(ROUNDS):
            with other_process(echo, NAME, echo_cpu):  # ends before the threads' turn, for whose CPU it would spin
                _core.shared_ring_round_trips(there, back, TRIPS, cpu)
                processes = np.median(_core.shared_ring_round_trips(there, back, TRIPS, cpu))
            ratios.append(float(processes / np.median(_core.round_trips("spsc", TRIPS, cpu, echo_cpu))))
    return ratios


def row(part: str, ratios: list[float], limit: float, *, at_least: bool) -> str:
    """Print how a limit stands and return the word for it."""
    values = sorted(ratios)
    low, high = (values[rank - 1] for rank in quantile_ranks(0.5, len(values)))
    within = (low >= limit, high < limit) if at_least else (high <= limit, low > limit)
    word = "held" if within[0] else "MISSED" if within[1] else "cannot be told"
    sign = ">=" if at_least else "<="
    print(f"| {part} | {np.median(values):.3g} | {low:.3g} to {high:.3g} | {sign} {limit:g} | {word} |", flush=True)
    return word


def main() -> int:
    """Measure both ratios, print them and their limits, and return the exit status."""
    cpus = sorted(os.sched_getaffinity(0), reverse=True)[:2]
    if len(cpus) < 2:
        print("Two processes need a CPU each, and one only is ours to use.")
        return 3
    before = read_meter(cpus[0], METER_NS)
    print("| limit | measured | 95 % interval | must be | |\n|---|---|---|---|---|")
    words = [
        row("record round trip, two processes to two threads", trip_ratios(*cpus), MOST_TRIP_RATIO, at_least=False),
        row("record rate, batches of 256, times multiprocessing.Queue", rate_ratios(cpus[1]), LEAST_RATE_RATIO,
            at_least=True),
    ]  # fmt: skip
    validity = judge_machine([before, read_meter(cpus[0], METER_NS)])
    print(f"\nMachine {validity.verdict}: {validity.stolen_ratio:.1%} of a spinning core's time was lost.")
    if "MISSED" in words:
        return 1
    return 3 if "cannot be told" in words or validity.verdict == "unfit" else 0


if __name__ == "__main__":
    sys.exit(main())

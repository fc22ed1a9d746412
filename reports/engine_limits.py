"""Hold detector and engine against the limits that they were built to, within this one run.

All that is compared is timed in turns, in a new order each round; a figure is the median over rounds, with its 95 %
interval. Calls from Python are net of an empty call. The engine's native run is timed twice: until every line is in the
journal's file, which is what the limits are of and what the plain pipelines are compared with, and until the last
decision, the journal's thread going on by itself.

How the cost grows is told by the best of a few windows at the end of each size: of so many ticks that an engine has
taken before, and of so many symbols. Windows of one round are taken in turns; a ratio is of one round.

Run it as ``python reports/engine_limits.py``, on a machine that does nothing else: engine and journal need a CPU each.
It prints tables in Markdown and ends with 0 if every limit holds, 1 if one is missed, 3 if one cannot be told or the
machine was unfit. It takes some minutes; with ``--rounds 3 --ticks 100000 --symbols 10`` some seconds, to see it work.
"""

import argparse
import gc
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial

import numpy as np
from engine_growth import FEWEST_TICKS, caught_up, growth_over_symbols, growth_over_ticks
from limits import SEED, Figures, Limit, compared, exit_status, interval, judged

from latencykit._core import Operation, noop
from latencykit.analysis.verdicts import judge_machine
from latencykit.engine import PanicDetector
from latencykit.measuring.conditions import collector, pinned
from latencykit.measuring.meter import read_meter
from latencykit.suites._engine_runs import busy_market, engine_of, fed, rounds
from latencykit.suites._logs import bounded, log_file
from latencykit.suites._pipelines import KEPT, IncrementalPipeline, NaivePipeline
from latencykit.suites.pinning import two_cpus
from latencykit.suites.signals import MEMORY

METER_NS = 500_000_000
CALLS = 20_000  # of a round, so that its p99 has 200 beyond it
BATCH = 100
NAIVE_TICKS, PLAIN_TICKS = 200, 5_000
LONG_RUN = 500  # thousands of ticks: many times what the journal's queue holds, so that the file's speed counts
SCANNED = 100_000
Timed = Callable[[], Mapping[str, float]]

LIMITS = [
    Limit("detector from Python, p50, ns", "update, p50", 120),
    Limit("detector from Python, p99, ns", "update, p99", 1_000),
    Limit("detector, native over arrays, ns a tick", "scan", 25),
    Limit("engine, native run to the file, ns a tick", "run", 100),
    Limit("engine, native run: times faster than naive", "naive", 1_000, "run", at_least=True),
    Limit("on_tick from Python, p50, ns", "on_tick, p50", 400),
]
# No limit is set for these; they say where a ratio comes from.
SHOWN = [("naive", "incremental"), ("incremental", "run"), ("incremental", "on_tick, p50"), ("naive", "run, decided")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure everything, print the figures and the limits, and return the exit status."""
    asked = options(arguments)
    cpu, other = two_cpus()
    before = read_meter(cpu, METER_NS)
    print(f"{sys.version.split()[0]}, CPU {cpu}, journals on CPU {other}, {asked.rounds} rounds.\n")
    with collector("off"):
        figures = stage_figures(asked.rounds, cpu, other)
        print_figures(figures)
        words = judged(LIMITS, figures)
        sizes = [FEWEST_TICKS * 10**power for power in range(12) if FEWEST_TICKS * 10**power <= asked.ticks]
        words += grown("ticks", growth_over_ticks(sizes, asked.growth_rounds), sizes, 1.1)
        counts = [10**power for power in range(7) if 10**power <= asked.symbols]
        words += grown("symbols", growth_over_symbols(counts, asked.growth_rounds), counts, 1.5)
    validity = judge_machine([before, read_meter(cpu, METER_NS)])
    print(f"\nMachine {validity.verdict}: {validity.stolen_ratio:.1%} of a spinning core's time was lost.")
    return exit_status(words, validity)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the sizes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=61, help="rounds of the stages")
    parser.add_argument("--growth-rounds", type=int, default=15, help="rounds of what grows")
    parser.add_argument("--ticks", type=int, default=10_000_000, help="the most ticks, at least 10000")
    parser.add_argument("--symbols", type=int, default=1_000, help="the most symbols")
    asked = parser.parse_args(arguments)
    if asked.rounds < 1 or asked.growth_rounds < 1 or asked.ticks < FEWEST_TICKS or asked.symbols < 1:
        parser.error(f"rounds and symbols are at least 1, ticks at least {FEWEST_TICKS}")
    return asked


# ---- the stages


def stage_figures(rounds_: int, cpu: int, other: int) -> Figures:
    """Return the figures of every round: nanoseconds a call or a tick."""
    with ExitStack() as stack:
        stack.enter_context(pinned(cpu))
        return in_turns([*detector_work(), *plain_work(stack), *engine_work(stack, other)], rounds_)


def in_turns(timed: Sequence[Timed], rounds_: int) -> Figures:
    """Time everything once a round, in a new order each, after a round that warms up."""
    shuffle = random.Random(SEED).shuffle  # noqa: S311 - any order will do
    order = list(timed)
    figures: Figures = {}
    for number in range(-1, rounds_):
        shuffle(order)
        for work in order:
            for name, value in work().items():
                figures.setdefault(name, [])
                if number >= 0:
                    figures[name].append(value)
    return figures


def detector_work() -> list[Timed]:
    """Return the detector's calls, one by one and natively over arrays."""
    market = busy_market()
    updates = Operation(PanicDetector().update, list(zip(market.price.tolist(), market.volume.tolist(), strict=True)))
    updates.run(MEMORY)
    prices, volumes = np.resize(market.price, SCANNED), np.resize(market.volume, SCANNED)
    detector = PanicDetector()

    def scan() -> Mapping[str, float]:
        start = time.perf_counter_ns()
        detector.scan(prices, volumes)
        return {"scan": (time.perf_counter_ns() - start) / SCANNED}

    return [partial(calls, "update", updates, lambda: None), scan]


def calls(name: str, operation: Operation, between: Callable[[], object]) -> Mapping[str, float]:
    """Return the median over batches and the 99th percentile over calls, each net of an empty call's median."""
    empty = Operation(noop, [()])
    p50 = batched_ns(operation) - batched_ns(empty)
    between()
    single, nothing = np.empty(CALLS, np.uint64), np.empty(CALLS, np.uint64)
    operation.sample_per_call(single)
    empty.sample_per_call(nothing)
    between()
    p99 = float(np.percentile(single, 99)) * operation.ns_per_tick
    return {f"{name}, p50": p50, f"{name}, p99": p99 - float(np.median(nothing)) * empty.ns_per_tick}


def batched_ns(operation: Operation) -> float:
    """Return the median nanoseconds of a call over batches, gross."""
    batches = np.empty(CALLS // BATCH, np.uint64)
    operation.sample_batched(batches, BATCH)
    return float(np.median(batches)) * operation.ns_per_tick / BATCH


def plain_work(stack: ExitStack) -> list[Timed]:
    """Return the plain pipelines, their windows full."""
    timed: list[Timed] = []
    for name, make, ticks in (("naive", NaivePipeline, NAIVE_TICKS), ("incremental", IncrementalPipeline, PLAIN_TICKS)):
        journal = stack.enter_context(log_file())
        pipeline = stack.enter_context(closing(make(journal)))
        operation = fed(pipeline.on_tick, busy_market())
        loop = Operation(operation.function, operation.rows)
        loop.run(max(KEPT, MEMORY))
        timed.append(partial(ticked, name, loop, ticks, bounded(journal)))
    return timed


def ticked(name: str, loop: Operation, ticks: int, between: Callable[[], object]) -> Mapping[str, float]:
    """Return nanoseconds a tick of one batch."""
    batch = np.empty(1, np.uint64)
    loop.sample_batched(batch, ticks)
    between()
    return {name: float(batch[0]) * loop.ns_per_tick / ticks}


def engine_work(stack: ExitStack, other: int) -> list[Timed]:
    """Return the engine's calls, and its native run until the file has all and until the last decision."""
    market, long = busy_market(), busy_market(LONG_RUN)
    timed: list[Timed] = []
    for name, drained in (("on_tick", None), ("run", True), ("run, decided", False)):
        journal = stack.enter_context(log_file())
        with pinned(other):  # which the journal's thread inherits
            engine = stack.enter_context(engine_of(journal))
        between = partial(caught_up, engine, bounded(journal))
        if drained is None:
            operation = fed(engine.on_tick, market)
            timed.append(partial(calls, name, Operation(operation.function, operation.rows), between))
        else:
            timed.append(partial(run_once, name, rounds(engine, long, drained=drained), len(long), between))
    return timed


def run_once(name: str, once: Callable[[], object], ticks: int, between: Callable[[], object]) -> Mapping[str, float]:
    """Return nanoseconds a tick of one run."""
    start = time.perf_counter_ns()
    once()
    took = time.perf_counter_ns() - start
    between()
    return {name: took / ticks}


def print_figures(figures: Figures) -> None:
    """Print the median of everything, and the ratios that no limit is set for."""
    print("| work | ns, an operation or a tick | 95 % interval |\n|---|---|---|")
    for name, values in figures.items():
        low, high = interval(values)
        print(f"| {name} | {statistics.median(values):,.1f} | {low:,.1f} to {high:,.1f} |")
    print("\n| ratio | median | 95 % interval |\n|---|---|---|")
    for of, by in SHOWN:
        values = compared(Limit("", of, 0, by), figures)
        low, high = interval(values)
        print(f"| {of} / {by} | {statistics.median(values):,.0f} | {low:,.0f} to {high:,.0f} |")


def grown(what: str, figures: Figures, sizes: Sequence[int], most: float) -> list[str]:
    """Print the figures of each size and how the ratios to the smallest stand; return the words for them."""
    print(f"\n| {what} | best window, ns a tick |\n|---|---|")
    for size in sizes:
        print(f"| {size:,} | {statistics.median(figures[f'{size:,} {what}']):.1f} |")
    smallest = f"{sizes[0]:,} {what}"
    limits = [Limit(f"{size:,} {what} against {sizes[0]:,}", f"{size:,} {what}", most, smallest) for size in sizes[1:]]
    if "memory, MiB" in figures:
        limits.append(Limit(f"memory taken by the last nine tenths of {sizes[-1]:,} ticks, MiB", "memory, MiB", 4))
    return judged(limits, figures)


if __name__ == "__main__":
    gc.collect()
    sys.exit(main())

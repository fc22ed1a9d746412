"""How the engine's time per tick grows with the ticks that it has taken and with the symbols that it follows.

A figure is the best of a few windows at the end of each size, until the last decision, the journal's thread having
nothing left from before. `engine_limits` holds the ratios to their limits.
"""

import itertools
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import numpy.typing as npt
import psutil
from limits import SEED, Figures

from latencykit.engine import Engine
from latencykit.suites._engine_runs import STRETCH, apart, busy_market, engine_of
from latencykit.suites._logs import bounded, log_file

FEWEST_TICKS = 10_000
# Every size ends with the same ticks of the market, which is as long as the smallest size.
WINDOW, WINDOWS = 1_000, 5
SYMBOL_WINDOW = 20_000
SECOND_NS = 1_000_000_000
MEBIBYTE = 1 << 20
Records = npt.NDArray[np.void]


def caught_up(engine: Engine, between: Callable[[], object]) -> None:
    """Wait until every line is in the file, and keep that from growing."""
    engine.drain()
    between()


@contextmanager
def fresh(symbols: int = 1) -> Iterator[tuple[Engine, Callable[[], None]]]:
    """Yield an engine and what lets its journal catch up; engine and journal on a CPU each."""
    with log_file() as journal, engine_of(journal, symbols=symbols, **apart()) as engine:
        yield engine, partial(caught_up, engine, bounded(journal))


def best_ns(engine: Engine, windows: Iterable[Records], catch_up: Callable[[], None]) -> float:
    """Let an engine take windows in one run; return the best of the last ones, in nanoseconds a tick.

    A window's time is until its last decision, the journal's thread having nothing left from before.
    """
    started_ns = size = 0
    took: list[float] = []

    def handed_over() -> Iterator[Records]:
        nonlocal started_ns, size
        for window in windows:
            catch_up()
            size = len(window)
            started_ns = time.perf_counter_ns()
            yield window

    def done(_: int) -> None:
        took.append((time.perf_counter_ns() - started_ns) / size)

    engine.run(handed_over(), on_chunk=done)
    if engine.faults():
        raise RuntimeError(f"the engine refused what it was fed: {engine.faults()}")
    return min(took[-WINDOWS:])


def growth_over_ticks(sizes: Sequence[int], rounds_: int) -> Figures:
    """Return the best window at the end of so many ticks for each size, and how much memory the largest one took."""
    market = busy_market(FEWEST_TICKS // STRETCH)
    figures: Figures = {name: [] for name in (*(f"{size:,} ticks" for size in sizes), "memory, MiB")}
    shuffle, order = random.Random(SEED).shuffle, list(sizes)  # noqa: S311 - any order will do
    for _ in range(rounds_):
        shuffle(order)
        for size in order:
            best, grown_by = best_after(market.records(), size)
            figures[f"{size:,} ticks"].append(best)
            if size == max(sizes):
                figures["memory, MiB"].append(grown_by / MEBIBYTE)
    return figures


def best_after(records: Records, size: int) -> tuple[float, int]:
    """Let an engine take so many ticks; return its best window, and the growth of memory since a tenth of them."""
    process = psutil.Process(os.getpid())
    resident: list[int] = []

    def windows() -> Iterator[Records]:
        for taken, window in in_windows(records, size):
            if taken >= size // 10 and not resident:
                resident.append(process.memory_info().rss)
            yield window

    with fresh() as (engine, catch_up):
        best = best_ns(engine, windows(), catch_up)
        return best, process.memory_info().rss - resident[0]


def in_windows(records: Records, size: int) -> Iterator[tuple[int, Records]]:
    """Yield how many ticks there were before and the next ones, the last few windows small, times going on."""
    span_ns = int(records["timestamp_ns"][-1] - records["timestamp_ns"][0]) + SECOND_NS
    timed_from, taken = size - WINDOWS * WINDOW, 0
    while taken < size:
        at = taken % len(records)
        length = WINDOW if taken >= timed_from else min(len(records) - at, timed_from - taken)
        yield taken, records[at : at + length]
        taken += length
        if taken % len(records) == 0:
            records["timestamp_ns"] += span_ns


def growth_over_symbols(counts: Sequence[int], rounds_: int) -> Figures:
    """Return the best window of each number of symbols."""
    figures: Figures = {f"{count:,} symbols": [] for count in counts}
    shuffle, order = random.Random(SEED).shuffle, list(counts)  # noqa: S311 - any order will do
    feeds = {count: windows_of(count) for count in counts}
    for _ in range(rounds_):
        shuffle(order)
        for count in order:
            with fresh(count) as (engine, catch_up):
                # The first one touches what each symbol has.
                best = best_ns(engine, itertools.islice(feeds[count], 1 + WINDOWS), catch_up)
            figures[f"{count:,} symbols"].append(best)
    return figures


def windows_of(symbols: int) -> Iterator[Records]:
    """Yield ticks of so many symbols in turn, each at a place of its own in the market, times going on."""
    records = busy_market().records()
    first = 0
    while True:
        rows = np.arange(first, first + SYMBOL_WINDOW)
        symbol = rows % symbols
        window = records[(rows // symbols + symbol * 97) % len(records)]
        window["symbol"] = symbol
        window["timestamp_ns"] = records["timestamp_ns"][0] + rows * SECOND_NS // symbols
        first += SYMBOL_WINDOW
        yield window

"""Hold the indicators against the limits that they were built to, as ratios within this one run.

`limits` says how statements are timed. The unit is ``gc.isenabled()``, about the least that a call from Python can
cost. Ours are called with `out`; the libraries have no such thing and make their results anew.

What bounds a pass over ten million doubles is the longer of two: moving its bytes through memory, as NumPy does that
copies them or adds 1 to them (whichever is faster: a copy may use stores that need not read the line that they write),
and computing as fast as on 1000 doubles, which lie in the first-level cache.

`atr` on a million doubles moves 32 MB in four arrays, about what a third-level cache holds. Where others use that cache
or the memory, its lead over TA-Lib, which on 1000 doubles is clear, may be too small to be told.

Run it as ``python reports/indicator_limits.py``, with the extra `peers` installed. It prints tables in Markdown and
ends with 0 if every limit holds, 1 if one is missed, 3 if one cannot be told, a peer is missing, or the machine was
unfit.
"""

import gc
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from limits import (
    LINES,
    Figures,
    Limit,
    Statement,
    compared,
    difference,
    exit_status,
    interval,
    judged,
    measured,
    print_figures,
    row,
)

from latencykit._core import Operation
from latencykit.analysis.verdicts import judge_machine
from latencykit.engine import indicators
from latencykit.measuring.conditions import choose_cpu, collector, pinned
from latencykit.measuring.meter import read_meter

SHORT_ROUNDS = 400
LONG_ROUNDS = 31
TIMINGS = 3
PAGE = 4096
LENGTH = 10_000_000
CALLS = 1_000
METER_NS = 500_000_000
SERIES = 32
Array = npt.NDArray[Any]
Calls = tuple[Callable[..., object], Sequence[tuple[float, ...]]]


@dataclass(frozen=True)
class Batch:
    """An indicator with its settings, its inputs and outputs, and the call of the library that it must outrun."""

    call: str
    peer: str
    inputs: int = 1
    outputs: int = 1
    library: str = "TA-Lib"

    @property
    def ours(self) -> str:
        """The call of ours, into arrays that are there already."""
        out = "o1" if self.outputs == 1 else "(o1, o2, o3)"
        return f"{self.call[:-1]}, out={out})"

    @property
    def arrays(self) -> int:
        """How many arrays it reads or writes."""
        return self.inputs + self.outputs


PANDAS = "import pandas as pd; sx, sv = pd.Series(x), pd.Series(v)"
BATCHES = {
    "ema": Batch("ema(x, 20)", "talib.EMA(x, 20)"),
    "sma": Batch("sma(x, 20)", "talib.SMA(x, 20)"),
    "rsi": Batch("rsi(x, 14)", "talib.RSI(x, 14)"),
    "macd": Batch("macd(x, 12, 26, 9)", "talib.MACD(x, 12, 26, 9)", outputs=3),
    "bollinger": Batch("bollinger(x, 20, 2.0)", "talib.BBANDS(x, 20, 2.0, 2.0)", outputs=3),
    "atr": Batch("atr(high, low, x, 14)", "talib.ATR(high, low, x, 14)", inputs=3),
    "vwap": Batch("vwap(x, v)", "(sx * sv).cumsum() / sv.cumsum()", inputs=2, library="pandas"),
    "vwap of 20": Batch(
        "vwap(x, v, 20)", "(sx * sv).rolling(20).sum() / sv.rolling(20).sum()", inputs=2, library="pandas"
    ),
    "rolling_std": Batch("rolling_std(x, 20)", "talib.STDDEV(x, 20)"),
    "rolling_min": Batch("rolling_min(x, 20)", "talib.MIN(x, 20)"),
    "rolling_max": Batch("rolling_max(x, 20)", "talib.MAX(x, 20)"),
    "zscore": Batch("zscore(x, 20)", "w = sx.rolling(20); (sx - w.mean()) / w.std(ddof=0)", library="pandas"),
}
OTHERS = BATCHES.keys() - {"ema"}  # which has its own limits
NUMBA = """
import numba
@numba.njit
def loop(x, alpha, out):
    average = x[0]
    for i in range(x.size):
        average = alpha * x[i] + (1 - alpha) * average
        out[i] = average
    return out
"""


VALUES = [100 + eighths / 8 for eighths in (3, 9, 1, 14, 7, 2, 11, 5, 8, 12, 4, 10, 6, 13, 0, 15, 2, 7, 9, 1, 16, 5)]
SINGLES = [(value,) for value in VALUES]
# Class, settings, and rows of arguments for update().
STREAMS: dict[str, tuple[tuple[int, ...], Sequence[tuple[float, ...]]]] = {
    "Ema": ((20,), SINGLES),
    "Sma": ((20,), SINGLES),
    "Rsi": ((14,), SINGLES),
    "Macd": ((12, 26, 9), SINGLES),
    "Bollinger": ((20,), SINGLES),
    "Atr": ((14,), [(value + 0.25, value - 0.25, value) for value in VALUES]),
    "Vwap": ((), [(value, 300.0) for value in VALUES]),
    "RollingStd": ((20,), SINGLES),
    "RollingMin": ((20,), SINGLES),
    "RollingMax": ((20,), SINGLES),
    "Zscore": ((20,), SINGLES),
}


def names_of(length: int) -> dict[str, object]:
    """Return what the statements find: our functions, inputs that wander, and arrays for the outputs."""
    random = np.random.default_rng(1)
    x = 100 + np.cumsum(random.normal(0, 0.01, length))
    return {
        **{name: getattr(indicators, name) for name in indicators.__all__},
        "np": np,
        "x": x,
        "high": x + random.uniform(0, 0.1, length),
        "low": x - random.uniform(0, 0.1, length),
        "v": random.uniform(1, 1000, length),
        **{name: np.zeros(length) for name in ("o1", "o2", "o3")},
        "placed": partial(placed, random),
    }


def placed(random: np.random.Generator, array: Array) -> Array:
    """Return a copy that begins anywhere in a page, at a multiple of 16 bytes as malloc gives.

    Where a result begins in its page just where its input does in its own, the CPU takes loads to wait for stores that
    they have nothing to do with; how often that is so is left to chance, and not to what was allocated before.
    """
    room = np.empty(array.nbytes + 2 * PAGE, np.uint8)
    begin = -room.ctypes.data % PAGE + 16 * int(random.integers(PAGE // 16))
    copy = room[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def batches(names: Iterable[str], count: int) -> dict[str, Statement]:
    """Return for each indicator a statement of ours and one of the library's that it must outrun."""
    made = {}
    for name in names:
        batch = BATCHES[name]
        made[name] = Statement([batch.ours], loops=1, count=count)
        if batch.library == "pandas":  # takes far longer, so that few are enough
            made[f"{name}, pandas"] = Statement([batch.peer], once=PANDAS, loops=1, count=min(count, 5))
        else:
            made[f"{name}, TA-Lib"] = Statement([batch.peer], once="import talib", loops=1, count=count)
    return made


def updates(name: str) -> Statement:
    """Return updates of a streaming indicator with values that wander."""
    settings, rows = STREAMS[name]
    lines = [f"update({', '.join(map(repr, row))})" for row in rows]
    return Statement(lines, once=f"update = {name}(*{settings}).update", loops=2)


LOOP = {"loop": Statement(["pass"])}
PLACED = "x, o1 = placed(x), placed(o1)"
EMA = Statement(["ema(x, 20, out=o1)"], PLACED)
BOUND = Statement(["bound()"], f"{PLACED}; bound = bind(ema, x, 20, out=o1)")
COPYING = Statement(["to[:] = of"], f"{PLACED}; of, to = memoryview(x), memoryview(o1)")
ONE_DOUBLE = "x, o1 = x[:1], o1[:1]"
SHORT = {
    **LOOP,
    "unit": Statement(["gc.isenabled()"], "import gc"),
    **batches(BATCHES, LINES),
    "ema": EMA,
    "ema, numba": Statement(["loop(x, 2 / 21, o1)"], PLACED, NUMBA, loops=2),
    "ema, pandas": Statement(["sx.ewm(span=20, adjust=False).mean()"], once=PANDAS, loops=1, count=5),
    "ema, float32": replace(EMA, once="x, o1 = x.astype('f4'), o1.astype('f4')"),
    "ema, series": replace(
        EMA, once=f"x = x + np.zeros(({SERIES}, 1)); o1 = np.zeros_like(x)", count=20, loops=2, per=SERIES
    ),
    "ema, 1 double": replace(EMA, once=ONE_DOUBLE),
    "ema, bound": BOUND,
    "ema, bound, 1 double": replace(BOUND, once=ONE_DOUBLE),
    "copy of 8,000 bytes": COPYING,
    "copy of 8 bytes": replace(COPYING, once=ONE_DOUBLE),
    **{f"{name}.update": updates(name) for name in STREAMS},
}
MILLION = {**LOOP, **batches([name for name in BATCHES if name in OTHERS], 1)}
LARGE = {
    **LOOP,
    "copy": Statement(["np.copyto(o1, x)"], loops=1, count=1),
    "add": Statement(["np.add(x, 1.0, out=o1)"], loops=1, count=1),
    **{name: Statement([batch.ours], loops=1, count=1) for name, batch in BATCHES.items()},
}
KERNEL, COPY, MEMORY = "ema, kernel alone", "copy of 8,000 bytes alone", "the faster of copy and add"


def outrunning(length: str) -> list[Limit]:
    """Return the limits of all indicators but ema against the libraries."""
    return [
        Limit(f"{name}, {length}: times faster than {b.library}", f"{name}, {b.library}", 1, name, at_least=True)
        for name, b in BATCHES.items()
        if name in OTHERS
    ]


SHORT_LIMITS = [
    Limit("ema, ns", "ema", 350),
    Limit("ema: times faster than TA-Lib", "ema, TA-Lib", 12, "ema", at_least=True),
    Limit("ema: times faster than numba", "ema, numba", 6, "ema", at_least=True),
    Limit("ema: times faster than pandas", "ema, pandas", 100, "ema", at_least=True),
    Limit("ema, kernel alone, to a copy of 8,000 bytes", KERNEL, 3.5, COPY),
    Limit("ema: times faster in float32", "ema", 1.25, "ema, float32", at_least=True),
    Limit(f"ema: times faster for each of {SERIES} series", "ema", 1.3, "ema, series", at_least=True),
    *outrunning("1,000"),
    Limit("Ema.update, units", "Ema.update", 2.5, "unit"),
]
LARGE_LIMITS = [Limit("ema, 10,000,000: to NumPy's copy or add, the faster", "ema", 1.5, MEMORY)]


def print_updates(figures: Figures) -> None:
    """Print what each streaming indicator's update costs; only Ema's has a limit."""
    print("\n| update of | units | 95 % interval |\n|---|---|---|")
    for name in STREAMS:
        units = compared(Limit("", f"{name}.update", 0, "unit"), figures)
        low, high = interval(units)
        print(f"| {name} | {statistics.median(units):.2f} | {low:.2f} to {high:.2f} |")


def allocations() -> dict[str, int]:
    """Return how often each update, and ema into an array, asks for memory in so many calls.

    The result, a float or a tuple of three, is dropped at once and comes from the interpreter's free lists: what is
    counted is beyond it.
    """
    x, out = np.full(1000, 100.0), np.zeros(1000)
    calls: dict[str, Calls] = {"ema": (lambda: indicators.ema(x, 20, out=out), [()])}
    calls["bound ema"] = indicators.bind(indicators.ema, x, 20, out=out), [()]
    for name, (settings, rows) in STREAMS.items():
        calls[f"{name}.update"] = getattr(indicators, name)(*settings).update, rows
    return {name: counted(function, rows) for name, (function, rows) in calls.items()}


def counted(function: Callable[..., object], rows: Sequence[tuple[float, ...]]) -> int:
    """Return how often so many calls ask for memory, after as many that fill windows and free lists."""
    operation = Operation(function, rows)
    operation.run(CALLS)
    return sum(count or 0 for count in operation.count_allocations(CALLS).values())


def judged_allocations() -> list[str]:
    """Print whether any call asks for memory beyond its result, and return the word for it."""
    asked = {name: count for name, count in allocations().items() if count}
    word = "MISSED" if asked else "held"
    which = f" ({', '.join(asked)})" if asked else ""
    print(
        f"| allocations beyond the result in {CALLS:,} calls of ema and of each update{which} "
        f"| {sum(asked.values())} | | <= 0 | {word} |"
    )
    return [word]


def print_large(large: Figures, short: Figures) -> None:
    """Print what a pass over ten million doubles takes, and the greater of what its two parts would take alone."""
    print(f"\n| {LENGTH:,} doubles | ms | its bytes through memory alone, ms | its computing alone, ms | bound by |")
    print("|---|---|---|---|---|")
    middle = {name: statistics.median(values) / 1e6 for name, values in large.items()}
    call = statistics.median(short["ema, 1 double"])
    for name in ("copy", "add"):
        print(f"| NumPy's {name} | {middle[name]:.1f} | | | |")
    for name, batch in BATCHES.items():
        moving = middle[MEMORY] * batch.arrays / 2
        computing = (statistics.median(short[name]) - call) / 1000 * LENGTH / 1e6
        word = "memory" if moving > computing else "computing"
        print(f"| {name} | {middle[name]:.1f} | {moving:.1f} | {computing:.1f} | {word} |")


def main() -> int:
    """Measure all statements, print the figures and the limits, and return the exit status."""
    cpu = choose_cpu(None)
    before = read_meter(cpu, METER_NS)
    with collector("off"), pinned(cpu):
        short = measured(SHORT, SHORT_ROUNDS, names_of(1000))
        million = measured(MILLION, LONG_ROUNDS, names_of(1_000_000), TIMINGS)
        large = measured(LARGE, LONG_ROUNDS, names_of(LENGTH), TIMINGS)
    validity = judge_machine([before, read_meter(cpu, METER_NS)])
    short[KERNEL] = difference(short, "ema, bound", "ema, bound, 1 double")
    short[COPY] = difference(short, "copy of 8,000 bytes", "copy of 8 bytes")
    large[MEMORY] = [min(pair) for pair in zip(large["copy"], large["add"], strict=True)]
    print(f"{sys.version.split()[0]}, CPU {cpu}, {indicators.ISA}; 1000 doubles where nothing else is said.")
    print(f"Machine {validity.verdict}: {validity.stolen_ratio:.1%} of a spinning core's time was lost.\n")
    print_figures(short)
    print("\nA million doubles:\n")
    print_figures(million)
    print_updates(short)
    print_large(large, short)
    words = judged(SHORT_LIMITS, short)
    words += [row(limit, million) for limit in outrunning("1,000,000")]
    words += [row(limit, large) for limit in LARGE_LIMITS]
    return exit_status([*words, *judged_allocations()], validity)


if __name__ == "__main__":
    gc.collect()
    sys.exit(main())

"""Hold the engine's parts against the limits that they were built to, as ratios within this one run.

Each statement stands a hundred times in a row in a compiled function, so that little remains of the loop, which is
measured too and taken off. Statements are timed in turns, in a new order each round, so that a slow spell of the
machine meets all of them alike; a ratio is the median over rounds, with its 95 % interval. The unit is
``gc.isenabled()``, about the least that a call from Python can cost.

Run it as ``python reports/part_limits.py``. It prints a table in Markdown and ends with 0 if every limit holds, 1 if
one is missed, 3 if one cannot be told or the machine was unfit.
"""

import gc
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from latencykit.analysis.intervals import quantile_ranks
from latencykit.analysis.verdicts import judge_machine
from latencykit.measuring.conditions import choose_cpu, collector, pinned
from latencykit.measuring.meter import read_meter

ROUNDS = 600
LINES = 100
METER_NS = 500_000_000
SEED = 20_260_102
RANDOM = random.Random(SEED)  # noqa: S311 - the same durations in every run
DURATIONS = [round(RANDOM.lognormvariate(7, 1)) for _ in range(LINES)]
# Prices that wander around a mid: half of the updates meet the best three levels, every eighth removes one.
UPDATES = [
    (side, 100 + (0.01 if side else -0.01) * (1 + int(RANDOM.expovariate(0.3)) % 10), RANDOM.choice([0, *range(1, 8)]))
    for side in (RANDOM.randrange(2) for _ in range(LINES))
]


@dataclass(frozen=True)
class Statement:
    """What is timed: lines of Python, one operation each.

    Attributes:
        lines: The operations.
        setup: Makes their names, anew for every round.
        once: Makes names that last for all rounds.
        loops: How often the hundred lines run in a round.
    """

    lines: Sequence[str]
    setup: str = ""
    once: str = ""
    loops: int = 10


@dataclass(frozen=True)
class Limit:
    """A bound on a statement's nanoseconds, or on its ratio to another's or its difference from it."""

    part: str
    of: str
    limit: float
    by: str | None = None
    difference: bool = False
    at_least: bool = False


# Between rounds the records are formatted and the file is emptied; within one the ring never fills.
LOG = """
import os, tempfile
from latencykit.engine import AsyncLogger
folder = tempfile.TemporaryDirectory()
path = os.path.join(folder.name, "x.log")
logger = AsyncLogger(path{options})
site = logger.site("order {{}} qty {{}} price {{:.2f}}")
"""
LOG_EMPTIED = "logger.drain(); os.truncate(path, 0); assert logger.dropped == 0"
LOGGING = """
import logging, os, tempfile
folder = tempfile.TemporaryDirectory()
handler = logging.FileHandler(os.path.join(folder.name, "x.log"))
handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
logger = logging.Logger("limits", logging.INFO)
logger.addHandler(handler)
"""

STATEMENTS = {
    "loop": Statement(["pass"]),
    "unit": Statement(["gc.isenabled()"], "import gc"),
    "perf_counter_ns": Statement(["time.perf_counter_ns()"], "import time"),
    "now_ns": Statement(["timer.now_ns()"], "from latencykit.engine import PrecisionTimer; timer = PrecisionTimer()"),
    "scope": Statement(
        ["with scope: pass"],
        "from latencykit.engine import PerformanceStats, PrecisionTimer\n"
        "stats = PerformanceStats(); scope = PrecisionTimer().measure(stats)",
    ),
    "record": Statement(
        [f"stats.record({ns})" for ns in DURATIONS],
        "from latencykit.engine import PerformanceStats; stats = PerformanceStats()",
    ),
    "hdrhistogram": Statement(
        [f"peer.record_value({ns})" for ns in DURATIONS],
        "from hdrh.histogram import HdrHistogram; peer = HdrHistogram(1, 3_600_000_000_000, 3)",
    ),
    "create, one hot slot": Statement(
        ["arena.create(1, 0, 100, 101.5)"],
        "from latencykit.engine import OrderArena; arena = OrderArena(1, on_exhausted='recycle')",
    ),
    "create, walking 10,000 slots": Statement(
        ["arena.create(1, 0, 100, 101.5)"],
        "from latencykit.engine import OrderArena; arena = OrderArena(10_000)\n"
        "for order in [arena.create(1, 0, 1, 1.0) for _ in range(10_000)]: arena.release(order)\n"
        "del order",
        loops=100,
    ),
    "create and release": Statement(
        ["arena.release(arena.create(1, 0, 100, 101.5))"],
        "from latencykit.engine import OrderArena; arena = OrderArena(10_000)",
    ),
    "msgspec.Struct(gc=False)": Statement(
        ["Order(1, 0, 100, 101.5)"],
        "import msgspec\n"
        "class Order(msgspec.Struct, gc=False):\n"
        "    symbol_id: int\n    side: int\n    quantity: int\n    price: float",
    ),
    "deque append, popleft": Statement(["d.append(None); d.popleft()"], "from collections import deque; d = deque()"),
    "queue.Queue put, get": Statement(["q.put_nowait(0); q.get_nowait()"], "import queue; q = queue.Queue()", loops=1),
    "SpscQueue push, pop": Statement(
        ["q.try_push(None); q.try_pop()"], "from latencykit.engine import SpscQueue; q = SpscQueue(1024)"
    ),
    "MpmcQueue push, pop": Statement(
        ["q.try_push(None); q.try_pop()"], "from latencykit.engine import MpmcQueue; q = MpmcQueue(1024)"
    ),
    "UnboundedQueue push, pop": Statement(
        ["q.try_push(None); q.try_pop()"], "from latencykit.engine import UnboundedQueue; q = UnboundedQueue()"
    ),
    "log call": Statement(["site('AAPL', 100, 670.25)"], LOG_EMPTIED, LOG.format(options="")),
    "log call, crash-proof": Statement(
        ["site('AAPL', 100, 670.25)"], LOG_EMPTIED, LOG.format(options=", crash_proof=True")
    ),
    "logging": Statement(["logger.info('order %s qty %d price %.2f', 'AAPL', 100, 670.25)"], once=LOGGING, loops=1),
    "picologging": Statement(
        ["logger.info('order %s qty %d price %.2f', 'AAPL', 100, 670.25)"],
        once=LOGGING.replace("import logging", "import picologging as logging"),
        loops=1,
    ),
    "book update": Statement(
        [f"book.update({side}, {price:.2f}, {quantity})" for side, price, quantity in UPDATES],
        "from latencykit.engine import OrderBook; book = OrderBook('X', 10)",
    ),
}

LIMITS = [
    Limit("now_ns", "now_ns", 0.65, "perf_counter_ns"),
    Limit("scoped timing, enter and exit", "scope", 4, "unit"),
    Limit("histogram record", "record", 1.6, "unit"),
    Limit("histogram record: times faster than hdrhistogram", "hdrhistogram", 30, "record", at_least=True),
    Limit("order create, one hot slot", "create, one hot slot", 2.5, "unit"),
    Limit("order create, one hot slot, ns", "create, one hot slot", 60),
    Limit("order create, walking", "create, walking 10,000 slots", 2.5, "unit"),
    Limit("order create, walking, ns", "create, walking 10,000 slots", 60),
    Limit(
        "order create and release, ns beyond a msgspec.Struct",
        "create and release",
        20,
        "msgspec.Struct(gc=False)",
        difference=True,
    ),
    Limit("book update", "book update", 3, "unit"),
    Limit("log call, 3 arguments", "log call", 2.2, "unit"),
    Limit("log call, 3 arguments, ns", "log call", 50),
    Limit("log call, crash-proof, ns", "log call, crash-proof", 60),
    Limit("log call: times faster than logging", "logging", 250, "log call", at_least=True),
    Limit("log call: times faster than picologging", "picologging", 100, "log call", at_least=True),
    Limit("push and pop, one thread", "SpscQueue push, pop", 1.2, "deque append, popleft"),
    Limit(
        "push and pop: times faster than queue.Queue", "queue.Queue put, get", 25, "SpscQueue push, pop", at_least=True
    ),
]


def main() -> int:
    """Measure all statements, print the figures and the limits, and return the exit status."""
    cpu = choose_cpu(None)
    before = read_meter(cpu, METER_NS)
    with collector("off"), pinned(cpu):
        figures = measured(STATEMENTS)
    validity = judge_machine([before, read_meter(cpu, METER_NS)])
    print(f"{sys.version.split()[0]}, CPU {cpu}, {ROUNDS} rounds of {LINES} operations or more a statement.")
    print(f"Machine {validity.verdict}: {validity.stolen_ratio:.1%} of a spinning core's time was lost.\n")
    print("| statement | ns, net of the loop |\n|---|---|")
    for name, values in figures.items():
        print(f"| {name} | {statistics.median(values):.1f} |")
    print("\n| limit | measured | 95 % interval | must be | |\n|---|---|---|---|---|")
    words = [row(limit, figures) for limit in LIMITS if {limit.of, limit.by or limit.of} <= figures.keys()]
    if "MISSED" in words:
        return 1
    return 3 if "cannot be told" in words or validity.verdict == "unfit" else 0


def measured(statements: dict[str, Statement]) -> dict[str, list[float]]:
    """Return nanoseconds an operation for each statement and round, net of the loop's of the same round."""
    timed = {name: made for name, statement in statements.items() if (made := compiled(name, statement))}
    order, gross = list(timed), {name: [0.0] * ROUNDS for name in timed}
    for index in range(-3, ROUNDS):  # the first rounds warm up
        RANDOM.shuffle(order)
        for name in order:
            function, prepare = timed[name]
            prepare()
            gross[name][index] = function() / (LINES * statements[name].loops)
    loops = gross.pop("loop")
    return {name: [ns - loop for ns, loop in zip(values, loops, strict=True)] for name, values in gross.items()}


def compiled(name: str, statement: Statement) -> tuple[Callable[[], int], Callable[[], None]] | None:
    """Return a function that times the statement's lines, and one that makes its names anew; None without its peer."""
    lines = [statement.lines[index % len(statement.lines)] for index in range(LINES)]
    body = "\n".join(f"        {line}" for line in lines)
    source = f"def timed():\n    start = clock()\n    for _ in loops:\n{body}\n    return clock() - start\n"
    names: dict[str, object] = {"clock": time.perf_counter_ns, "loops": range(statement.loops)}
    exec(source, names)  # noqa: S102 - the lines stand above
    setup = compile(statement.setup, "<setup>", "exec")
    timed: Callable[[], int] = names["timed"]  # type: ignore[assignment]

    def prepare() -> None:
        exec(setup, names)  # noqa: S102 - the setup stands above

    try:
        exec(statement.once, names)  # noqa: S102 - what is made once stands above
        prepare()
    except ModuleNotFoundError as error:
        print(f"{name}: left out, {error.name} is not installed\n")
        return None
    return timed, prepare


def row(limit: Limit, figures: dict[str, list[float]]) -> str:
    """Print how a limit stands and return the word for it."""
    values = sorted(compared(limit, figures))
    low, high = (values[rank - 1] for rank in quantile_ranks(0.5, len(values)))
    within = (low >= limit.limit, high < limit.limit) if limit.at_least else (high <= limit.limit, low > limit.limit)
    word = "held" if within[0] else "MISSED" if within[1] else "cannot be told"
    sign = ">=" if limit.at_least else "<="
    middle = statistics.median(values)
    print(f"| {limit.part} | {middle:.3g} | {low:.3g} to {high:.3g} | {sign} {limit.limit:g} | {word} |", flush=True)
    return word


def compared(limit: Limit, figures: dict[str, list[float]]) -> list[float]:
    """Return the figure of every round: nanoseconds, a difference of nanoseconds, or a ratio."""
    values = figures[limit.of]
    if limit.by is None:
        return values
    others = figures[limit.by]
    if limit.difference:
        return [value - other for value, other in zip(values, others, strict=True)]
    return [value / other for value, other in zip(values, others, strict=True)]


if __name__ == "__main__":
    gc.collect()
    sys.exit(main())

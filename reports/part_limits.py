"""Hold the engine's parts against the limits that they were built to, as ratios within this one run.

`limits` says how statements are timed. The unit is ``gc.isenabled()``, about the least that a call from Python can
cost.

Run it as ``python reports/part_limits.py``. It prints a table in Markdown and ends with 0 if every limit holds, 1 if
one is missed, 3 if one cannot be told or the machine was unfit.
"""

import gc
import random
import sys

from limits import LINES, Limit, Statement, exit_status, judged, measured, print_figures

from latencykit.analysis.verdicts import judge_machine
from latencykit.measuring.conditions import choose_cpu, collector, pinned
from latencykit.measuring.meter import read_meter

ROUNDS = 600
METER_NS = 500_000_000
SEED = 20_260_102
RANDOM = random.Random(SEED)  # noqa: S311 - the same durations in every run
DURATIONS = [round(RANDOM.lognormvariate(7, 1)) for _ in range(LINES)]
# Prices that wander around a mid: half of the updates meet the best three levels, every eighth removes one.
UPDATES = [
    (side, 100 + (0.01 if side else -0.01) * (1 + int(RANDOM.expovariate(0.3)) % 10), RANDOM.choice([0, *range(1, 8)]))
    for side in (RANDOM.randrange(2) for _ in range(LINES))
]


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
        figures = measured(STATEMENTS, ROUNDS)
    validity = judge_machine([before, read_meter(cpu, METER_NS)])
    print(f"{sys.version.split()[0]}, CPU {cpu}, {ROUNDS} rounds of {LINES} operations or more a statement.")
    print(f"Machine {validity.verdict}: {validity.stolen_ratio:.1%} of a spinning core's time was lost.\n")
    print_figures(figures)
    return exit_status(judged([limit for limit in LIMITS if limit.told_by(figures)], figures), validity)


if __name__ == "__main__":
    gc.collect()
    sys.exit(main())

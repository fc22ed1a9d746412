"""What the scripts share that hold statements against limits, as ratios within one run.

Each statement stands many times in a row in a compiled function, so that little remains of the loop, which is measured
too and taken off. Statements are timed in turns, in a new order each round, so that a slow spell of the machine meets
all of them alike; a ratio is the median over rounds, with its 95 % interval.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from latencykit.analysis.intervals import quantile_ranks
from latencykit.model import Validity

LINES = 100
SEED = 20_260_102
WARM_ROUNDS = 3
LOOP = "loop"
Figures = dict[str, list[float]]


@dataclass(frozen=True)
class Statement:
    """What is timed: lines of Python, one operation each.

    Attributes:
        lines: The operations.
        setup: Makes their names, anew for every round.
        once: Makes names that last for all rounds.
        loops: How often the lines run in a round.
        count: How many lines stand in a row; `lines` are repeated or cut to that.
        per: How many pieces of work a line does; figures are of one.
    """

    lines: Sequence[str]
    setup: str = ""
    once: str = ""
    loops: int = 10
    count: int = LINES
    per: int = 1


@dataclass(frozen=True)
class Limit:
    """A bound on a statement's nanoseconds, or on its ratio to another's or its difference from it."""

    part: str
    of: str
    limit: float
    by: str | None = None
    difference: bool = False
    at_least: bool = False

    def told_by(self, figures: Mapping[str, object]) -> bool:
        """Tell whether what it takes was measured."""
        return {self.of, self.by or self.of} <= figures.keys()


def measured(
    statements: Mapping[str, Statement], rounds: int, given: Mapping[str, object] | None = None, timings: int = 1
) -> Figures:
    """Return nanoseconds an operation for each statement and round, net of the loop's of the same round.

    Args:
        statements: By name; the one named "loop" is what is taken off.
        rounds: How often each is timed, after some rounds that warm up.
        given: Names that all statements find.
        timings: How often a statement is timed in a round, of which the least counts: what takes milliseconds is
            interrupted too often otherwise.
    """
    timed = {name: made for name, statement in statements.items() if (made := compiled(name, statement, given or {}))}
    order, gross = list(timed), {name: [0.0] * rounds for name in timed}
    shuffle = random.Random(SEED).shuffle  # noqa: S311 - any order will do
    for index in range(-min(WARM_ROUNDS, rounds), rounds):
        shuffle(order)
        for name in order:
            function, prepare = timed[name]
            prepare()
            gross[name][index] = min(function() for _ in range(timings)) / (
                statements[name].count * statements[name].loops
            )
    loops = gross.pop(LOOP)
    return {
        name: [(ns - loop) / statements[name].per for ns, loop in zip(values, loops, strict=True)]
        for name, values in gross.items()
    }


def compiled(
    name: str, statement: Statement, given: Mapping[str, object]
) -> tuple[Callable[[], int], Callable[[], None]] | None:
    """Return a function that times the statement's lines, and one that makes its names anew; None without its peer."""
    lines = [statement.lines[index % len(statement.lines)] for index in range(statement.count)]
    body = "\n".join(f"        {line}" for line in lines)
    source = f"def timed():\n    start = clock()\n    for _ in loops:\n{body}\n    return clock() - start\n"
    names: dict[str, object] = {**given, "clock": time.perf_counter_ns, "loops": range(statement.loops)}
    exec(source, names)  # noqa: S102 - the lines stand in a script of ours
    setup = compile(statement.setup, "<setup>", "exec")
    timed: Callable[[], int] = names["timed"]  # type: ignore[assignment]

    def prepare() -> None:
        exec(setup, names)  # noqa: S102 - the setup stands in a script of ours

    try:
        exec(statement.once, names)  # noqa: S102 - what is made once stands in a script of ours
        prepare()
    except ModuleNotFoundError as error:
        print(f"{name}: left out, {error.name} is not installed\n")
        return None
    return timed, prepare


def difference(figures: Figures, of: str, less: str) -> list[float]:
    """Return how much more one statement took than another, round by round."""
    return [value - other for value, other in zip(figures[of], figures[less], strict=True)]


def print_figures(figures: Figures) -> None:
    """Print the median of every statement."""
    print("| statement | ns, net of the loop |\n|---|---|")
    for name, values in figures.items():
        print(f"| {name} | {statistics.median(values):,.1f} |")


def judged(limits: Iterable[Limit], figures: Figures) -> list[str]:
    """Print how each limit stands and return the words for them: held, MISSED, cannot be told, not shown."""
    print("\n| limit | measured | 95 % interval | must be | |\n|---|---|---|---|---|")
    return [row(limit, figures) for limit in limits]


def row(limit: Limit, figures: Figures) -> str:
    """Print how a limit stands and return the word for it."""
    sign = f"{'>=' if limit.at_least else '<='} {limit.limit:g}"
    if not limit.told_by(figures):
        print(f"| {limit.part} | | | {sign} | not shown |", flush=True)
        return "not shown"
    values = compared(limit, figures)
    low, high = interval(values)
    within = (low >= limit.limit, high < limit.limit) if limit.at_least else (high <= limit.limit, low > limit.limit)
    word = "held" if within[0] else "MISSED" if within[1] else "cannot be told"
    print(f"| {limit.part} | {statistics.median(values):.3g} | {low:.3g} to {high:.3g} | {sign} | {word} |", flush=True)
    return word


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the median."""
    ordered = sorted(values)
    low, high = (ordered[rank - 1] for rank in quantile_ranks(0.5, len(ordered)))
    return low, high


def compared(limit: Limit, figures: Figures) -> list[float]:
    """Return the figure of every round: nanoseconds, a difference of nanoseconds, or a ratio."""
    values = figures[limit.of]
    if limit.by is None:
        return values
    if limit.difference:
        return difference(figures, limit.of, limit.by)
    return [value / other for value, other in zip(values, figures[limit.by], strict=True)]


def exit_status(words: Iterable[str], validity: Validity) -> int:
    """Return 0 if all hold, 1 if one is missed, 3 if one cannot be told or is not shown or the machine was unfit."""
    kinds = set(words)
    if "MISSED" in kinds:
        return 1
    return 3 if kinds - {"held"} or validity.verdict == "unfit" else 0

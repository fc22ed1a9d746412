"""Find planted panics, and count what is signalled beside them, on markets that the detector was not tuned on.

``python reports/panic_detection.py`` prints the tables as Markdown; ``--bars FILE`` adds what is found in a file of
real bars. The rule and its settings were chosen on the development seeds alone (``--seeds development``).
"""

import argparse
import dataclasses
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from latencykit.engine import PanicDetector, Signal, Ticks, read_ticks, synthetic_market

TICKS = 20_000
SEEDS = {"development": range(100), "held-out": range(1000, 1200)}
MARKETS: Mapping[str, Mapping[str, float]] = {
    "as tuned": {},
    "half the volatility": {"volatility": 0.5},
    "twice the volatility": {"volatility": 2.0},
    "heavy tails (Student's t, 4)": {"tail": 4},
    "half as many ticks a second": {"ticks_per_second": 0.5},
    "twice as many ticks a second": {"ticks_per_second": 2.0},
}
LAG = 10  # ticks after the bottom in which an entry still counts
LONGEST_PANIC_S = 51
LONGEST_HOLD_S = 500
AFTERMATH_S = 60  # for which a signal after a decoy's end is laid to it
LEAST_FOUND, MOST_FALSE = 0.95, 1e-4
CONFIDENCE = 0.95


@dataclasses.dataclass
class Tally:
    """What came of the signals on some markets."""

    ticks: int = 0
    panics: int = 0
    decoys: Counter[str] = dataclasses.field(default_factory=Counter)
    delays: list[int] = dataclasses.field(default_factory=list)
    profits: list[float] = dataclasses.field(default_factory=list)
    reached: int = 0
    false: Counter[str] = dataclasses.field(default_factory=Counter)

    @property
    def found(self) -> int:
        """How many panics were found."""
        return len(self.delays)


def bottom_of(market: Ticks, panic: int, rate: float) -> int:
    """Return the tick of the lowest price within the longest time that a planted fall takes."""
    return panic + int(market.price[panic : panic + int(LONGEST_PANIC_S * rate)].argmin())


def outcome(market: Ticks, signal: Signal, rate: float) -> float | None:
    """Return the profit, as a fraction, of selling at the first of take-profit and stop; None if neither is reached."""
    after = market.price[signal.index + 1 : signal.index + 1 + int(LONGEST_HOLD_S * rate)]
    ends = ((after >= signal.take_profit) | (after <= signal.stop)).nonzero()[0]
    return float(after[ends[0]]) / signal.price - 1 if len(ends) else None


def cause_of(market: Ticks, signal: Signal, rate: float) -> str:
    """Return what a false signal stands in."""
    for kind, start, end in market.decoys:
        if start <= signal.index < end + AFTERMATH_S * rate:
            return kind
    if any(panic <= signal.index < panic + 300 * rate for panic in market.panics):
        return "panic, too late or twice"
    return "nothing planted"


def add(tally: Tally, market: Ticks, signals: Sequence[Signal], rate: float) -> None:
    """Judge each signal on a market: the first of each panic, from its start to LAG after its bottom, is right."""
    right = set()
    for panic in market.panics:
        bottom = bottom_of(market, panic, rate)
        entry = next((signal for signal in signals if panic <= signal.index <= bottom + LAG), None)
        if entry is None:
            continue
        right.add(entry.index)
        tally.delays.append(entry.index - bottom)
        profit = outcome(market, entry, rate)
        if profit is not None:
            tally.profits.append(profit)
            tally.reached += profit > 0
    tally.ticks += len(market)
    tally.panics += len(market.panics)
    tally.decoys.update(kind for kind, _, _ in market.decoys)
    tally.false.update(cause_of(market, signal, rate) for signal in signals if signal.index not in right)


def tallied(seeds: Iterable[int], parameters: Mapping[str, float], ticks: int = TICKS) -> Tally:
    """Return what the detector with its default settings makes of a market for each seed."""
    rate = parameters.get("ticks_per_second", 1.0)
    decoys = 2 * int(ticks / (5_000 * rate))
    tally = Tally()
    for seed in seeds:
        market = synthetic_market(ticks, seed, decoys=decoys, **parameters)  # type: ignore[arg-type]
        add(tally, market, PanicDetector().scan(market.price, market.volume), rate)
    return tally


def found_interval(tally: Tally) -> tuple[float, float]:
    """Return the exact interval of the share of panics found (Clopper and Pearson 1934)."""
    k, n, tail = tally.found, tally.panics, (1 - CONFIDENCE) / 2
    low = 0.0 if k == 0 else root(lambda p: 1 - binomial_below(k, n, p) - tail, 0, 1)
    high = 1.0 if k == n else root(lambda p: tail - binomial_below(k + 1, n, p), 0, 1)
    return low, high


def false_interval(tally: Tally) -> tuple[float, float]:
    """Return the exact interval of false entries a tick, taken as a Poisson rate (Garwood 1936)."""
    k, tail = tally.false.total(), (1 - CONFIDENCE) / 2
    most = 10.0 * (k + 10)
    low = 0.0 if k == 0 else root(lambda mean: 1 - poisson_below(k, mean) - tail, 0, most)
    return low / tally.ticks, root(lambda mean: tail - poisson_below(k + 1, mean), 0, most) / tally.ticks


def binomial_below(k: int, n: int, p: float) -> float:
    """Return the probability of fewer than k of n."""
    if p in (0.0, 1.0):
        return float(p == 0.0 or k > n)
    logs = (math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(k))
    return math.fsum(math.exp(c + i * math.log(p) + (n - i) * math.log1p(-p)) for i, c in enumerate(logs))


def poisson_below(k: int, mean: float) -> float:
    """Return the probability of fewer than k."""
    if mean == 0:
        return 1.0
    return math.fsum(math.exp(i * math.log(mean) - mean - math.lgamma(i + 1)) for i in range(k))


def root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function passes 0, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def verdict(tally: Tally) -> str:
    """Say whether both limits are kept by the whole interval."""
    kept = found_interval(tally)[0] >= LEAST_FOUND and false_interval(tally)[1] <= MOST_FALSE
    broken = found_interval(tally)[1] < LEAST_FOUND or false_interval(tally)[0] > MOST_FALSE
    return "held" if kept else "MISSED" if broken else "cannot be told"


def print_tables(seeds: range) -> None:
    """Print what was found and what was signalled falsely on every kind of market."""
    tallies = {name: tallied(seeds, parameters) for name, parameters in MARKETS.items()}
    print("| market | ticks | panics | found | 95 % interval | false entries | per 10,000 ticks, 95 % interval | |")
    print("|---|---|---|---|---|---|---|---|")
    for name, tally in tallies.items():
        low, high = (1e4 * rate for rate in false_interval(tally))
        least, most = found_interval(tally)
        print(
            f"| {name} | {tally.ticks:,} | {tally.panics} | {tally.found} | {least:.2%} to {most:.2%} "
            f"| {tally.false.total()} | {low:.3f} to {high:.3f} | {verdict(tally)} |"
        )
    print(
        "\n| market | false entries by what they stand in | ticks from bottom to entry: median, range | take-profit |"
    )
    print("|---|---|---|---|")
    for name, tally in tallies.items():
        causes = ", ".join(f"{cause} {count}" for cause, count in sorted(tally.false.items())) or "none"
        delays = tally.delays or [0]
        print(
            f"| {name} | {causes} | {statistics.median(delays):g}, {min(delays)} to {max(delays)} "
            f"| {tally.reached} of {tally.found} |"
        )
    planted = sum((tally.decoys for tally in tallies.values()), Counter())
    print(f"\nDecoys planted: {', '.join(f'{count} {kind}' for kind, count in sorted(planted.items()))}.")


def print_bars(path: str) -> None:
    """Print each signal in a file of bars, and what became of it within 500 bars."""
    bars = read_ticks(path)
    signals = PanicDetector().scan(bars.price, bars.volume)
    print(f"{len(signals)} signals in {len(bars):,} bars.\n")
    print("| time (UTC) | price | confidence | take-profit | stop | first of both | lowest of the 60 bars before |")
    print("|---|---|---|---|---|---|---|")
    for signal in signals:
        time = datetime.fromtimestamp(int(bars.timestamp_ns[signal.index]) / 1e9, UTC)
        profit = outcome(bars, signal, 1.0)
        end = "neither" if profit is None else f"{profit:+.2%}"
        before = bars.price[max(signal.index - 60, 0) : signal.index]
        fall = float(before.min() / before.max()) - 1
        print(
            f"| {time:%Y-%m-%d %H:%M} | {signal.price:,.1f} | {signal.confidence:.2f} | {signal.take_profit:,.1f} "
            f"| {signal.stop:,.1f} | {end} | {before.min():,.1f} ({fall:.1%} from the highest) |"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", choices=list(SEEDS), default="held-out")
    parser.add_argument("--bars", help="a file of real bars")
    arguments = parser.parse_args()
    print_tables(SEEDS[arguments.seeds])
    if arguments.bars:
        print()
        print_bars(arguments.bars)


if __name__ == "__main__":
    main()

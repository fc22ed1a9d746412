"""Measure how often rules for comparing two operations are wrong, on real samples of operations whose ratio is known.

Each trial samples two chains of dependent multiplies in turns, as ``latencykit compare`` does: equal ones, where every
difference that is told is a false alarm, or one of which has 5 % more multiplies. The rules of other tools are computed
from the same samples. Run it as ``python reports/compare_error_rates.py > reports/compare-error-rates.local.md``.
"""

import argparse
import math
import os
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from latencykit.analysis.growth import student_t
from latencykit.analysis.paired import DIFFERENT_FROM, LOOKS, pairs_of, ratio_when_decided
from latencykit.analysis.verdicts import fitness
from latencykit.comparison import PairSamples
from latencykit.measuring.conditions import choose_cpu, collector, pinned
from latencykit.measuring.effort import PairEffort
from latencykit.measuring.meter import read_meter
from latencykit.measuring.pairing import Contender, PairSampler
from latencykit.measuring.probes import multiply_chain
from latencykit.suite import call

LENGTH, LONGER = 1_000, 1_050
EFFORT = PairEffort(LOOKS, block_ns=0, warm_up_ns=50_000_000, meter_ns=20_000_000)
# Values that a tool which takes one timing at a time would have had of an operation.
Values = Sequence[float]
Rule = Callable[[Values, Values], float]


@dataclass(frozen=True)
class Trial:
    """What each rule said of one trial: 1 for slower, -1 for faster, 0 for neither; and what the machine lost."""

    said: dict[str, float]
    ratio: float
    holds_one: bool
    stolen: float


def main() -> None:
    """Run all trials and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--equal", type=int, default=500, help="trials of two equal operations (500)")
    parser.add_argument("--planted", type=int, default=100, help="trials with a slowdown of 5 %% (100)")
    wanted = parser.parse_args()
    cpu = choose_cpu(None)
    with pinned(cpu), collector("off"):
        equal = [trial(LENGTH, cpu) for _ in counted("equal", wanted.equal)]
        planted = [trial(LONGER, cpu) for _ in counted("planted", wanted.planted)]
    print_table(equal, planted, cpu)


def counted(what: str, trials: int) -> range:
    """Say on standard error what begins."""
    print(f"{trials} trials: {what}", file=sys.stderr, flush=True)
    return range(trials)


def trial(length: int, cpu: int | None) -> Trial:
    """Sample two fresh operations, and ask every rule."""
    before = read_meter(cpu, EFFORT.meter_ns)
    samples = sampled(length)
    after = read_meter(cpu, EFFORT.meter_ns)
    stolen = (before.lost_ns + after.lost_ns) / (before.observed_ns + after.observed_ns)
    found = ratio_when_decided(samples, 1)
    said = {OURS: {"slower": 1.0, "faster": -1.0}.get(found.verdict, 0.0)}
    # The third timing of each sample, gross: what a tool without floors and minima sees when caches are warm.
    pairs = pairs_of(samples)
    a, b = [pair.a_ns[2] for pair in pairs], [pair.b_ns[2] for pair in pairs]
    said |= {name: rule(a, b) for name, rule in RULES.items()}
    low, high = found.interval or (0.0, math.inf)
    return Trial(said, found.ratio or math.nan, low <= 1 <= high, stolen)


def sampled(length: int) -> PairSamples:
    """Take all pairs of a chain of the usual length and one of another."""
    contenders = [Contender(name, call(multiply_chain, n)) for name, n in (("a", LENGTH), ("b", length))]
    for contender in contenders:
        contender.warm_up(EFFORT.warm_up_ns)
    sampler = PairSampler(*contenders, EFFORT, random.SystemRandom())
    while sampler.pairs < LOOKS[-1]:
        sampler.take_block()
    return sampler.samples


OURS = f"latencykit: the paired interval beyond {DIFFERENT_FROM - 1:.0%}"


def mean_beyond(threshold: float) -> Rule:
    """Return pytest-benchmark's rule, ``--benchmark-compare-fail=mean:5%``: one mean beyond the other by a share."""

    def rule(a: Values, b: Values) -> float:
        ratio = statistics.fmean(b) / statistics.fmean(a)
        return float(ratio > 1 + threshold) - float(ratio < 1 / (1 + threshold))

    return rule


def t_test(a: Values, b: Values) -> float:
    """Apply pyperf's rule in ``compare_to``: Student's t with pooled variance, two-sided at 95 %."""
    pooled = (statistics.variance(a) * (len(a) - 1) + statistics.variance(b) * (len(b) - 1)) / (len(a) + len(b) - 2)
    score = (statistics.fmean(b) - statistics.fmean(a)) / math.sqrt(pooled * (1 / len(a) + 1 / len(b)))
    return math.copysign(float(abs(score) >= student_t(len(a) + len(b) - 2)), score)


def rank_test_beyond(factor: float) -> Rule:
    """Return asv's rule: Mann and Whitney's test at 0.002, and medians that differ by a factor (1.1 unless told)."""

    def rule(a: Values, b: Values) -> float:
        ratio = statistics.median(b) / statistics.median(a)
        beyond = float(ratio > factor) - float(ratio < 1 / factor)
        return beyond if rank_p(a, b) < 0.002 else 0.0

    return rule


def rank_p(a: Values, b: Values) -> float:
    """Return the two-sided p of Mann and Whitney's test by its normal approximation, ties corrected."""
    together = np.concatenate([a, b])
    _, inverse, counts = np.unique(together, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]
    n, m, total = len(a), len(b), len(together)
    statistic = ranks[:n].sum() - n * (n + 1) / 2
    ties = float((counts**3 - counts).sum()) / (total * (total - 1))
    deviation = math.sqrt(n * m / 12 * (total + 1 - ties))
    return math.erfc(abs(statistic - n * m / 2) / deviation / math.sqrt(2)) if deviation else 1.0


RULES: dict[str, Rule] = {
    "pytest-benchmark: means differ by more than 5 %": mean_beyond(0.05),
    "pyperf: t-test, 95 %": t_test,
    "asv: rank test, p < 0.002, medians beyond 1.1": rank_test_beyond(1.1),
    "the same with medians beyond 1.01": rank_test_beyond(DIFFERENT_FROM),
}


def print_table(equal: list[Trial], planted: list[Trial], cpu: int | None) -> None:
    """Print what every rule said, and the machine meanwhile."""
    stolen = sorted(trial.stolen for trial in [*equal, *planted])
    middle = statistics.median(stolen) if stolen else 1.0
    print(
        f"CPU {cpu} of {os.uname().nodename}; {fitness(middle)}, {middle:.1%} of its time lost in the median trial, "
        f"{stolen[0]:.1%} to {stolen[-1]:.1%}; {LENGTH} and {LONGER} multiplies, {LOOKS[-1]} pairs a trial.\n"
    )
    print(f"| rule | false alarms in {len(equal)} trials of equal operations | 5 % slower found, of {len(planted)} |")
    print("|---|---|---|")
    for name in (OURS, *RULES):
        alarms = sum(trial.said[name] != 0 for trial in equal)
        found = sum(trial.said[name] > 0 for trial in planted)
        print(f"| {name} | {alarms} ({share(alarms, len(equal))}) | {found} ({share(found, len(planted))}) |")
    held = sum(trial.holds_one for trial in equal)
    print(f"\nOur intervals hold the ratio of equal operations in {held} of {len(equal)} trials; 99 % are promised.")
    if planted:
        ratios = sorted(trial.ratio for trial in planted)
        print(
            f"Of the {LONGER / LENGTH - 1:.0%} more multiplies we found {ratios[0]:.4f} to {ratios[-1]:.4f}, "
            f"{statistics.median(ratios):.4f} in the median; a call's fixed part makes that differ a little."
        )


def share(part: int, whole: int) -> str:
    """Return a share in percent."""
    return f"{part / whole:.1%}" if whole else "n/a"


if __name__ == "__main__":
    main()

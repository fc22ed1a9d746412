"""Hold one operation against another by samples that were taken in pairs. Pure: numbers in, numbers out.

Nothing is assumed of how times are distributed. Each pair says which of the two took longer and by what factor; if the
true median factor were r, every pair would be above r as a fair coin falls. The interval holds all r for which that
coin is believable (the sign test turned round, which gives order statistics of the factors as its ends). It is looked
at several times and stated for several comparisons, so each look of each gets an equal part of the chance to be wrong
(Bonferroni): whatever depends on what, the parts add up to no more than the whole.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from latencykit.analysis.intervals import quantile_ranks
from latencykit.comparison import ComparisonVerdict, Interval, Pair, PairSamples, Shape

# After so many pairs the sampler stops if the interval tells enough.
LOOKS = (26, 52, 78, 104)
# The chance that any interval of a command misses its true ratio. It also bounds false alarms, of which there are far
# fewer, for an interval must miss by 1 % to raise one.
FAMILY_ERROR = 0.01
# Slower: the whole interval is above this, faster: below its inverse.
DIFFERENT_FROM = 1.01
# Same: the whole interval is within this factor.
SAME_WITHIN = 1.02
# Less than this share of an empty call is not told from nothing.
LEAST_SHARE = 0.02
# A ratio that changes by more than this factor while it is measured is reported, if chance does not explain it.
DRIFT_FROM = 1.05
_DRIFT_ERROR = 0.0005
UNFIT = "the machine lost too much time to others"


@dataclass(frozen=True, slots=True)
class PairedRatio:
    """The ratio b over a at a look, and what it comes to."""

    ratio: float | None
    interval: Interval | None
    level: float
    verdict: ComparisonVerdict
    reason: str = ""
    remarks: tuple[str, ...] = ()


def level_of(comparisons: int) -> float:
    """Return the level of each of so many intervals, all looks together."""
    return 1 - FAMILY_ERROR / comparisons


def ratio_at_look(samples: PairSamples, comparisons: int) -> PairedRatio:
    """Judge what was sampled up to a look.

    Args:
        samples: Pairs, at least one.
        comparisons: How many comparisons the command makes, at least 1; all share the chance to be wrong.
    """
    pairs, level = pairs_of(samples), level_of(comparisons)
    one_sided = FAMILY_ERROR / (2 * len(LOOKS) * comparisons)
    bounded = [name for name, low in _at_floor(samples, pairs, one_sided) if low]
    if len(bounded) == 2:
        reason = "neither can be told from an empty call; let each operation do more"
        return PairedRatio(None, None, level, "inconclusive", reason)
    ratios = pair_ratios(samples)
    interval, centre = sign_interval(ratios, one_sided), statistics.median(ratios)
    remarks = (*_floor_remarks(bounded), *drift_remarks(ratios))
    if interval is None:
        reason = f"{len(ratios)} pairs are too few for an interval"
        return PairedRatio(centre, None, level, "inconclusive", reason, remarks)
    verdict = verdict_of(interval)
    return PairedRatio(centre, interval, level, verdict, undecided(interval, verdict), remarks)


def decided(samples: PairSamples, comparisons: int) -> bool:
    """Tell whether more pairs are not needed, because the verdict stands, or would not help."""
    found = ratio_at_look(samples, comparisons)
    return found.verdict != "inconclusive" or found.ratio is None or len(pairs_of(samples)) >= LOOKS[-1]


def ratio_when_decided(samples: PairSamples, comparisons: int) -> PairedRatio:
    """Look at samples that are all taken as a comparison does under way, and judge them where it would have stopped."""
    for look in LOOKS:
        seen = msgspec.structs.replace(samples, blocks=samples.blocks[: look // 2])
        if decided(seen, comparisons):
            break
    return ratio_at_look(seen, comparisons)


def sign_interval(values: Sequence[float], one_sided: float) -> Interval | None:
    """Return the interval of the median that the sign test gives.

    It is exact for independent values of any continuous distribution (Hettmansperger and McKean, Robust Nonparametric
    Statistical Methods, 2nd ed., 1.3).

    Args:
        values: In any order.
        one_sided: The chance to miss the true median on one given side, at most.

    Returns:
        Two of the values, or None if there are too few for such a small chance.
    """
    count = len(values)
    if count == 0 or 0.5**count > one_sided:
        return None
    low, _ = quantile_ranks(0.5, count, one_sided)
    ordered = sorted(values)
    return ordered[low - 1], ordered[count - low]


def verdict_of(interval: Interval) -> ComparisonVerdict:
    """Return what an interval of the ratio b over a says of b."""
    low, high = interval
    if low > DIFFERENT_FROM:
        return "slower"
    if high < 1 / DIFFERENT_FROM:
        return "faster"
    return "same" if low >= 1 / SAME_WITHIN and high <= SAME_WITHIN else "inconclusive"


def undecided(interval: Interval, verdict: ComparisonVerdict) -> str:
    """Return why an interval decides nothing, or nothing if it does."""
    if verdict != "inconclusive":
        return ""
    low, high = interval
    return (
        f"the interval {low:.3f} to {high:.3f} is neither beyond {DIFFERENT_FROM - 1:.0%} on one side "
        f"nor within {SAME_WITHIN - 1:.0%} of equal"
    ).replace("%", " %")


def pairs_of(samples: PairSamples) -> list[Pair]:
    """Return the pairs of all blocks, in the order in which they were taken."""
    return [pair for block in samples.blocks for pair in block.pairs]


def pair_ratios(samples: PairSamples) -> list[float]:
    """Return b over a of each pair, from the fastest timings net of the floor that was taken beside them.

    What is not more than `least_ns` counts as that much, so that a ratio to nothing is understated and finite.
    """
    a, b = samples.a, samples.b
    return [
        max(min(pair.b_ns) - pair.b_floor_ns, least_ns(b, pair.b_floor_ns))
        / max(min(pair.a_ns) - pair.a_floor_ns, least_ns(a, pair.a_floor_ns))
        for pair in pairs_of(samples)
    ]


def least_ns(shape: Shape, floor_ns: float) -> float:
    """Return the shortest time of a call that can be told from none.

    It is a step of the clock over a batch, or 2 % of an empty call.
    """
    return max(shape.resolution_ns / shape.batch_size, LEAST_SHARE * floor_ns, 1e-6)


def drift_remarks(ratios: Sequence[float]) -> list[str]:
    """Return a remark if the ratio of the first half of the pairs is not that of the second."""
    half = len(ratios) // 2
    early, late = sign_interval(ratios[:half], _DRIFT_ERROR), sign_interval(ratios[half:], _DRIFT_ERROR)
    if early is None or late is None or (early[1] >= late[0] and late[1] >= early[0]):
        return []
    before, after = statistics.median(ratios[:half]), statistics.median(ratios[half:])
    if abs(math.log(after / before)) < math.log(DRIFT_FROM):
        return []
    return [
        f"the ratio drifted from {before:.3g} to {after:.3g} while it was measured: one of the two changes with its "
        "calls, for example because they alter its input"
    ]


def _at_floor(samples: PairSamples, pairs: Sequence[Pair], one_sided: float) -> list[tuple[str, bool]]:
    """Tell for each operation whether its net time may be nothing."""
    sides = (
        (samples.a, [(min(pair.a_ns), pair.a_floor_ns) for pair in pairs]),
        (samples.b, [(min(pair.b_ns), pair.b_floor_ns) for pair in pairs]),
    )
    found = []
    for shape, timed in sides:
        interval = sign_interval([gross - floor - least_ns(shape, floor) for gross, floor in timed], one_sided)
        found.append((shape.name, interval is not None and interval[0] <= 0))
    return found


def _floor_remarks(bounded: Sequence[str]) -> list[str]:
    return [
        f"{name} cannot be told from an empty call, so that the true ratio may be farther from 1" for name in bounded
    ]

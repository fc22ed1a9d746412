"""What is claimed, what was found, and whether the two agree. Pure data and arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from latencykit.model import Fitness

Outcome = Literal["true", "false", "inconclusive"]

# A central figure is true within 3 % and one step of the clock that it was read from, a tail within 5 %.
CENTRE_TOLERANCE = 0.03
TAIL_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Check:
    """One truth and what the tool said of it.

    Attributes:
        name: What was measured.
        truth: The true figure.
        found: The tool's figure.
        allowed: How far the two may be apart.
        unit: "ns", or "" for a count.
    """

    name: str
    truth: float
    found: float
    allowed: float
    unit: Literal["ns", ""] = "ns"

    @property
    def off(self) -> float:
        """How far the found figure is from the truth, with its sign."""
        return self.found - self.truth

    def outcome(self, machine: Fitness) -> Outcome:
        """Judge the figure; on an unfit machine a wrong one may be the machine's fault."""
        if abs(self.off) <= self.allowed:
            return "true"
        return "inconclusive" if machine == "unfit" else "false"


def centre(name: str, truth_ns: float, found_ns: float, step_ns: float) -> Check:
    """Check a median: within 3 % and one step of the clock."""
    return Check(name, truth_ns, found_ns, truth_ns * CENTRE_TOLERANCE + step_ns)


def tail(name: str, truth_ns: float, found_ns: float, step_ns: float) -> Check:
    """Check a tail percentile: within 5 % and one step of the clock."""
    return Check(name, truth_ns, found_ns, truth_ns * TAIL_TOLERANCE + step_ns)


def chain_checks(lengths: Sequence[int], found_ns: Sequence[float], step_ns: float) -> list[Check]:
    """Check chains of dependent multiplies against a straight line in their length.

    No clock can be trusted below its step, but a chain twice as long takes twice as long: the truth is the slope,
    taken by Theil and Sen's median of all pairwise slopes, from the shortest chain onwards.

    Args:
        lengths: Numbers of multiplies, ascending, the first as the origin.
        found_ns: The tool's medians, one a chain.
        step_ns: Step of the clock over the length of a batch.
    """
    slopes = sorted(
        (found_ns[j] - found_ns[i]) / (lengths[j] - lengths[i])
        for i in range(len(lengths))
        for j in range(i + 1, len(lengths))
    )
    slope = slopes[len(slopes) // 2]
    return [
        centre(
            f"{length - lengths[0]} more multiplies in a chain ({slope:.3f} ns each)",
            slope * (length - lengths[0]),
            found - found_ns[0],
            step_ns,
        )
        for length, found in zip(lengths[1:], found_ns[1:], strict=True)
    ]

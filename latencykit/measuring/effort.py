"""How long to measure: a total for the run, split fairly over its operations."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["quick", "default", "rigorous"]

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Effort:
    """The wall time for one operation, and what it is spent on.

    Attributes:
        operation_ns: All phases together; slow setups come on top.
        meter_ns: One spin of the machine meter, before and after each component.
    """

    operation_ns: int
    meter_ns: int

    @property
    def warm_up_ns(self) -> int:
        """The most that warming up may take; it ends earlier when the time per call is stable."""
        return self.operation_ns // 8

    @property
    def sampling_ns(self) -> int:
        """Wall time for the samples and their floors."""
        return self.operation_ns * 13 // 16

    @property
    def allocation_ns(self) -> int:
        """The most that counting allocations may take."""
        return self.operation_ns // 16


@dataclass(frozen=True, slots=True)
class PairEffort:
    """How long to compare two operations.

    Attributes:
        looks: After how many pairs to ask whether more are wanted; each is even.
        block_ns: The least time for the single calls after each two pairs. It spreads the pairs over time, so that a
            spell of the machine meets few of them.
        warm_up_ns: The most that warming up one operation may take.
        most_ns: No further look is begun that would end later than this after the first pair.
        meter_ns: One spin of the machine meter, before and after.
    """

    looks: tuple[int, ...]
    block_ns: int = _SECOND // 50
    warm_up_ns: int = _SECOND // 4
    most_ns: int = 60 * _SECOND
    meter_ns: int = _SECOND // 10


# Level: most for one operation, most for all operations together, one spin of the meter.
_LEVELS: dict[Level, tuple[int, int | None, int]] = {
    "quick": (_SECOND, 36 * _SECOND, _SECOND // 10),
    "default": (4 * _SECOND, 170 * _SECOND, _SECOND // 4),
    "rigorous": (20 * _SECOND, None, _SECOND),
}


def effort_for(level: Level, operations: int) -> Effort:
    """Split the time of a level over so many operations.

    Args:
        level: quick (a run well within a minute), default (within four) or rigorous (20 s an operation).
        operations: How many will be measured, at least 1.
    """
    most_ns, total_ns, meter_ns = _LEVELS[level]
    share_ns = most_ns if total_ns is None else min(most_ns, total_ns // max(1, operations))
    return Effort(operation_ns=share_ns, meter_ns=meter_ns)

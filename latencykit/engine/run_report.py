"""What became of a feed that an engine took."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# One decision, as the native engine keeps it: native/latency/engine_settings.h has the same 80 bytes.
DECISION_DTYPE: Final[np.dtype[np.void]] = np.dtype(
    [
        ("row", np.uint64),
        ("timestamp_ns", np.int64),
        ("order", np.uint64),
        ("handle", np.uint64),
        ("quantity", np.int64),
        ("price", np.float64),
        ("confidence", np.float64),
        ("take_profit", np.float64),
        ("stop", np.float64),
        ("symbol", np.uint32),
        ("side", np.uint8),
        ("verdict", np.uint8),
        ("unused", np.uint16),
    ],
    align=True,
)
# What the risk gate says, by number.
VERDICTS: Final = ("passed", "killed", "size", "position", "collar", "rate", "paused", "exit", "strategy")


@dataclass(frozen=True, slots=True)
class FeedFault:
    """What of a feed was not as it should be, of one kind of FeedRules.

    Attributes:
        kind: The rule's name.
        count: How many ticks.
        first_row: The row of the first, counted from 0 over all that the engine took.
        last_row: The row of the last.
    """

    kind: str
    count: int
    first_row: int
    last_row: int


@dataclass(frozen=True, eq=False, slots=True)
class RunReport:
    """What became of a feed.

    Attributes:
        ticks: How many ticks came in.
        skipped: How many of them the feed rules skipped.
        held: How many the update interval held.
        updates: How many led to an update.
        signals: How many signals were given.
        orders: How many orders were made, entries and exits.
        refused: How many signals or exits led to no order.
        profit: What the exits realised, orders being taken for filled at once at their price, without fees.
        elapsed_ns: Wall time from the first tick to the last decision; lines may still be on their way.
        decisions: The newest orders and refusals of this run, of DECISION_DTYPE.
        faults: What was not as it should be, since the engine was made.
        stopped: The row at which orders stopped and why, or None.
        strategy_errors: How often the strategy failed since the engine was made.
    """

    ticks: int
    skipped: int
    held: int
    updates: int
    signals: int
    orders: int
    refused: int
    profit: float
    elapsed_ns: int
    decisions: NDArray[np.void]
    faults: tuple[FeedFault, ...]
    stopped: tuple[int, str] | None
    strategy_errors: int

    @property
    def entries(self) -> NDArray[np.void]:
        """The decisions that bought."""
        bought = (self.decisions["order"] > 0) & (self.decisions["side"] == 0)
        return np.asarray(self.decisions[bought])

    @property
    def signal_indices(self) -> tuple[int, ...]:
        """The rows of the signals, counted from 0 over all that the engine took."""
        return tuple(self._signalled()["row"].tolist())

    @property
    def signal_timestamps_ns(self) -> tuple[int, ...]:
        """The times of the signals, UTC nanoseconds since 1970."""
        return tuple(self._signalled()["timestamp_ns"].tolist())

    def _signalled(self) -> NDArray[np.void]:
        return np.asarray(self.decisions[~np.isnan(self.decisions["confidence"])])

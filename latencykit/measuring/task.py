"""What the parent asks of a child process."""

from typing import Any

import msgspec

from latencykit.measuring.effort import Effort


class Wanted(msgspec.Struct, frozen=True):
    """One operation to measure."""

    variant: str
    parameters: dict[str, Any]


class Task(msgspec.Struct, frozen=True):
    """The operations of one component, to be measured in one process.

    Attributes:
        origin: The suite's module name or path.
        component: The component's name.
        operations: What to measure, in order.
        effort: How long.
        cpu: The CPU to measure on; None for any.
        ticks: The path of the market data, or None for the synthetic market.
    """

    origin: str
    component: str
    operations: list[Wanted]
    effort: Effort
    cpu: int | None
    ticks: str | None

"""What the parent asks of a child process."""

from typing import Any

import msgspec

from latencykit.measuring import events
from latencykit.measuring.effort import Effort, PairEffort
from latencykit.model import Failure, operation_name
from latencykit.suite import GcPolicy


class Wanted(msgspec.Struct, frozen=True):
    """One operation to measure."""

    variant: str
    parameters: dict[str, Any]


class Task(msgspec.Struct, frozen=True, tag=True):
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

    def lost(self, finished: int, reason: str) -> events.Event | None:
        """Return the failure of the operation that was at work, or None if all were finished."""
        if finished >= len(self.operations):
            return None
        wanted = self.operations[finished]
        failure = Failure(self.component, wanted.variant, wanted.parameters, reason)
        return events.OperationFailed(operation_name(self.component, wanted.variant, wanted.parameters), failure)


class Side(msgspec.Struct, frozen=True):
    """One of two operations that are compared.

    Attributes:
        name: What to call it.
        origin: The module name or the path that it is loaded from.
        component: The component's name, or empty for a function of the user.
        member: The name of the variant, or the function's within its module.
        parameters: The values of the variant's parameters.
    """

    name: str
    origin: str
    component: str
    member: str
    parameters: dict[str, Any] = {}


class PairTask(msgspec.Struct, frozen=True, tag=True):
    """Two operations, to be compared in one process.

    Attributes:
        a: The ratio's base.
        b: What is held against it.
        effort: How long, and when to look.
        gc: Whether the cyclic garbage collector runs meanwhile.
        cpu: The CPU to measure on; None for any.
        seed: Of the order in which the two are sampled.
        answers: The descriptor from which a byte is read after each look: `GO_ON` or anything else to stop.
    """

    a: Side
    b: Side
    effort: PairEffort
    gc: GcPolicy
    cpu: int | None
    seed: int
    answers: int

    def lost(self, finished: int, reason: str) -> events.Event | None:
        """Return that the pair failed, or None if it was finished."""
        return None if finished else events.PairFailed("", reason)


GO_ON = b"+"
ENOUGH = b"."
AnyTask = Task | PairTask

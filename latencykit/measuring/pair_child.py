"""The child process that compares two operations: prepares both, samples them in turns, and asks after each look."""

import os
import random
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext

from latencykit.measuring import events
from latencykit.measuring.conditions import collector, pinned
from latencykit.measuring.functions import check_result, function_operation
from latencykit.measuring.loading import find
from latencykit.measuring.meter import read_meter
from latencykit.measuring.pairing import Contender, PairSampler
from latencykit.measuring.preparing import Stopped, lacks, prepared, reason_of
from latencykit.measuring.task import GO_ON, PairTask, Side
from latencykit.suite import Operation

Emit = Callable[[events.Event], None]


def run_pair_task(task: PairTask, emit: Emit) -> None:
    """Compare the task's two operations and tell how it goes; the last event is PairFinished or PairFailed."""
    at = _At(emit)
    try:
        emit(events.MeterRead(read_meter(task.cpu, task.effort.meter_ns)))
        for _ in _sample(task, at, emit):
            if os.read(task.answers, 1) != GO_ON:
                break
        emit(events.MeterRead(read_meter(task.cpu, task.effort.meter_ns)))
    except Stopped:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever an operation raises is reported
        detail = "".join(traceback.format_exception(error))
        peer = at.side is not None and bool(at.side.component) and _is_peer(at.side)
        skipped = lacks(error, peer=peer)
        emit(events.PairFailed(at.name, reason_of(error), detail, skipped))
    else:
        emit(events.PairFinished())


class _At:
    """Which of the two operations is at work, for blame."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self.side: Side | None = None
        self._sampler: PairSampler | None = None

    @property
    def name(self) -> str:
        """Its name, empty before the first begins."""
        if self._sampler is not None:
            return self._sampler.working
        return "" if self.side is None else self.side.name

    def begin(self, side: Side) -> None:
        """Say that work on one of the two begins."""
        self.side = side
        self._emit(events.OperationStarted(side.name))

    def both(self, sampler: PairSampler) -> None:
        """Say that the two are at work in turns."""
        self._sampler = sampler
        self._emit(events.PairStarted())


def _sample(task: PairTask, at: _At, emit: Emit) -> Iterator[None]:
    """Take samples; stop at each look until more are wanted."""
    chance = random.Random(task.seed)  # noqa: S311 - an order that nobody wants to guess
    sides = [("a", task.a), ("b", task.b)]
    chance.shuffle(sides)
    with ExitStack() as stack:
        operations, contenders = {}, {}
        # Setup is not pinned: threads that it starts must not inherit the one CPU that is measured on.
        for letter, side in sides:
            at.begin(side)
            operations[letter] = stack.enter_context(operation_of(side))
        stack.enter_context(collector(task.gc))
        stack.enter_context(pinned(task.cpu))
        for letter, side in sides:
            at.begin(side)
            check_result(operations[letter])
            contenders[letter] = Contender(side.name, operations[letter])
            contenders[letter].warm_up(task.effort.warm_up_ns)
        sampler = PairSampler(contenders["a"], contenders["b"], task.effort, chance)
        at.both(sampler)
        yield from _look_again(task, sampler, emit)


def _look_again(task: PairTask, sampler: PairSampler, emit: Emit) -> Iterator[None]:
    begin = time.monotonic_ns()
    for look in task.effort.looks:
        spent_ns = time.monotonic_ns() - begin
        if sampler.pairs and spent_ns * look > task.effort.most_ns * sampler.pairs:
            more, most = look - sampler.pairs, task.effort.most_ns / 1e9
            emit(events.Notice(f"stopped after {sampler.pairs} pairs: {more} more would go beyond {most:g} s"))
            return
        while sampler.pairs < look:
            sampler.take_block()
            emit(events.PairSampled(sampler.pairs, task.effort.looks[-1]))
        emit(events.PairLooked(sampler.samples))
        yield


def operation_of(side: Side) -> AbstractContextManager[Operation]:
    """Prepare one of the two operations; leaving the context cleans up after it."""
    if not side.component:
        return nullcontext(function_operation(side.origin, side.member))
    component = find(side.origin, side.component)
    return prepared(component.variants[side.member].setup, side.parameters)


def _is_peer(side: Side) -> bool:
    try:
        return find(side.origin, side.component).variants[side.member].peer is not None
    except Exception:  # noqa: BLE001 - a suite that is gone has no peers, and that it is gone is what is told
        return False

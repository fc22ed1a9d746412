"""The child process that measures one component or one pair: takes a task, writes events to a descriptor.

Standard output is the suite's to print on; the parent sends it to its own standard error.
"""

import contextlib
import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence

import msgspec

from latencykit.measuring import events
from latencykit.measuring.conditions import collector, pinned
from latencykit.measuring.loading import find
from latencykit.measuring.meter import read_meter
from latencykit.measuring.pair_child import run_pair_task
from latencykit.measuring.preparing import Stopped, lacks, prepared, reason_of
from latencykit.measuring.sampling import Subject, measure_operation
from latencykit.measuring.task import AnyTask, PairTask, Task, Wanted
from latencykit.model import Failure, Samples, operation_name
from latencykit.suite import Component, use_ticks

Emit = Callable[[events.Event], None]
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_STOPPED_STATUS = 128 + signal.SIGTERM
_DECODER: "msgspec.json.Decoder[Task | PairTask]" = msgspec.json.Decoder(AnyTask)


def _stop(_signal: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not end the cleaning up
    raise Stopped


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM when the parent dies; elsewhere than on Linux the next event finds it out."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def main() -> None:
    """Run the task in the last argument; the first is the descriptor that events go to."""
    # The parent decides what becomes of a child: Ctrl-C is its to receive.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    _end_with_parent()
    channel = int(sys.argv[1])
    task = _DECODER.decode(sys.argv[-1])

    def emit(event: events.Event) -> None:
        data = events.encode(event)
        while data:
            data = data[os.write(channel, data) :]

    try:
        # A parent that is gone makes the next write fail; there is nobody left to tell.
        with contextlib.suppress(BrokenPipeError):
            run_pair_task(task, emit) if isinstance(task, PairTask) else run_task(task, emit)
    except Stopped:
        sys.exit(_STOPPED_STATUS)
    # Threads that a suite leaves behind may keep this process alive; the parent need not wait to know the end.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.close(channel)


def run_task(task: Task, emit: Emit) -> None:
    """Measure every operation of the task and tell about each as it is finished."""
    use_ticks(task.ticks)
    try:
        component = find(task.origin, task.component)
        reading = read_meter(task.cpu, task.effort.meter_ns)
    except Exception as error:  # noqa: BLE001 - whatever keeps the operations from being measured is told for each
        for wanted in task.operations:
            emit(_failed(task.component, wanted, error))
        return
    emit(events.MeterRead(reading))
    for wanted in task.operations:
        _run_operation(component, wanted, task, emit)
    emit(events.MeterRead(read_meter(task.cpu, task.effort.meter_ns)))


def _run_operation(component: Component, wanted: Wanted, task: Task, emit: Emit) -> None:
    name = operation_name(component.name, wanted.variant, wanted.parameters)
    emit(events.OperationStarted(name))
    subject = Subject(component.name, wanted.variant, wanted.parameters, component.gc)
    try:
        # Setup is not pinned: threads that it starts must not inherit the one CPU that is measured on.
        with (
            prepared(component.variants[wanted.variant].setup, wanted.parameters) as operation,
            collector(component.gc),
            pinned(task.cpu),
        ):
            samples = measure_operation(subject, operation, task.effort)
    except Stopped:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a suite raises is reported, and the rest goes on
        variant = component.variants.get(wanted.variant)
        peer = variant is not None and variant.peer is not None
        emit(_failed(component.name, wanted, error, skipped=lacks(error, peer=peer)))
    else:
        emit(events.OperationFinished(name, samples))
        _tell_coverage(name, samples, task, emit)


def _tell_coverage(name: str, samples: Sequence[Samples], task: Task, emit: Emit) -> None:
    """Tell if the time was too short for every row of the user's own data."""
    rows, calls = samples[0].input_rows, sum(sample.count for sample in samples)
    if task.ticks is not None and calls < rows:
        emit(events.Notice(f"{name} had time for {calls:,} of its {rows:,} rows of input; --rigorous gives it more"))


def _failed(component: str, wanted: Wanted, error: BaseException, *, skipped: bool = False) -> events.OperationFailed:
    detail = "".join(traceback.format_exception(error))
    failure = Failure(component, wanted.variant, wanted.parameters, reason_of(error), detail, skipped)
    return events.OperationFailed(operation_name(component, wanted.variant, wanted.parameters), failure)

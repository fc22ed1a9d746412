"""The child process that measures one component: takes a Task, writes events to a descriptor.

Standard output is the suite's to print on; the parent sends it to its own standard error.
"""

import contextlib
import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import GeneratorType
from typing import Any

import msgspec

from latencykit.errors import InvalidTypeError, LatencykitError, UnsupportedError
from latencykit.measuring import events
from latencykit.measuring.conditions import collector, pinned
from latencykit.measuring.loading import describe, find
from latencykit.measuring.meter import read_meter
from latencykit.measuring.sampling import Subject, measure_operation
from latencykit.measuring.task import Task, Wanted
from latencykit.model import Failure, Samples, operation_name
from latencykit.suite import Component, Operation, as_operation, use_ticks

Emit = Callable[[events.Event], None]
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_STOPPED_STATUS = 128 + signal.SIGTERM


class Stopped(BaseException):
    """The parent asked this process to end; unwinding lets suites clean up."""


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
    task = msgspec.json.decode(sys.argv[-1], type=Task)

    def emit(event: events.Event) -> None:
        data = events.encode(event)
        while data:
            data = data[os.write(channel, data) :]

    try:
        # A parent that is gone makes the next write fail; there is nobody left to tell.
        with contextlib.suppress(BrokenPipeError):
            run_task(task, emit)
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
        lacking = isinstance(error, UnsupportedError) or (
            isinstance(error, ModuleNotFoundError) and variant is not None and variant.peer is not None
        )
        emit(_failed(component.name, wanted, error, skipped=lacking))
    else:
        emit(events.OperationFinished(name, samples))
        _tell_coverage(name, samples, task, emit)


def _tell_coverage(name: str, samples: Sequence[Samples], task: Task, emit: Emit) -> None:
    """Tell if the time was too short for every row of the user's own data."""
    rows, calls = samples[0].input_rows, sum(sample.count for sample in samples)
    if task.ticks is not None and calls < rows:
        emit(events.Notice(f"{name} had time for {calls:,} of its {rows:,} rows of input; --rigorous gives it more"))


@contextmanager
def prepared(setup: Callable[..., Any], parameters: dict[str, Any]) -> Iterator[Operation]:
    """Set a variant up, yield its operation, and let a generator clean up after."""
    made = setup(**parameters)
    if not isinstance(made, GeneratorType):
        yield as_operation(made)
        return
    try:
        made_operation = next(made, None)
        if made_operation is None:
            raise InvalidTypeError("a variant that is a generator must yield the operation to time; it yielded none")
        yield as_operation(made_operation)
        next(made, None)
    finally:
        made.close()


def _failed(component: str, wanted: Wanted, error: BaseException, *, skipped: bool = False) -> events.OperationFailed:
    detail = "".join(traceback.format_exception(error))
    failure = Failure(component, wanted.variant, wanted.parameters, _reason(error), detail, skipped)
    return events.OperationFailed(operation_name(component, wanted.variant, wanted.parameters), failure)


def _reason(error: BaseException) -> str:
    """Say in one sentence what went wrong."""
    if isinstance(error, LatencykitError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"it needs the package {error.name!r}, which is not installed; pip install it or leave --peers out"
    if isinstance(error, SystemExit):
        return f"it called exit({error.code!r})"
    return f"it raised {describe(error)}"

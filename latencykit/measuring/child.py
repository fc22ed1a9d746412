"""The child process that measures one component: takes a Task, writes events to a descriptor.

Standard output is the suite's to print on; the parent sends it to its own standard error.
"""

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import GeneratorType
from typing import Any

import msgspec

from latencykit.errors import LatencykitError
from latencykit.measuring import events
from latencykit.measuring.conditions import collector, pinned
from latencykit.measuring.loading import find
from latencykit.measuring.meter import read_meter
from latencykit.measuring.sampling import Subject, measure_operation
from latencykit.measuring.task import Task, Wanted
from latencykit.model import Failure, operation_name
from latencykit.suite import Component, Operation, as_operation, use_ticks

Emit = Callable[[events.Event], None]


class Stopped(BaseException):
    """The parent asked this process to end; unwinding lets suites clean up."""


def _stop(_signal: int, _frame: object) -> None:
    raise Stopped


def main() -> None:
    """Run the task in the second argument; the first is the descriptor that events go to."""
    # The parent decides what becomes of a child: Ctrl-C is its to receive.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    channel = int(sys.argv[1])
    task = msgspec.json.decode(sys.argv[2], type=Task)

    def emit(event: events.Event) -> None:
        data = events.encode(event)
        while data:
            data = data[os.write(channel, data) :]

    # A parent that is gone makes the next write fail; there is nobody left to tell.
    with contextlib.suppress(BrokenPipeError, Stopped):
        run_task(task, emit)


def run_task(task: Task, emit: Emit) -> None:
    """Measure every operation of the task and tell about each as it is finished."""
    use_ticks(task.ticks)
    component = find(task.origin, task.component)
    emit(events.MeterRead(read_meter(task.cpu, task.effort.meter_ns)))
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
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a suite raises is reported, and the rest goes on
        failure = Failure(component.name, wanted.variant, wanted.parameters, _reason(error), traceback.format_exc())
        emit(events.OperationFailed(name, failure))
    else:
        emit(events.OperationFinished(name, samples))


@contextmanager
def prepared(setup: Callable[..., Any], parameters: dict[str, Any]) -> Iterator[Operation]:
    """Set a variant up, yield its operation, and let a generator clean up after."""
    made = setup(**parameters)
    if not isinstance(made, GeneratorType):
        yield as_operation(made)
        return
    try:
        yield as_operation(next(made))
        next(made, None)
    finally:
        made.close()


def _reason(error: BaseException) -> str:
    """Say in one sentence what went wrong."""
    if isinstance(error, LatencykitError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"it needs the package {error.name!r}, which is not installed; pip install it or leave --peers out"
    if isinstance(error, SystemExit):
        return f"it called exit({error.code!r})"
    first_line = (str(error).splitlines() or [""])[0]
    return f"it raised {type(error).__name__}: {first_line}" if first_line else f"it raised {type(error).__name__}"


if __name__ == "__main__":
    main()

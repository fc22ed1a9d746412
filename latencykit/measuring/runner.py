"""Run components in fresh child processes, one after the other, and pass on what they tell.

A child that crashes or hangs loses only the operation that it was at: what it had finished is kept, and a new child
goes on with the rest.
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec

from latencykit.measuring import events
from latencykit.measuring.effort import Effort
from latencykit.measuring.loading import Source
from latencykit.measuring.task import Task, Wanted
from latencykit.model import Failure, operation_name

# What one operation may take beyond its budget: setups that read files, calls that take seconds.
_PATIENCE_S = 60.0
_PATIENCE_FACTOR = 10


def run_component(source: Source, effort: Effort, cpu: int | None, ticks: str | None) -> Iterator[events.Event]:
    """Measure a component's operations, each in the order of declaration.

    Args:
        source: The component and its chosen variants.
        effort: How long to measure each operation.
        cpu: The CPU to measure on; None for any.
        ticks: Path of the market data, or None for the synthetic market.

    Yields:
        Events as they come: one OperationFinished or OperationFailed for every operation.
    """
    name = source.component.name
    remaining = [Wanted(v, p) for p in source.component.combinations() for v in source.variants]
    yield events.ComponentStarted(name, len(remaining))
    while remaining:
        task = Task(source.origin, name, remaining, effort, cpu, ticks)
        done = 0
        for event in _run_child(task):
            done += isinstance(event, events.OperationFinished | events.OperationFailed)
            yield event
        if done == 0:
            break
        remaining = remaining[done:]
    yield events.ComponentFinished(name)


def _run_child(task: Task) -> Iterator[events.Event]:
    """Yield a child's events; if it ends early, also the failure of the operation that it was at."""
    reading, writing = os.pipe()
    child = subprocess.Popen(  # noqa: S603 - our own interpreter on our own module
        # -P: the working folder may hold a source tree of ours, which is not what the parent runs.
        [sys.executable, "-P", "-m", "latencykit.measuring.child", str(writing), msgspec.json.encode(task).decode()],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno() if _has_descriptor(sys.stderr) else subprocess.DEVNULL,
        pass_fds=(writing,),
        start_new_session=True,
    )
    os.close(writing)
    finished = 0
    try:
        for event in _read_events(reading, task.effort):
            finished += isinstance(event, events.OperationFinished | events.OperationFailed)
            yield event
        if finished < len(task.operations):
            yield _lost(task, task.operations[finished], _ending(child))
    finally:
        os.close(reading)
        _stop(child)


def _read_events(descriptor: int, effort: Effort) -> Iterator[events.Event]:
    """Yield events until the child closes its end or says nothing for too long."""
    patience_s = _PATIENCE_S + _PATIENCE_FACTOR * effort.operation_ns / 1e9
    buffer = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while selector.select(patience_s):
            chunk = os.read(descriptor, 1 << 20)
            if not chunk:
                return
            *lines, buffer = (buffer + chunk).split(b"\n")
            yield from map(events.decode, lines)


def _ending(child: "subprocess.Popen[bytes]") -> str:
    """Say how the child ended; one that still runs hung, and is stopped."""
    try:
        status = child.wait(timeout=1.0)
    except subprocess.TimeoutExpired:
        _stop(child)
        return "it said nothing for too long and was stopped; check that the operation returns"
    if status < 0:
        return f"it crashed the process with {signal.Signals(-status).name}"
    return f"it ended the process with exit status {status}"


def _lost(task: Task, wanted: Wanted, reason: str) -> events.OperationFailed:
    failure = Failure(task.component, wanted.variant, wanted.parameters, reason)
    return events.OperationFailed(operation_name(task.component, wanted.variant, wanted.parameters), failure)


def _stop(child: "subprocess.Popen[bytes]") -> None:
    """End the child and whatever it started, first asking, then not."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if child.poll() is not None:
            return
        os.killpg(child.pid, sign)
        deadline = time.monotonic() + 1.0
        while child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)


def _has_descriptor(stream: object) -> bool:
    try:
        stream.fileno()  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False
    return True

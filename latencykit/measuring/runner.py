"""Run components and pairs in fresh child processes, one after the other, and pass on what they tell.

A child that crashes or hangs loses only the operation that it was at: what it had finished is kept, and a new child
goes on with the rest.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from latencykit.comparison import PairSamples
from latencykit.measuring import events
from latencykit.measuring.effort import Effort, PairEffort
from latencykit.measuring.interrupts import Interrupts
from latencykit.measuring.loading import Source
from latencykit.measuring.task import ENOUGH, GO_ON, AnyTask, PairTask, Side, Task, Wanted
from latencykit.suite import GcPolicy

# What one operation may take beyond its budget: setups that read files, calls that take seconds.
_PATIENCE_S = 60.0
_PATIENCE_FACTOR = 10
# How often to look whether a child that says nothing still runs.
_LOOK_S = 1.0
# How long to wait after Ctrl-C for the rest of what a child is just telling.
_LAST_LOOK_S = 0.1
# What a child may take to clean up.
_GRACE_S = 5.0
# A child imports from where its parent does: with -m, a folder `latencykit` in the working directory, such as that of
# a clone, would come before the installed package.
_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from latencykit.measuring.child import main; main()"
_CRASHES = frozenset({signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGTRAP})


@dataclass(frozen=True, slots=True)
class _Limits:
    """What ends the wait for a child."""

    patience_s: float
    interrupts: Interrupts | None


def patience_for(effort: Effort) -> float:
    """Return for how many seconds a child may say nothing before it is held to hang."""
    return _PATIENCE_S + _PATIENCE_FACTOR * effort.operation_ns / 1e9


def run_component(
    source: Source,
    effort: Effort,
    cpu: int | None,
    ticks: str | None,
    *,
    patience_s: float | None = None,
    interrupts: Interrupts | None = None,
) -> Iterator[events.Event]:
    """Measure a component's operations, each in the order of declaration.

    Args:
        source: The component and its chosen variants.
        effort: How long to measure each operation.
        cpu: The CPU to measure on; None for any.
        ticks: Path of the market data, or None for the synthetic market.
        patience_s: For how many seconds a child may say nothing; None for `patience_for(effort)`.
        interrupts: Where Ctrl-C is noted; None where it raises KeyboardInterrupt.

    Yields:
        Events as they come: one OperationFinished or OperationFailed for every operation.

    Raises:
        KeyboardInterrupt: Ctrl-C was noted; what was told by then has been yielded, and the child has ended.
    """
    limits = _Limits(patience_for(effort) if patience_s is None else patience_s, interrupts)
    name = source.component.name
    remaining = [Wanted(v, p) for p in source.component.combinations() for v in source.variants]
    yield events.ComponentStarted(name, len(remaining))
    while remaining:
        task = Task(source.origin, name, remaining, effort, cpu, ticks)
        done = 0
        for event in _run_child(task, limits):
            done += isinstance(event, events.OperationFinished | events.OperationFailed)
            yield event
        if done == 0:
            break
        remaining = remaining[done:]
    yield events.ComponentFinished(name)


def run_pair(
    a: Side,
    b: Side,
    effort: PairEffort,
    cpu: int | None,
    enough: Callable[[PairSamples], bool],
    *,
    gc: GcPolicy = "off",
    seed: int = 0,
    patience_s: float = _PATIENCE_S,
    interrupts: Interrupts | None = None,
) -> Iterator[events.Event]:
    """Compare two operations in one child process.

    Args:
        a: The ratio's base.
        b: What is held against it.
        effort: How long, and when to look.
        cpu: The CPU to measure on; None for any.
        enough: Told at each look what was sampled; returns True to stop there.
        gc: Whether the cyclic garbage collector runs meanwhile.
        seed: Of the order of samples.
        patience_s: For how many seconds the child may say nothing.
        interrupts: Where Ctrl-C is noted; None where it raises KeyboardInterrupt.

    Yields:
        Events as they come; one of them is PairFinished or PairFailed.

    Raises:
        KeyboardInterrupt: Ctrl-C was noted; what was told by then has been yielded, and the child has ended.
    """
    reading, writing = os.pipe()
    try:
        task = PairTask(a, b, effort, gc, cpu, seed, reading)
        for event in _blamed(_run_child(task, _Limits(patience_s, interrupts), inherited=(reading,))):
            yield event
            if isinstance(event, events.PairLooked):
                os.write(writing, ENOUGH if enough(event.samples) else GO_ON)
    finally:
        os.close(reading)
        os.close(writing)


def _blamed(told: Iterator[events.Event]) -> Iterator[events.Event]:
    """Pass on the events of a pair; if it ended where it could not say at which operation, say it from those before."""
    at = ""
    for event in told:
        if isinstance(event, events.OperationStarted | events.PairStarted):
            at = event.name if isinstance(event, events.OperationStarted) else ""
        if isinstance(event, events.PairFailed) and not event.operation:
            yield msgspec.structs.replace(event, operation=at)
        else:
            yield event


_ENDINGS = events.OperationFinished | events.OperationFailed | events.PairFinished | events.PairFailed


def _run_child(task: AnyTask, limits: _Limits, inherited: tuple[int, ...] = ()) -> Iterator[events.Event]:
    """Yield a child's events; if it ends early, also the failure of what it was at."""
    child, reading = _start(task, inherited)
    finished = 0
    try:
        try:
            for event in _read_events(child, reading, limits):
                finished += isinstance(event, _ENDINGS)
                yield event
            reason = _ending(child)
        except TimeoutError:
            reason = f"it said nothing for {limits.patience_s:g} s and was stopped; check that the operation returns"
        failed = task.lost(finished, reason)
        if failed is not None:
            yield failed
    finally:
        os.close(reading)
        _stop(child)


def _start(task: AnyTask, inherited: tuple[int, ...]) -> "tuple[subprocess.Popen[bytes], int]":
    """Start a child on a task, with more descriptors; return it and the one that its events come from."""
    reading, writing = os.pipe()
    try:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter on our own module
            [
                sys.executable,
                "-P",
                "-c",
                _BOOT,
                str(writing),
                json.dumps([*map(str, sys.path)]),
                msgspec.json.encode(task).decode(),
            ],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno() if _has_descriptor(sys.stderr) else subprocess.DEVNULL,
            pass_fds=(writing, *inherited),
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return child, reading


def _read_events(child: "subprocess.Popen[bytes]", descriptor: int, limits: "_Limits") -> Iterator[events.Event]:
    """Yield events until the child closes its end of the pipe, or has ended and all it wrote is read.

    The end of the pipe alone would not do: a process that the child left running may hold it open.

    Raises:
        TimeoutError: The child runs and has said nothing for too long.
        KeyboardInterrupt: Ctrl-C was pressed; what the child had told by then is yielded first.
    """
    buffer, interrupted = b"", False
    deadline = time.monotonic() + limits.patience_s
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        if limits.interrupts is not None:
            selector.register(limits.interrupts.descriptor, selectors.EVENT_READ)
        while True:
            ended = child.poll() is not None
            wait_s = 0.0 if ended else _LAST_LOOK_S if interrupted else min(_LOOK_S, limits.patience_s)
            ready = {key.fd for key, _ in selector.select(wait_s)}
            if limits.interrupts is not None and limits.interrupts.descriptor in ready:
                selector.unregister(limits.interrupts.descriptor)
                interrupted = True
            elif descriptor in ready:
                chunk = os.read(descriptor, 1 << 20)
                if not chunk:
                    break
                *lines, buffer = (buffer + chunk).split(b"\n")
                yield from map(events.decode, lines)
                deadline = time.monotonic() + limits.patience_s
            elif ended or interrupted:
                break
            elif time.monotonic() >= deadline:
                raise TimeoutError
    if interrupted:
        raise KeyboardInterrupt


def _ending(child: "subprocess.Popen[bytes]") -> str:
    """Say how a child ended that closed its end of the pipe."""
    try:
        status = child.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        return "it closed the file descriptor that results go through; leave alone those that you did not open"
    if status >= 0:
        return f"it ended the process with exit status {status}"
    name = _signal_name(-status)
    if -status in _CRASHES:
        return f"it crashed the process with {name}"
    memory = "; the kernel does so when memory runs out" if -status == signal.SIGKILL else ""
    return f"the process was ended from outside with {name}{memory}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return f"signal {number}"


def _stop(child: "subprocess.Popen[bytes]") -> None:
    """End the child and whatever it started: first ask, then kill, also when a second Ctrl-C interrupts this."""
    try:
        if child.poll() is None:
            _signal_group(child, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_GRACE_S)
    finally:
        _signal_group(child, signal.SIGKILL)
        child.wait()


def _signal_group(child: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    # The group of a child that has ended exists for as long as something that it started runs.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _has_descriptor(stream: object) -> bool:
    try:
        stream.fileno()  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False
    return True

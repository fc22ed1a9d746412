"""Suite files that a test writes, and what running them tells."""

from pathlib import Path
from textwrap import dedent

from latencykit.measuring import events
from latencykit.measuring.effort import Effort
from latencykit.measuring.loading import select
from latencykit.measuring.runner import run_component
from latencykit.model import Failure

# Too short for good figures and long enough for every phase.
EFFORT = Effort(operation_ns=20_000_000, meter_ns=1_000_000)
HEAD = "import os, signal, sys, threading, time\nimport latencykit as lk\n"


def write_suite(folder: Path, body: str, name: str = "bench_made.py", component: str = "made") -> str:
    """Write a suite whose component is `c` and return its path."""
    path = folder / name
    path.write_text(f"{HEAD}c = lk.Component({component!r})\n{dedent(body)}", encoding="utf-8")
    return str(path)


def run_suite(path: str, *, patience_s: float | None = None, ticks: str | None = None) -> list[events.Event]:
    """Run the one component of a suite file in child processes and return all events."""
    (source,) = select([path], peers=True)
    return list(run_component(source, EFFORT, None, ticks, patience_s=patience_s))


def finished(told: list[events.Event]) -> list[str]:
    """Return the names of the operations that were measured."""
    return [event.name for event in told if isinstance(event, events.OperationFinished)]


def failures(told: list[events.Event]) -> dict[str, Failure]:
    """Return what failed, by the name of the operation."""
    return {event.name: event.failure for event in told if isinstance(event, events.OperationFailed)}


def reasons(told: list[events.Event]) -> dict[str, str]:
    """Return why operations failed, by their names."""
    return {name: failure.reason for name, failure in failures(told).items()}

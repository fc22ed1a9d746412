"""A pytest session's side of measuring: options, warnings, and the run that it all ends up in."""

import datetime as dt
import os
import sys
import tempfile
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest

from latencykit.analysis.verdicts import judge_machine
from latencykit.commands.output import Destination, view_of
from latencykit.errors import InvalidTypeError, InvalidValueError, LatencykitWarning, UsageError
from latencykit.hardware import detect
from latencykit.model import Run
from latencykit.reporters import console, jsonfile
from latencykit.testing import RECORDS
from latencykit.testing.fixture import Meter, Options, parse_pattern
from latencykit.testing.outcome import decode_records

_OPTIONS = pytest.StashKey[Options]()
_OPTION = "--latencykit-json"


def options_of(config: pytest.Config) -> Options:
    """Return what the command line and the ini file say, read once.

    Raises:
        pytest.UsageError: A target cannot be read.
    """
    if _OPTIONS not in config.stash:
        lines = [*config.getoption("--latencykit-target"), *config.getini("latencykit_targets")]
        try:
            targets = tuple(map(parse_pattern, lines))
        except (InvalidTypeError, InvalidValueError) as error:
            raise pytest.UsageError(f"latencykit targets: {error}") from error
        config.stash[_OPTIONS] = Options(
            rigorous=config.getoption("--latencykit-rigorous"),
            disabled=config.getoption("--latencykit-disable") or _benchmarks_disabled(config),
            inconclusive=config.getoption("--latencykit-inconclusive"),
            targets=targets,
            worker=_worker(os.environ.get("PYTEST_XDIST_WORKER", "")),
        )
    return config.stash[_OPTIONS]


def _benchmarks_disabled(config: pytest.Config) -> bool:
    return bool(config.getoption("--latencykit-adopt") and config.getoption("benchmark_disable", default=False))


def _worker(name: str) -> int | None:
    number = name.removeprefix("gw")
    return int(number) if number.isdigit() else None


def meter_of(item: pytest.Item) -> Meter:
    """Return what measures in a test."""
    records = item.stash.setdefault(RECORDS, [])
    return Meter(item, options_of(item.config), records, lambda text: warn(item, text))


def warn(item: pytest.Item, text: str) -> None:
    """Add a sentence to pytest's list of warnings, which no filter can turn into a failure of the test."""
    path, line, _ = item.location
    message = warnings.WarningMessage(LatencykitWarning(text), LatencykitWarning, path, (line or 0) + 1)
    item.ihook.pytest_warning_recorded.call_historic(
        kwargs={"warning_message": message, "when": "runtest", "nodeid": item.nodeid, "location": None}
    )


def check_destination(name: str) -> None:
    """Make sure that the file can be written.

    Raises:
        pytest.UsageError: It cannot.
    """
    try:
        Destination(name, _OPTION).check()
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


def run_of(reported: Sequence[str], config: pytest.Config) -> Run:
    """Put together a run of all that the tests measured."""
    records = [record for text in reported for record in decode_records(text)]
    return Run(
        id=uuid.uuid4().hex,
        started_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        argv=["pytest", *config.invocation_params.args],
        environment=detect(Path(tempfile.gettempdir())),
        validity=judge_machine([reading for record in records for reading in record.readings]),
        results=[result for record in records for result in record.results],
    )


def save(run: Run, name: str) -> str | None:
    """Write the run; return None, or a sentence on why that failed and where it is instead."""
    return Destination(name, _OPTION).save(jsonfile.render(run))


def shown(run: Run) -> str:
    """Return the run as text for this terminal."""
    view = view_of(sys.stdout)
    return console.render(run, width=view.width, colour=view.colour)

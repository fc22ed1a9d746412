"""What one test measured, on its way from the process that ran it to the one that reports."""

from typing import Any

import msgspec

from latencykit.model import MeterReading, Result
from latencykit.suite import Parameter


class Record(msgspec.Struct, frozen=True):
    """What was measured in one test: rows of a run, judged, and the machine meanwhile."""

    nodeid: str
    results: list[Result]
    readings: list[MeterReading]


def encode_records(records: list[Record]) -> str:
    """Return records as text that a test report can carry between processes."""
    return msgspec.json.encode(records).decode()


def decode_records(text: str) -> list[Record]:
    """Return the records in a report's text."""
    return msgspec.json.decode(text, type=list[Record])


def name_of(nodeid: str, name: str, params: dict[str, Any] | None) -> tuple[str, str, dict[str, Parameter]]:
    """Return a test's component, variant and parameters.

    The component is the test file with points for slashes, the variant the class and the function; parameters are
    those of parametrisation, as text where they are not numbers, text or truth values.
    """
    file, _, inside = nodeid.partition("::")
    path = inside.split("[")[0].replace("::", ".") or name
    values = {key: _plain(value) for key, value in (params or {}).items()}
    return file.removesuffix(".py").replace("/", "."), path, values


def _plain(value: object) -> Parameter:
    if isinstance(value, bool | int | float | str):
        return value
    return getattr(value, "__name__", None) or repr(value)[:60]

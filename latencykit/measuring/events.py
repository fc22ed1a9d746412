"""What the runner says while it works; a reporter shows it. Encoded as JSON lines between child and parent."""

import msgspec

from latencykit.model import Failure, MeterReading, Samples


class Event(msgspec.Struct, frozen=True, tag=True):
    """Base of all events."""


class ComponentStarted(Event, frozen=True):
    """A child process starts to measure a component of so many operations."""

    component: str
    operations: int


class OperationStarted(Event, frozen=True):
    """Setup and warm-up of an operation begin."""

    name: str


class OperationFinished(Event, frozen=True):
    """An operation is measured, in every mode that was asked for."""

    name: str
    samples: list[Samples]


class OperationFailed(Event, frozen=True):
    """An operation could not be measured; the others go on."""

    name: str
    failure: Failure


class MeterRead(Event, frozen=True):
    """The machine meter spun on a CPU for a while."""

    reading: MeterReading


class ComponentFinished(Event, frozen=True):
    """A component's child is done."""

    component: str


class Notice(Event, frozen=True):
    """A warning that the reader of the run should see."""

    text: str


AnyEvent = (
    ComponentStarted | OperationStarted | OperationFinished | OperationFailed | MeterRead | ComponentFinished | Notice
)


_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(AnyEvent)


def encode(event: Event) -> bytes:
    """Encode an event as one JSON line."""
    return msgspec.json.encode(event) + b"\n"


def decode(line: bytes) -> Event:
    """Decode one JSON line.

    Raises:
        msgspec.MsgspecError: The line is not an event.
    """
    return _DECODER.decode(line)

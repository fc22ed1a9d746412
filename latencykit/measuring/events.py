"""What the runner says while it works; a reporter shows it. Encoded as JSON lines between child and parent."""

import msgspec

from latencykit.comparison import PairSamples
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


class PairStarted(Event, frozen=True):
    """Both operations of a pair are warm, and their samples are being taken in turns."""


class PairSampled(Event, frozen=True):
    """So many pairs of samples are taken, of at most so many."""

    pairs: int
    most: int


class PairLooked(Event, frozen=True):
    """It is time to look at what was sampled, and to answer whether more is wanted."""

    samples: PairSamples


class PairFinished(Event, frozen=True):
    """All samples of a pair are taken."""


class PairFailed(Event, frozen=True):
    """A pair could not be compared; `operation` is the one at fault, empty where that is not known."""

    operation: str
    reason: str
    detail: str = ""
    skipped: bool = False


AnyEvent = (
    ComponentStarted
    | OperationStarted
    | OperationFinished
    | OperationFailed
    | MeterRead
    | ComponentFinished
    | Notice
    | PairStarted
    | PairSampled
    | PairLooked
    | PairFinished
    | PairFailed
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

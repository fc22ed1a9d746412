"""What a feed is: ticks in chunks, from whatever source; and how to make one of what a caller has."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latencykit.engine.ticks import Ticks
from latencykit.errors import InvalidTypeError

if TYPE_CHECKING:
    from latencykit.engine.shared_ring import SharedRing

Records: TypeAlias = NDArray[np.void]  # one-dimensional, contiguous, of TICK_DTYPE


@runtime_checkable
class Feed(Protocol):
    """A source of ticks; whatever has these two is one.

    The values in the chunks are what the source said: whoever takes them decides what to do with a price of NaN or a
    time that runs backwards. Rows are counted from 0 over all chunks of one pass.
    """

    @property
    def source(self) -> str:
        """Where the ticks come from, for messages and reports."""

    def chunks(self) -> Iterator[Records]:
        """Begin a pass over the ticks.

        Returns:
            Arrays of `TICK_DTYPE`, one-dimensional and contiguous, each as long as the source finds convenient, and
            empty where it has nothing at the moment. An array stays valid while the next ones are made.
        """


@dataclass(frozen=True, slots=True)
class Damage:
    """What a feed could not make a tick of, of one kind.

    Attributes:
        kind: ``fields``, ``time`` or ``number``; of a journal also ``missing``.
        count: How many lines.
        first_line: The first of them, counted from 1.
        last_line: The last of them.
        first_error: What is wrong with the first, with the file, the line and the remedy.
    """

    kind: str
    count: int
    first_line: int
    last_line: int
    first_error: str


FeedSource: TypeAlias = (
    "Feed | Ticks | Records | Mapping[str, ArrayLike] | str | os.PathLike[str] | SharedRing | Iterable[Records]"
)


def feed_of(source: FeedSource) -> Feed:
    """Make a feed of what a caller has.

    Args:
        source: A feed, which is returned as it is; `Ticks`; a structured array or a mapping of columns, see
            `ArrayFeed`; the path of a CSV file or of an engine's journal; a SharedRing of `TICK_DTYPE`; or an iterable
            of structured arrays.

    Raises:
        InvalidTypeError: It is none of these.
        InvalidValueError: Its columns are not what they should be.
    """
    if isinstance(source, Feed):
        return source
    if isinstance(source, Ticks | np.ndarray | Mapping):
        from latencykit.engine.array_feed import ArrayFeed

        return ArrayFeed(source)
    if isinstance(source, str | os.PathLike):
        return _file_feed(source)
    if isinstance(source, Iterable) and not isinstance(source, bytes | bytearray | memoryview):
        from latencykit.engine.array_feed import ChunksFeed

        return ChunksFeed(source)
    return _ring_or_nothing(source)


def _file_feed(path: str | os.PathLike[str]) -> Feed:
    from latencykit.engine.csv_feed import CsvFeed
    from latencykit.engine.journal_feed import JournalFeed, is_journal

    return JournalFeed(path) if is_journal(path) else CsvFeed(path)


def _ring_or_nothing(source: object) -> Feed:
    from latencykit.engine.ring_feed import SharedRingFeed
    from latencykit.engine.shared_ring import SharedRing

    if isinstance(source, SharedRing):
        return SharedRingFeed(source)
    raise InvalidTypeError(
        f"a {type(source).__name__} is no feed; pass a feed, Ticks, a structured array, columns, the path of a CSV "
        "file, a SharedRing or an iterable of arrays"
    )


def place_of(feed: Feed, row: int) -> str:
    """Return where a row of the last pass is, as ``FILE:LINE`` if the feed can tell, else with the row's number.

    Args:
        feed: The feed that the row came from.
        row: Its number, counted from 0.
    """
    place = getattr(feed, "place", None)
    return str(place(row)) if place is not None else f"{feed.source}: row {row:,}"


def damage_of(feed: Feed) -> tuple[Damage, ...]:
    """Return what the last pass could not make ticks of, by kind; empty for feeds that have no such thing."""
    return tuple(getattr(feed, "damage", ()))

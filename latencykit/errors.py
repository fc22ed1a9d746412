"""One exception hierarchy: every error that latencykit raises on purpose is a LatencykitError.

Each class also derives from the builtin that a caller would expect, so that ``except ValueError`` works.
A message says what was wrong, the value received and the remedy, in one or two sentences.
"""


class LatencykitError(Exception):
    """Base of every error raised on purpose."""


class InvalidValueError(LatencykitError, ValueError):
    """An argument has the right type but a value outside its range."""


class InvalidTypeError(LatencykitError, TypeError):
    """An argument has a type that cannot be used here."""


class InvalidStateError(LatencykitError, RuntimeError):
    """An object is used after its end: a stale order, a closed logger."""


class ClosedError(InvalidStateError):
    """A queue is closed, or the other side of a shared ring: what was in it has been popped."""


class CapacityError(LatencykitError, RuntimeError):
    """A preallocated resource is exhausted and its policy is to raise."""


class AllocationError(LatencykitError, AssertionError):
    """Memory was allocated where it was asserted that none is.

    Attributes:
        sites: Where it came from, `latencykit.measuring.allocations.AllocationSite` objects; most requests first.
    """

    def __init__(self, message: str, sites: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.sites = sites


class DataError(LatencykitError, ValueError):
    """The content of a file is not what it should be; the message names file and line."""


class UsageError(LatencykitError):
    """A command or a suite was asked for something that does not exist or cannot be done (exit status 2)."""


class UnsupportedError(LatencykitError, RuntimeError):
    """This machine or this Python lacks what was asked for."""


class LatencykitWarning(UserWarning):
    """What was asked for could not be had in full, and the work goes on without it."""

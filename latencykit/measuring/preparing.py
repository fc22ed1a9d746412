"""What a child process does around an operation: set it up, clean up after it, and say what went wrong."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import GeneratorType
from typing import Any

from latencykit.errors import InvalidTypeError, LatencykitError, UnsupportedError
from latencykit.measuring.loading import describe
from latencykit.suite import Operation, as_operation


class Stopped(BaseException):
    """The parent asked this process to end; unwinding lets suites clean up."""


@contextmanager
def prepared(setup: Callable[..., Any], parameters: dict[str, Any]) -> Iterator[Operation]:
    """Set a variant up, yield its operation, and let a generator clean up after."""
    made = setup(**parameters)
    if not isinstance(made, GeneratorType):
        yield as_operation(made)
        return
    try:
        made_operation = next(made, None)
        if made_operation is None:
            raise InvalidTypeError("a variant that is a generator must yield the operation to time; it yielded none")
        yield as_operation(made_operation)
        next(made, None)
    finally:
        made.close()


def lacks(error: BaseException, *, peer: bool) -> bool:
    """Tell whether an operation is only to be skipped: for what this machine cannot do, or a peer's missing package."""
    return isinstance(error, UnsupportedError) or (isinstance(error, ModuleNotFoundError) and peer)


def reason_of(error: BaseException) -> str:
    """Say in one sentence what went wrong."""
    if isinstance(error, LatencykitError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"it needs the package {error.name!r}, which is not installed; pip install it or leave --peers out"
    if isinstance(error, SystemExit):
        return f"it called exit({error.code!r})"
    return f"it raised {describe(error)}"

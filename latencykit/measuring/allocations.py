"""Assert that a piece of code allocates no memory, and say where in Python code it did.

Counted is what CPython's three allocators and malloc are asked for by this thread; what they do not see, such as
objects taken from CPython's free lists, is not counted (see the reference).
"""

import functools
import inspect
import linecache
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType, coroutine
from typing import Any, Literal, Self, TypeVar, cast

from latencykit._core import AllocationCounter
from latencykit.errors import AllocationError, InvalidTypeError, InvalidValueError, LatencykitWarning

Source = Literal["raw", "mem", "object", "malloc"]
F = TypeVar("F", bound=Callable[..., Any])

# Places that one guarded block is told apart by; further ones are counted together.
PLACES = 128
_SHOWN = 10
_MOST_SITES = 10_000
_OUR_FOLDER = str(Path(__file__).parent) + os.sep
# How the counter finds the watched block: the caller of __enter__, or what is called.
_CALLER, _CALLEE = 1, -1


@dataclass(frozen=True, slots=True)
class AllocationSite:
    """A place in Python code that asked for memory.

    Attributes:
        file: The file of the innermost Python function; None where none could be told.
        line: Its line.
        function: Its qualified name.
        from_file: The file of the watched block that led there; None if it is not on the stack.
        from_line: Its line.
        source: ``object``, ``mem`` and ``raw`` are CPython's allocators (the first two are pymalloc up to 512 bytes,
            which asks malloc for more); ``malloc`` is the C library, asked by something else than these.
        count: How many requests.
        bytes: How many bytes they asked for, together.
    """

    file: str | None
    line: int
    function: str | None
    from_file: str | None
    from_line: int
    source: Source
    count: int
    bytes: int


def merged_sites(counts: Iterable[tuple[Any, ...]]) -> tuple[AllocationSite, ...]:
    """Return the sites of one or several counts, equal places together, those with most requests first."""
    requests, sizes = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
    for *place, count, size in counts:
        requests[tuple(place)] += count
        sizes[tuple(place)] += size
    return tuple(AllocationSite(*(*place, count, sizes[place])) for place, count in requests.most_common())


def describe_sites(sites: Iterable[AllocationSite]) -> list[str]:
    """Return a line for each place, and its source line beneath where that can be read."""
    every = list(sites)
    lines = [line for site in every[:_SHOWN] for line in _site_lines(site)]
    left = len(every) - _SHOWN
    return [*lines, f"  and {left} more place{'s' if left > 1 else ''}"] if left > 0 else lines


def _site_lines(site: AllocationSite) -> list[str]:
    asked = f"{site.count:,} × {site.source}, {site.bytes:,} bytes"
    if site.file is None:
        return [f"  {asked}: not placed (no Python frame, the interpreter's lock released, or too many places)"]
    if site.file.startswith(_OUR_FOLDER):
        return [f"  {asked}: in native code that was called directly"]
    where = f"{_short(site.file)}:{site.line} in {site.function}"
    led = (site.from_file, site.from_line)
    lead = (
        f", from {_short(site.from_file)}:{site.from_line}" if site.from_file and led != (site.file, site.line) else ""
    )
    text = linecache.getline(site.from_file or site.file, site.from_line if site.from_file else site.line).strip()
    return [f"  {asked}: {where}{lead}", *([f"      {text}"] if text else [])]


def _short(file: str) -> str:
    here = str(Path.cwd()) + os.sep
    return file.removeprefix(here)


class assert_no_allocations:  # noqa: N801 - read as a verb, in `with` and as a decorator
    """Assert that a block or a function allocates no memory in this thread.

    Use it in ``with`` or as a decorator. Of a decorated function every call is checked; of a coroutine or generator
    function each run from one stop to the next, so that what others do meanwhile is not
    charged, and the whole is judged when it ends. A block must not await or yield: what others do meanwhile would be
    charged to it.

    Args:
        warm_up: So many entries or calls come first and are not checked: they fill caches.
        allowed: So many allocations each later entry or call may make.

    Raises:
        AllocationError: More was allocated; the message names where. Not raised over an exception of the code itself.
        InvalidValueError: A number is below 0.
        InvalidStateError: This thread is counting allocations already: guards cannot be nested.
    """

    __slots__ = ("_allowed", "_counter", "_counting", "_left")

    def __init__(self, *, warm_up: int = 0, allowed: int = 0) -> None:
        for name, number in (("warm_up", warm_up), ("allowed", allowed)):
            if not isinstance(number, int) or isinstance(number, bool):
                raise InvalidTypeError(f"{name} is {number!r}; give a whole number")
            if number < 0:
                raise InvalidValueError(f"{name} is {number}; give 0 or more")
        self._left, self._allowed, self._counting = warm_up, allowed, False
        self._counter = AllocationCounter(sites=PLACES, levels=_CALLER)

    def __enter__(self) -> Self:
        self._counting = self._left == 0
        if not self._counting:
            self._left -= 1
            return self
        self._counter.start()  # nothing after this may allocate
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._counting:
            return
        self._counter.stop()  # nothing before this may allocate
        self._counting = False
        if kind is None:
            self._judge(_Found(self._counter).taken())

    def __call__(self, function: F) -> F:
        """Return the function with every call checked.

        Raises:
            InvalidTypeError: It is not a function.
        """
        if not callable(function) or isinstance(function, type):
            raise InvalidTypeError(f"{function!r} is not a function; decorate one, or use `with` around a block")
        if inspect.isasyncgenfunction(function):
            raise InvalidTypeError(
                f"{function!r} is an asynchronous generator function, whose every yield the interpreter itself "
                "allocates for; decorate what it awaits or calls"
            )
        if inspect.iscoroutinefunction(function):
            return cast("F", self._coroutine(function))
        if inspect.isgeneratorfunction(function):
            return cast("F", self._generator(function))
        return cast("F", self._function(function))

    def _warming(self) -> bool:
        warming = self._left > 0
        self._left -= warming
        return warming

    def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            if self._warming():
                return function(*args, **kwargs)
            found = _Found()
            result = found.counter.call(function, *args, **kwargs)
            self._judge(found.taken())
            return result

        return checked

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            made = function(*args, **kwargs)
            return (yield from made) if self._warming() else (yield from self._steps(made))

        return checked

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def checked(*args: Any, **kwargs: Any) -> Any:
            made = function(*args, **kwargs)
            return await (made if self._warming() else coroutine(self._steps)(made))

        return checked

    def _steps(self, made: Any) -> Generator[Any, Any, Any]:
        """Run a generator or coroutine to its end, counting every run from one stop to the next."""
        found, value, thrown = _Found(), None, None
        while True:
            if thrown is None:
                ended, given = found.counter.send(made, value)
                found.taken()
                if ended:
                    break
            else:  # an exception on its way in is memory already
                try:
                    given = made.throw(thrown)
                except StopIteration as end:
                    given = end.value
                    break
            value = thrown = None
            try:
                value = yield given
            except GeneratorExit:
                made.close()
                raise
            except BaseException as error:  # noqa: BLE001 - it belongs to the function that is driven
                thrown = error
        self._judge(found)
        return given

    def _judge(self, found: "_Found") -> None:
        if found.total > self._allowed:
            sites = merged_sites(found.sites)
            raise AllocationError(_sentence(found.total, self._allowed, sites), sites)
        if not found.sees_malloc:
            warnings.warn(
                "malloc cannot be watched here: only what CPython's own allocators gave was counted",
                LatencykitWarning,
                stacklevel=3,
            )


class _Found:
    """What one guarded run allocated, added up over its steps."""

    __slots__ = ("counter", "sees_malloc", "sites", "total")

    def __init__(self, counter: AllocationCounter | None = None) -> None:
        self.counter = counter or AllocationCounter(sites=PLACES, levels=_CALLEE)
        self.sites: list[tuple[Any, ...]] = []
        self.total = 0
        self.sees_malloc = True

    def taken(self) -> Self:
        """Add the counter's last count."""
        counts = self.counter.counts
        if counts is not None:
            self.sees_malloc = counts["malloc"] is not None
            step = counts["raw"] + counts["mem"] + counts["object"] + (counts["malloc"] or 0)
            self.total += step
            if step and len(self.sites) < _MOST_SITES:
                self.sites += self.counter.sites
        return self


def _sentence(total: int, allowed: int, sites: tuple[AllocationSite, ...]) -> str:
    size = sum(site.bytes for site in sites)
    limit = f"at most {allowed} were allowed" if allowed else "none was allowed"
    head = f"{total:,} allocation{'s' if total > 1 else ''} of {size:,} bytes where {limit}:"
    tail = ["  A trace function (coverage, a debugger) is active; what it allocates counts too."] if _traced() else []
    return "\n".join([head, *describe_sites(sites), *tail])


def _traced() -> bool:
    monitoring = getattr(sys, "monitoring", None)
    tools = [] if monitoring is None else [monitoring.get_tool(number) for number in range(6)]
    return bool(sys.gettrace() or sys.getprofile() or any(tools))

"""How a suite declares what is to be measured: components and their variants. Nothing here runs them."""

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from latencykit.errors import InvalidTypeError, InvalidValueError
from latencykit.model import Claim, Target

if TYPE_CHECKING:
    from latencykit.engine.feeds import Ticks

Setup = Callable[..., Any]
Parameter = int | float | str | bool
GcPolicy = Literal["off", "on"]
F = TypeVar("F", bound=Setup)


@dataclass(frozen=True, slots=True)
class Operation:
    """A prepared operation: a function and the argument rows that it is called with, in turn.

    Attributes:
        function: What is timed.
        rows: Argument tuples, all of one length; call i uses row i modulo their number.
        between: An untimed function that runs between batches, or None.
        closure: True if the function's own Python frame belongs to the harness and not to the operation,
            so that the floor is an empty Python function and not an empty native call.
        keywords: Names for the last arguments of each row, which are passed by name.
        items: How many pieces of work one call does; figures are of one piece.
    """

    function: Callable[..., object]
    rows: Sequence[tuple[object, ...]] = ((),)
    between: Callable[[], object] | None = None
    closure: bool = False
    keywords: tuple[str, ...] = ()
    items: int = 1


def call(
    function: Callable[..., object], *args: object, between: Callable[[], object] | None = None, items: int = 1
) -> Operation:
    """Prepare a call that is timed without a Python frame of ours around it.

    Args:
        function: What is timed.
        args: The positional arguments of every call.
        between: An untimed function that runs between batches, for example to let a consumer catch up.
        items: How many pieces of work one call does, such as the ticks of an array. Figures are then of one piece,
            and of means over a call, so that there are none of the tail.

    Raises:
        InvalidTypeError: The function is not callable.
        InvalidValueError: There is less than one item.
    """
    return replay(function, [args], between=between, items=items)


def replay(
    function: Callable[..., object],
    rows: Iterable[Sequence[object]],
    between: Callable[[], object] | None = None,
    items: int = 1,
) -> Operation:
    """Prepare calls whose arguments come from `rows` in turn, starting over after the last.

    Args:
        function: What is timed.
        rows: Argument sequences, at least one, all of one length.
        between: An untimed function that runs between batches.
        items: How many pieces of work each call does; see `call`.

    Raises:
        InvalidTypeError: The function is not callable.
        InvalidValueError: There are no rows, their lengths differ, or there is less than one item.
    """
    if not callable(function):
        raise InvalidTypeError(f"{function!r} cannot be called; pass a function and its arguments separately")
    if items < 1:
        raise InvalidValueError(f"a call of {items} items has no figure for one; pass how many it does, at least 1")
    tuples = [tuple(row) for row in rows]
    if len({len(row) for row in tuples}) != 1:
        raise InvalidValueError("replay() needs at least one row of arguments, all of one length")
    return Operation(function, tuples, between, items=items)


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to do what the component does.

    Attributes:
        name: Its name, unique within the component.
        setup: Prepares, untimed, and returns the operation to time; a generator yields it and cleans up after.
        peer: The third-party package that it needs; measured only when peers are asked for.
        contrast: Whether it is shown for comparison only, and not judged against the component's target.
    """

    name: str
    setup: Setup
    peer: str | None = None
    contrast: bool = False


@dataclass(slots=True)
class Component:
    """Declare what is compared.

    Args:
        name: Its name on the command line and in every report.
        baseline: The name of the variant that ratios are taken against.
        target: The latency that every variant is judged against, but for the baseline and those for contrast.
        parameters: Values for each keyword argument of the variants; all combinations are measured.
        gc: Whether the cyclic garbage collector runs while measuring; "off" as in timeit.
        doc: One line on what one operation is.
        claims: What is said of the practices that the variants differ by, shown beside what was measured.
        on_request: Leave the component out of ``bench all``; it is measured when it, a component whose name it
            continues after an underscore, or its file is named.
        growth: The name of the parameter that the time is said to grow with; its values are numbers above 0. A power
            law is fitted for each variant that is measured at 3 of them or more.

    Raises:
        InvalidValueError: The name or a parameter's name is empty or holds one of ``/[] ,=``, a parameter has no
            values, or `growth` does not name a parameter whose values are numbers above 0.
        InvalidTypeError: A parameter's values are not a sequence of int, float, str or bool.
    """

    name: str
    baseline: str | None = None
    target: Target | None = None
    parameters: Mapping[str, Sequence[Parameter]] = field(default_factory=dict)
    gc: GcPolicy = "off"
    doc: str = ""
    claims: Sequence[Claim] = ()
    on_request: bool = False
    growth: str | None = None
    variants: dict[str, Variant] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        self.parameters = {key: _checked_values(key, values) for key, values in self.parameters.items()}
        if self.growth is not None:
            _check_growth(self.name, self.growth, self.parameters)

    @overload
    def variant(self, function: F, /) -> F: ...
    @overload
    def variant(
        self, function: None = None, /, *, name: str | None = None, peer: str | None = None, contrast: bool = False
    ) -> Callable[[F], F]: ...
    def variant(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        peer: str | None = None,
        contrast: bool = False,
    ) -> Any:
        """Register a function as a variant under its own name, or under `name`.

        Args:
            function: Sets up, untimed, and returns (or yields) the operation to time.
            name: The variant's name, if not the function's.
            peer: The third-party package that the variant needs; a peer is for contrast.
            contrast: Show the variant for comparison only, and do not judge it against the target.

        Raises:
            InvalidValueError: The component already has a variant of that name.
        """

        def register(setup: Any) -> Any:
            variant = Variant(name or setup.__name__, setup, peer, contrast or peer is not None)
            if variant.name in self.variants:
                raise InvalidValueError(f"component {self.name!r} already has a variant {variant.name!r}")
            _check_name(variant.name)
            self.variants[variant.name] = variant
            return setup

        return register if function is None else register(function)

    def judges(self, variant: str) -> bool:
        """Tell whether a variant is judged against the target."""
        return self.target is not None and variant != self.baseline and not self.variants[variant].contrast

    def combinations(self) -> Iterator[dict[str, Parameter]]:
        """Yield every combination of parameter values, one empty one if there are no parameters."""
        for values in itertools.product(*self.parameters.values()):
            yield dict(zip(self.parameters, values, strict=True))


def as_operation(prepared: object) -> Operation:
    """Return what a variant's setup returned as an operation.

    Raises:
        InvalidTypeError: It is neither an operation nor a function without arguments.
    """
    if isinstance(prepared, Operation):
        return prepared
    if callable(prepared):
        return Operation(prepared, closure=isinstance(prepared, FunctionType))
    raise InvalidTypeError(f"a variant must return a function or latencykit.call(...), not {prepared!r}")


_ticks_path: str | None = None


def use_ticks(path: str | None) -> None:
    """Make `market` read this file from now on; None goes back to the synthetic market."""
    global _ticks_path  # noqa: PLW0603 - one process measures one run, and a suite's setup takes no arguments
    _ticks_path = path


def market(made: "Callable[[], Ticks] | None" = None) -> "Ticks":
    """Return the market data of this run: the file given with ``--ticks``, else a seeded synthetic market.

    Args:
        made: Makes the market where no file was given; None for `synthetic_market`.

    Raises:
        DataError: The file cannot be read or does not hold bars, quotes or trades.
    """
    from latencykit.engine.feeds import read_ticks, synthetic_market

    return (made or synthetic_market)() if _ticks_path is None else read_ticks(_ticks_path)


def _checked_values(key: str, values: object) -> tuple[Parameter, ...]:
    _check_name(key)
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InvalidTypeError(f"parameter {key!r} is {values!r}; give a list of the values to measure")
    kept = tuple(values)
    if not kept:
        raise InvalidValueError(f"parameter {key!r} has no values; give a list of the values to measure")
    for value in kept:
        # A child process gets the value as JSON, and a report shows it.
        if type(value) not in (int, float, str, bool):
            kind = type(value).__name__
            raise InvalidTypeError(
                f"parameter {key!r} has the value {value!r} of type {kind}; use int, float, str or bool"
            )
    return kept


def _check_growth(component: str, growth: str, parameters: Mapping[str, Sequence[Parameter]]) -> None:
    if growth not in parameters:
        known = f"one of {', '.join(parameters)}" if parameters else "a parameter, and declare it"
        raise InvalidValueError(f"component {component!r} has no parameter {growth!r} to grow with; name {known}")
    for value in parameters[growth]:
        # A bool is an int to Python and a choice to who declares it. Larger than a float has no logarithm on file.
        if isinstance(value, str | bool) or not 0 < value <= sys.float_info.max:
            raise InvalidValueError(
                f"component {component!r} grows with {growth!r}, which has the value {value!r}; "
                "give it finite numbers above 0"
            )


def _check_name(name: str) -> None:
    if not name or set(name) & set("/[] ,="):
        raise InvalidValueError(f"name {name!r} is empty or holds one of '/[] ,='; use a plain word")

"""Find the pairs of operations that two names on the command line mean."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latencykit.errors import UsageError
from latencykit.measuring.builtin import built_in_names
from latencykit.measuring.functions import find_function, split_reference
from latencykit.measuring.loading import Source, nearest, select
from latencykit.measuring.task import Side
from latencykit.model import operation_name
from latencykit.suite import GcPolicy

_NAMED = re.compile(r"(?:(?P<component>[^/\[\] ,=]+)/)?(?P<variant>[^/\[\] ,=]+)(?:\[(?P<values>[^\[\]]*)\])?")


@dataclass(frozen=True, slots=True)
class Rivals:
    """Two operations to compare.

    Attributes:
        component: The component of both; empty where they have none in common.
        parameters: What both are called with alike.
        a: The ratio's base.
        b: What is held against it.
        gc: Whether the cyclic garbage collector runs meanwhile.
    """

    component: str
    a: Side
    b: Side
    parameters: Mapping[str, Any] = field(default_factory=dict)
    gc: GcPolicy = "off"

    @property
    def a_label(self) -> str:
        """What to call the first within its component."""
        return self._label(self.a)

    @property
    def b_label(self) -> str:
        """What to call the second within its component."""
        return self._label(self.b)

    def _label(self, side: Side) -> str:
        if not self.component:
            return side.name
        own = {key: value for key, value in side.parameters.items() if key not in self.parameters}
        return operation_name(self.component, side.member, own).removeprefix(f"{self.component}/")


@dataclass(frozen=True, slots=True)
class _Named:
    """A name on the command line: ``variant``, ``component/variant`` or ``component/variant[key=value]``."""

    text: str
    component: str
    variant: str
    values: Mapping[str, str]

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        """Tell whether the values of parameters are those that were named."""
        return all(str(parameters[key]) == value for key, value in self.values.items() if key in parameters)


def function_rivals(a: str, b: str) -> Rivals:
    """Return the pair of two functions, each ``module:function`` or ``FILE.py:function``.

    Raises:
        UsageError: One does not exist.
        InvalidTypeError: One cannot be called without arguments.
    """
    return Rivals("", _function_side(a), _function_side(b))


def _function_side(text: str) -> Side:
    origin, name = split_reference(text)
    find_function(origin, name)  # before anything is measured
    return Side(text, origin, "", name)


def variant_rivals(a: str, b: str, wanted: Sequence[str], *, peers: bool) -> list[Rivals]:
    """Return every pair of operations that the names of two variants mean.

    Args:
        a: ``variant``, ``component/variant`` or ``component/variant[key=value,...]``; the ratio's base.
        b: The same, for what is held against it.
        wanted: Components and suite files to look in, in place of all; a component's name means that one alone.
        peers: Keep pairs that need third-party packages.

    Raises:
        UsageError: A name fits nothing, or the two have no component in common.
    """
    named = _parse(a), _parse(b)
    given = [name.component for name in named if name.component]
    sources = _sources(list(dict.fromkeys(given)), wanted)
    rivals = [rival for source, other in _couples(named, sources) for rival in _matches(named, source, other)]
    if not rivals:
        raise UsageError(_nothing(named, sources))
    kept = [rival for rival in rivals if peers or not _needs_peer(rival, sources)]
    if not kept:
        raise UsageError(f"{a!r} or {b!r} needs a third-party package; give --peers to compare it")
    return kept


def _parse(text: str) -> _Named:
    match = _NAMED.fullmatch(text)
    pairs = [part.partition("=") for part in (match["values"] or "").split(",") if part] if match else []
    if match is None or not all(key and sign for key, sign, _ in pairs):
        raise UsageError(
            f"{text!r} names nothing to compare; write a variant, component/variant[key=value], module:function, "
            "FILE.py:function, or the file of a run"
        )
    return _Named(text, match["component"] or "", match["variant"], {key: value for key, _, value in pairs})


def _sources(given: Sequence[str], wanted: Sequence[str]) -> list[Source]:
    """Return where to look: in components named together with a variant, else in those wanted."""
    if not given:
        return _named_alone(wanted)
    if set(given) <= set(built_in_names()):
        return _named_alone(given)
    found = _named_alone(wanted)
    known = [source.component.name for source in found]
    for name in given:
        if name not in known:
            raise UsageError(
                f"component {name!r} is unknown{nearest(name, known) or '; there are: ' + ', '.join(known)}"
            )
    return [source for source in found if source.component.name in given]


def _named_alone(wanted: Sequence[str]) -> list[Source]:
    """Return what is wanted, where a component's name means that one alone."""
    found = select(wanted, peers=True)
    if "all" in wanted:
        return found
    named = {str(Path(name).resolve()) if name.endswith(".py") else name for name in wanted}
    return [source for source in found if source.component.name in named or source.origin in named]


def _couples(named: tuple[_Named, _Named], sources: Sequence[Source]) -> Iterator[tuple[Source, Source]]:
    """Yield the sources of a and of b that belong together: one and the same, unless both are named."""
    if all(name.component for name in named):
        for source in sources:
            for other in sources:
                if (source.component.name, other.component.name) == tuple(name.component for name in named):
                    yield source, other
    else:
        yield from ((source, source) for source in sources)


def _matches(named: tuple[_Named, _Named], source: Source, other: Source) -> Iterator[Rivals]:
    a, b = named
    if a.variant not in source.component.variants or b.variant not in other.component.variants:
        return
    _check_keys(named, (source, other))
    # What both have is equal in both, unless each side names its own value.
    free = (set(source.component.parameters) & set(other.component.parameters)) - (set(a.values) & set(b.values))
    for first in filter(a.fits, source.component.combinations()):
        for second in filter(b.fits, other.component.combinations()):
            if all(first[key] == second[key] for key in free):
                yield _rivals((source, a.variant, first), (other, b.variant, second))


def _check_keys(named: tuple[_Named, _Named], sources: tuple[Source, Source]) -> None:
    for name, source in zip(named, sources, strict=True):
        component = source.component
        for key, value in name.values.items():
            if key not in component.parameters:
                known = ", ".join(component.parameters) or "none"
                raise UsageError(f"{name.text!r}: {component.name} has no parameter {key!r}; it has: {known}")
            if value not in map(str, component.parameters[key]):
                values = ", ".join(map(str, component.parameters[key]))
                raise UsageError(f"{name.text!r}: {key} of {component.name} is never {value}; it is one of {values}")


def _rivals(a: tuple[Source, str, dict[str, Any]], b: tuple[Source, str, dict[str, Any]]) -> Rivals:
    sides = [
        Side(
            operation_name(source.component.name, variant, values),
            source.origin,
            source.component.name,
            variant,
            values,
        )
        for source, variant, values in (a, b)
    ]
    same = a[0].component.name == b[0].component.name
    common = {key: value for key, value in a[2].items() if b[2].get(key) == value}
    gc: GcPolicy = "on" if "on" in (a[0].component.gc, b[0].component.gc) else "off"
    return Rivals(a[0].component.name if same else "", sides[0], sides[1], common, gc)


def _needs_peer(rivals: Rivals, sources: Sequence[Source]) -> bool:
    components = {source.component.name: source.component for source in sources}
    return any(components[side.component].variants[side.member].peer for side in (rivals.a, rivals.b))


def _nothing(named: tuple[_Named, _Named], sources: Sequence[Source]) -> str:
    """Say why two names fit nothing."""
    known = list(dict.fromkeys(variant for source in sources for variant in source.component.variants))
    for name in named:
        if name.variant not in known:
            told = nearest(name.variant, known) or f"; there are: {', '.join(known)}"
            return f"variant {name.variant!r} is unknown{told}"
    places = [[s.component.name for s in sources if name.variant in s.component.variants] for name in named]
    where = "; ".join(f"{n.variant!r} is in {', '.join(p)}" for n, p in zip(named, places, strict=True))
    return f"no component has both {named[0].variant!r} and {named[1].variant!r}: {where}"

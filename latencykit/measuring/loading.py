"""Find components: the built-in suites by name, the user's by file."""

import contextlib
import difflib
import hashlib
import importlib
import importlib.util
import itertools
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from latencykit.errors import UsageError
from latencykit.measuring.builtin import PACKAGE, built_in_names, on_request_names
from latencykit.suite import Component, Variant


@dataclass(frozen=True, slots=True)
class Source:
    """A component, the place that a child process loads it from again, and the variants to measure.

    Attributes:
        origin: A module name, or the absolute path of a Python file.
        component: The loaded component.
        variants: Names of the variants to measure, in the order of declaration.
    """

    origin: str
    component: Component
    variants: tuple[str, ...]

    @property
    def operations(self) -> int:
        """How many operations will be measured: variants times parameter combinations."""
        return len(self.variants) * len(list(self.component.combinations()))


def select(wanted: Sequence[str], variants: Sequence[str] = (), *, peers: bool = False) -> list[Source]:
    """Find what to measure.

    Args:
        wanted: Names of built-in components, each with those whose names continue it after an underscore; paths of
            suite files; or "all", which is every built-in component but those on request; empty means all.
        variants: Keep only variants of these names; empty keeps all.
        peers: Keep also variants that need third-party packages.

    Raises:
        UsageError: A component, a variant or a file does not exist, a suite cannot be imported, two components
            share a name, or nothing is left to measure.
    """
    origins = {name: _origins(name) for name in wanted or ["all"]}
    named = {origin for name, places in origins.items() if name != "all" for origin in places}
    components = [
        (origin, component)
        for origin in dict.fromkeys(itertools.chain.from_iterable(origins.values()))
        for component in load(origin)
        if origin in named or not component.on_request
    ]
    _check_names(components)
    _check_variants(variants, (name for _, component in components for name in component.variants))
    sources = [Source(origin, c, _kept(c, variants, peers=peers)) for origin, c in components]
    kept = [source for source in sources if source.variants]
    if not kept:
        names = ", ".join(component.name for _, component in components)
        raise UsageError(f"{names}: every variant needs a third-party package; give --peers to measure them")
    return kept


def load(origin: str) -> list[Component]:
    """Import a suite and return its components in the order of declaration.

    Raises:
        UsageError: It cannot be imported, or declares no component.
    """
    module = import_origin(origin, "suite")
    # One component may be bound to two names.
    components = {id(value): value for value in vars(module).values() if isinstance(value, Component)}
    if not components:
        raise UsageError(f"suite {origin} declares no latencykit.Component; see the guide on writing a suite")
    for component in components.values():
        if not component.variants:
            raise UsageError(f"suite {origin} declares no variant of component {component.name!r}; add @NAME.variant")
        _check_claims(origin, component)
    return list(components.values())


def import_origin(origin: str, what: str) -> ModuleType:
    """Import a module by its name or by the path of its file.

    Args:
        origin: A module name, or a path that ends in ``.py``.
        what: What to call it in an error.

    Raises:
        UsageError: It cannot be imported.
    """
    try:
        # Standard output is the report's; what is printed during an import must not get into it.
        with contextlib.redirect_stdout(sys.stderr):
            return _import_file(Path(origin)) if origin.endswith(".py") else importlib.import_module(origin)
    except (Exception, SystemExit) as error:
        raise UsageError(f"{what} {origin} cannot be imported: {_where(error, origin)}") from error


def _check_claims(origin: str, component: Component) -> None:
    for claim in component.claims:
        unknown = {claim.worse, claim.better} - component.variants.keys() | set(claim.parameters) - set(
            component.parameters
        )
        if unknown:
            raise UsageError(
                f"suite {origin} claims {claim.text!r} of component {component.name!r}, which has no variant or "
                f"parameter {', '.join(sorted(unknown))}; correct the claim"
            )


def find(origin: str, name: str) -> Component:
    """Load a suite and return its component of that name.

    Raises:
        UsageError: There is none.
    """
    for component in load(origin):
        if component.name == name:
            return component
    raise UsageError(f"suite {origin} no longer declares a component {name!r}")


def _origins(name: str) -> list[str]:
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"suite file {name} does not exist; give the path of a Python file")
        return [str(path.resolve())]
    known = built_in_names()
    if name == "all":
        return [f"{PACKAGE}.{known_name}" for known_name in known]
    if name not in known:
        raise UsageError(
            f"component {name!r} is unknown{nearest(name, known)}; the components are: {', '.join(_marked(known))}"
        )
    # A component's further settings, such as queues_threads of queues, are measured with it.
    return [
        f"{PACKAGE}.{known_name}" for known_name in known if known_name == name or known_name.startswith(f"{name}_")
    ]


def _marked(names: Iterable[str]) -> Iterator[str]:
    on_request = on_request_names()
    return (f"{name} (on request)" if name in on_request else name for name in names)


def _check_names(components: Iterable[tuple[str, Component]]) -> None:
    """Refuse two components of one name: their operations could not be told apart in a report."""
    origins: dict[str, str] = {}
    for origin, component in components:
        if component.name in origins:
            places = " and in ".join(dict.fromkeys((origins[component.name], origin)))
            raise UsageError(f"component {component.name!r} is declared twice, in {places}; rename one of the two")
        origins[component.name] = origin


def _check_variants(wanted: Iterable[str], existing: Iterable[str]) -> None:
    known = list(dict.fromkeys(existing))
    for name in wanted:
        if name not in known:
            raise UsageError(f"variant {name!r} is unknown{nearest(name, known)}; the variants are: {', '.join(known)}")


def nearest(name: str, known: Sequence[str]) -> str:
    """Return a question that names the known name most like this one, or nothing if none is."""
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f", did you mean {matches[0]!r}?" if matches else ""


def _kept(component: Component, wanted: Sequence[str], *, peers: bool) -> tuple[str, ...]:
    def keep(variant: Variant) -> bool:
        return (variant.name in wanted) if wanted else (peers or variant.peer is None)

    return tuple(variant.name for variant in component.variants.values() if keep(variant))


def _import_file(path: Path) -> ModuleType:
    """Import a file as a module of its own name space; it can import modules beside it, also as ``.name``."""
    package = _package_of(path.parent)
    name = f"{package}.{path.stem.replace('.', '%2E')}"  # a dot would make it a module of another package
    if name in sys.modules:
        return sys.modules[name]
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _package_of(folder: Path) -> str:
    """Return the name of a package, made if need be, whose modules are the files of a folder."""
    name = f"latencykit_user_suites_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return name


def _where(error: BaseException, origin: str) -> str:
    """Say what was raised and at which line of the suite."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} (line {error.lineno})"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == origin]
    place = f" (line {lines[-1]})" if lines else ""
    return f"{describe(error)}{place}"


def describe(error: BaseException) -> str:
    """Return an exception's type and the first paragraph of its message, in one line."""
    paragraph = " ".join(_first_paragraph(str(error)))
    return f"{type(error).__name__}: {paragraph}" if paragraph else type(error).__name__


def _first_paragraph(text: str) -> Iterator[str]:
    for line in text.strip().splitlines():
        if not line.strip():
            return
        yield " ".join(line.split())

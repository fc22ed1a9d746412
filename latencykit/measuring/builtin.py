"""The names of the built-in suites, found without importing any; light enough for shell completion."""

from importlib.util import find_spec
from pathlib import Path

PACKAGE = "latencykit.suites"
# Files in the folder of suites that declare no component.
_NOT_SUITES = frozenset({"__init__", "targets"})


def built_in_names() -> list[str]:
    """Return the names of the built-in components: those of their files, which are one a component."""
    return sorted(_files())


def on_request_names() -> frozenset[str]:
    """Return the names of the built-in components that ``all`` leaves out.

    Read from the text of the suites: importing them all costs more than completion may take.
    """
    return frozenset(name for name, path in _files().items() if _is_on_request(path.read_text(encoding="utf-8")))


def variant_names() -> dict[str, list[str]]:
    """Return the variants of each built-in component that its file declares by a decorator, read from its text."""
    return {name: _declared_variants(path.read_text(encoding="utf-8")) for name, path in sorted(_files().items())}


def _declared_variants(suite: str) -> list[str]:
    import ast

    found = []
    for node in ast.parse(suite).body:
        for decorator in getattr(node, "decorator_list", ()):
            call = decorator if isinstance(decorator, ast.Call) else None
            function = decorator.func if call else decorator
            if isinstance(node, ast.FunctionDef) and isinstance(function, ast.Attribute) and function.attr == "variant":
                named = (
                    [k.value.value for k in call.keywords if k.arg == "name" and isinstance(k.value, ast.Constant)]
                    if call
                    else []
                )
                found.append(str(named[0]) if named else node.name)
    return found


def _is_on_request(suite: str) -> bool:
    if "on_request" not in suite:
        return False
    import ast

    return any(
        isinstance(node, ast.keyword) and node.arg == "on_request" and getattr(node.value, "value", None) is True
        for node in ast.walk(ast.parse(suite))
    )


def _files() -> dict[str, Path]:
    spec = find_spec(PACKAGE)
    folders = (spec.submodule_search_locations or []) if spec else []
    paths = {path.stem: path for folder in folders for path in Path(folder).glob("*.py")}
    return {stem: path for stem, path in paths.items() if stem not in _NOT_SUITES and not stem.startswith("_")}

"""The names of the built-in suites, found without importing any; light enough for shell completion."""

from importlib.util import find_spec
from pathlib import Path

PACKAGE = "latencykit.suites"
# Files in the folder of suites that declare no component.
_NOT_SUITES = frozenset({"__init__", "targets"})


def built_in_names() -> list[str]:
    """Return the names of the built-in components: those of their files, which are one a component."""
    spec = find_spec(PACKAGE)
    folders = (spec.submodule_search_locations or []) if spec else []
    stems = {path.stem for folder in folders for path in Path(folder).glob("*.py")}
    return sorted(stem for stem in stems - _NOT_SUITES if not stem.startswith("_"))

"""The names of the built-in suites, found without importing any; light enough for shell completion."""

import re
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "latencykit.suites"
# Files in the folder of suites that declare no component.
_NOT_SUITES = frozenset({"__init__", "targets"})
# Read from the text, because to import a suite costs more than completion may take; tests hold it to what they declare.
_ON_REQUEST = re.compile(r"^[^#\"']*\bon_request=True\b", re.MULTILINE)


def built_in_names() -> list[str]:
    """Return the names of the built-in components: those of their files, which are one a component."""
    return sorted(_files())


def on_request_names() -> frozenset[str]:
    """Return the names of the built-in components that ``all`` leaves out."""
    return frozenset(name for name, path in _files().items() if _ON_REQUEST.search(path.read_text(encoding="utf-8")))


def _files() -> dict[str, Path]:
    spec = find_spec(PACKAGE)
    folders = (spec.submodule_search_locations or []) if spec else []
    paths = {path.stem: path for folder in folders for path in Path(folder).glob("*.py")}
    return {stem: path for stem, path in paths.items() if stem not in _NOT_SUITES and not stem.startswith("_")}

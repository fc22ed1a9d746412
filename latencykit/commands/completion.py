"""What the shell can complete, found without importing a suite."""

from importlib.util import find_spec
from pathlib import Path

import click
from click.shell_completion import CompletionItem

# Files in the folder of suites that declare no component.
_NOT_SUITES = {"__init__", "targets"}


def component_names() -> list[str]:
    """Return the names of the built-in components: those of their files, which are one a component."""
    spec = find_spec("latencykit.suites")
    folders = (spec.submodule_search_locations or []) if spec else []
    stems = {path.stem for folder in folders for path in Path(folder).glob("*.py")}
    return sorted(stem for stem in stems - _NOT_SUITES if not stem.startswith("_"))


def complete_what(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a component's name; anything that starts none is left to the shell as a file."""
    names = [name for name in ("all", *component_names()) if name.startswith(incomplete)]
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]

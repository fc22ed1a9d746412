"""What the shell can complete, found without importing a suite."""

import click
from click.shell_completion import CompletionItem

from latencykit.measuring.builtin import built_in_names


def complete_what(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a component's name; anything that starts none is left to the shell as a file."""
    names = [name for name in ("all", *built_in_names()) if name.startswith(incomplete)]
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]

"""What the shell can complete, found without importing a suite."""

import click
from click.shell_completion import CompletionItem

from latencykit.measuring.builtin import built_in_names, on_request_names

_ON_REQUEST = "on request: not part of all"


def complete_what(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a component's name; anything that starts none is left to the shell as a file.

    Shells that show a help text beside a name (zsh, fish) mark what ``all`` leaves out.
    """
    names = [name for name in ("all", *built_in_names()) if name.startswith(incomplete)]
    on_request = on_request_names()
    items = [CompletionItem(name, help=_ON_REQUEST if name in on_request else None) for name in names]
    return items or [CompletionItem(incomplete, type="file")]

"""What the shell can complete, found without importing a suite."""

import click
from click.shell_completion import CompletionItem

from latencykit.measuring.builtin import built_in_names, on_request_names, variant_names

_ON_REQUEST = "on request: not part of all"


def complete_what(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a component's name; anything that starts none is left to the shell as a file.

    Shells that show a help text beside a name (zsh, fish) mark what ``all`` leaves out.
    """
    names = [name for name in ("all", *built_in_names()) if name.startswith(incomplete)]
    on_request = on_request_names()
    items = [CompletionItem(name, help=_ON_REQUEST if name in on_request else None) for name in names]
    return items or [CompletionItem(incomplete, type="file")]


def complete_component(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete one component's name, or the path of a suite file."""
    names = [name for name in built_in_names() if name.startswith(incomplete)]
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


def complete_contender(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a variant, or ``component/variant``; what starts none is left to the shell as a file.

    Before a slash, variants come first and components after them, with their slash.
    """
    wanted = ctx.params.get("components") or ()
    by_component = {name: variants for name, variants in variant_names().items() if not wanted or name in wanted}
    component, slash, _ = incomplete.partition("/")
    if slash:
        names = [f"{component}/{variant}" for variant in by_component.get(component, ())]
    else:
        variants = dict.fromkeys(variant for variants in by_component.values() for variant in variants)
        names = [*variants, *(f"{name}/" for name in by_component)]
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]

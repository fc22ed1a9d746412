"""The options of ``latencykit engine run``, by what they are about."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

_F = TypeVar("_F", bound=Callable[..., Any])
_Decorator = Callable[[Any], Any]

KINDS = ("unknown_symbol", "bad_price", "bad_volume", "bad_quote", "crossed_quote", "backwards", "repeated_quote",
         "repeated_trade", "gap")  # fmt: skip
POLICIES = ("accept", "skip", "halt")


def options(*groups: Sequence[_Decorator]) -> Callable[[_F], _F]:
    """Return a decorator that adds groups of options in their order."""

    def decorate(function: _F) -> _F:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return decorate


def complete_rule(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ``kind=policy``."""
    rules = [f"{kind}={policy}" for kind in KINDS for policy in POLICIES]
    return [CompletionItem(rule) for rule in rules if rule.startswith(incomplete)]


_FILE = click.Path(exists=True, dir_okay=False, readable=True)

FEED = (
    click.option(
        "--ticks", type=_FILE, metavar="FILE", help="Market data (CSV of bars, quotes or trades), or a journal."
    ),
    click.option("--synthetic", type=click.IntRange(min=1), metavar="N", help="So many synthetic ticks."),
    click.option("--ring", metavar="NAME", help="Ticks of a SharedRing, until its producer closes it."),
    click.option(
        "--live", multiple=True, metavar="SYMBOL", help="Bars of Yahoo Finance, until Ctrl-C; may be repeated."
    ),
    click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Of the synthetic ticks [1]."),
    click.option("--symbols", type=int, metavar="N", help="How many instruments [1, or as many as --live]."),
)

SETUP = (
    click.option("--preset", type=click.Choice(["naive", "production"]), help="Every switch off, or on."),
    click.option("--pin", metavar="A,B", help="Pin the engine to CPU A and its journal to B."),
    click.option("--no-pinning", is_flag=True, help="Pin nothing, whatever the preset says."),
    click.option("--update-interval", metavar="TIME", help="Least feed time between two updates, such as 1s, or 0."),
    click.option("--no-simd", is_flag=True, help="Averages without vector registers."),
    click.option("--mutex", is_flag=True, help="A mutex instead of the lock-free queue of the journal."),
    click.option("--memory", type=int, metavar="BYTES", help="Memory for orders, allocated ahead; 0 for none."),
    click.option("--sample-every", type=int, metavar="N", help="Time one tick in N [64]; 1 for all, 0 for none."),
    click.option(
        "--when-degraded",
        type=click.Choice(["continue", "reduce", "pause"]),
        help="While the mean of a tick is above 10 µs [continue].",
    ),
    click.option("--strategy", metavar="MODULE:FUNCTION", help="Decides on each tick, in place of the panic detector."),
    click.option("--on-strategy-error", type=click.Choice(["halt", "skip"]), help="When the strategy raises [halt]."),
)

LIMITS = (
    click.option("--max-order", type=int, metavar="N", help="Units in one order [1000]."),
    click.option("--max-position", type=int, metavar="N", help="Units of one symbol [1000]."),
    click.option("--price-collar", type=float, metavar="X", help="Distance from the slow average [0.1]; 0 for none."),
    click.option("--max-orders-per-second", type=int, metavar="N", help="In the feed's time [100]; 0 for no limit."),
    click.option(
        "--feed-rule",
        "feed_rules",
        multiple=True,
        metavar="KIND=POLICY",
        shell_complete=complete_rule,
        help="Accept, skip or halt on a kind of bad tick, such as gap=halt; may be repeated.",
    ),
    click.option("--longest-gap", metavar="TIME", help="What counts as a gap, such as 60s [nothing]."),
)

OPEN_LOOP = (
    click.option(
        "--rate", metavar="R|sweep", help="Offer R ticks a second, or look for the most that it keeps up with."
    ),
    click.option("--duration", metavar="TIME", help="How long a rate is offered [the whole feed; 1s in a sweep]."),
)

OUTPUT = (
    click.option("--journal", metavar="FILE", help="Write a line there for each tick and decision."),
    click.option("--force", is_flag=True, help="Replace a journal that is there already."),
    click.option("--target", "targets", multiple=True, metavar="TEXT", help="Such as 'p99 < 10us'; may be repeated."),
    click.option("--check", is_flag=True, help="Exit with 1 if a target is missed, 3 if that cannot be told."),
    click.option("--delays", metavar="LIST", help="Delays of the entry [0,1ms,100ms,1s,5s,60s]."),
    click.option("--no-cost", is_flag=True, help="Do not tell what latency costs."),
    click.option("--json", "json_name", metavar="FILE", help="Write the run there; - is standard output."),
    click.option(
        "--prometheus", metavar="FILE", help="Write Prometheus's text there at the end; - is standard output."
    ),
    click.option("--quiet", is_flag=True, help="No progress and no warnings on standard error."),
)

"""``latencykit engine``: ticks through the reference engine, and what became of them."""

from typing import Any

import click

from latencykit.commands.engine_options import FEED, LIMITS, OPEN_LOOP, OUTPUT, SETUP, options


@click.group
def engine() -> None:
    """Run the reference engine: ticks in, orders and a journal out, every stage timed."""


@engine.command
@options(FEED, SETUP, LIMITS, OPEN_LOOP, OUTPUT)
def run(**given: Any) -> int:
    """Run the engine over a feed, and show its stages and what latency costs.

    Without a feed it takes 200,000 synthetic ticks. Orders are filled on paper; none goes anywhere. With
    --rate ticks come when they are due, and response times are shown instead of the cost of latency; --rate sweep
    looks for the rate at which the engine no longer keeps up.

    Tables go to standard output, as wide as COLUMNS or the terminal (80 columns at least; 140 when piped); progress,
    alerts and warnings go to standard error.

    Exit status: 0 good; 1 a target is missed (with --check); 2 the input is wrong, or a strategy, the feed or the
    journal failed; 3 a target cannot be told (with --check); 130 interrupted, with what was done until then.
    """
    from latencykit.commands.engine_session import run_engine

    return run_engine(given)

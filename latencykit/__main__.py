"""The command line's entry: runs a command, and turns what goes wrong into a sentence and a status."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click

from latencykit import __version__
from latencykit.commands.failures import INTERRUPTED, WRONG, explain

# The help of all commands is printed from here, so that it costs no import of any of them.
COMMANDS = {
    "bench": "Measure components, naive against optimised, and judge them against their targets.",
    "compare": "Tell which of two operations is faster, sampled in turns; or compare two saved runs.",
    "engine": "Run the reference engine over a feed, every stage timed.",
    "log": "Recover what a killed process had logged.",
    "selftest": "Hold the tool's figures against operations of known cost.",
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is run or completed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """Import a command, or return None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"latencykit.commands.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the list of commands from their one-line descriptions."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="latencykit", message="%(prog)s %(version)s")
@click.pass_context
def latencykit(ctx: click.Context) -> int:
    """Benchmark latency-critical Python against its budget, on the machine it runs on."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        return WRONG
    return 0


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; whatever goes wrong is explained on standard error.

    Args:
        arguments: The command line without the program's name; None reads sys.argv.
    """
    try:
        status = latencykit.main(arguments, prog_name="latencykit", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        click.echo("latencykit: interrupted", err=True)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one place where every failure becomes a sentence
        click.echo(explain(error), err=True)
        return WRONG
    return status if isinstance(status, int) else 0


def main() -> NoReturn:
    """Run the command line and exit with its status."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller, as some daemons do
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end
    sys.exit(run())


if __name__ == "__main__":
    main()

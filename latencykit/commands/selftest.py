"""``latencykit selftest``: the tool's figures against truths, on this machine."""

import io
import sys
from typing import TYPE_CHECKING

import click

from latencykit.commands.failures import CHECK_FAILED, GOOD, INCONCLUSIVE
from latencykit.commands.output import show, view_of

if TYPE_CHECKING:
    from latencykit.selftest.checks import Check, Outcome
    from latencykit.selftest.truths import Finding

_STYLES = {"true": "green", "false": "bold red", "inconclusive": "yellow"}


@click.command
@click.option("--rigorous", is_flag=True, help="Measure each truth for longer.")
@click.option("--cpu", type=int, metavar="N", help="Pin what is measured to this CPU.")
@click.option("--quiet", is_flag=True, help="No progress on standard error.")
def selftest(*, rigorous: bool, cpu: int | None, quiet: bool) -> int:
    """Measure operations of known cost and hold the tool's figures against the truth.

    Known are: how long a spin on the clock lasts, that a chain of multiplies grows in a straight line, where the
    tail of a mixture lies, and how many allocations were planted.

    Exit status: 0 all figures are true; 1 one is false; 3 one is off, but the machine was unfit meanwhile.
    """
    from latencykit.selftest.truths import findings

    found = []
    for finding in findings("default" if rigorous else "quick", cpu):
        found.append(finding)
        if not quiet:
            show(f"checked {finding.checks[-1].name}", sys.stderr)
    judged = [(check, check.outcome(finding.validity.verdict)) for finding in found for check in finding.checks]
    view = view_of(sys.stdout)
    show(_render(judged, _summary(found, judged), width=view.width, colour=view.colour), sys.stdout)
    return _status([outcome for _, outcome in judged])


def _status(outcomes: "list[Outcome]") -> int:
    if "false" in outcomes:
        return CHECK_FAILED
    return INCONCLUSIVE if "inconclusive" in outcomes else GOOD


def _summary(found: "list[Finding]", judged: "list[tuple[Check, Outcome]]") -> str:
    true = sum(outcome == "true" for _, outcome in judged)
    worst = max((finding.validity for finding in found), key=lambda validity: validity.stolen_ratio)
    return (
        f"{true} of {len(judged)} figures are true; at its worst the machine was {worst.verdict}, "
        f"{worst.stolen_ratio:.1%} of its time taken away"
    )


def _render(judged: "list[tuple[Check, Outcome]]", summary: str, *, width: int, colour: bool) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("what", overflow="fold")
    for heading in ("truth", "found", "off", "allowed"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for check, outcome in judged:
        figures = (check.truth, check.found, check.off, check.allowed)
        texts = [_figure(value, check.unit) for value in figures]
        table.add_row(Text(check.name), *texts, Text(outcome, _STYLES[outcome]))
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=colour, color_system="standard" if colour else None, highlight=False
    )
    console.print(table)
    console.print()
    console.print(Text(summary, "bold"))
    return stream.getvalue()


def _figure(value: float, unit: str) -> str:
    from latencykit.units import format_ns

    return format_ns(value) if unit == "ns" else f"{value:g}"

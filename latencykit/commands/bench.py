"""``latencykit bench``: measure, show, save, and judge."""

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from latencykit.commands.completion import complete_what
from latencykit.commands.failures import debugging, errors_of, exit_status, warnings_of
from latencykit.commands.output import Destination, columns_of, obeys_escapes, show, view_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from latencykit.measuring.events import Event
    from latencykit.measuring.loading import Source
    from latencykit.model import Run
    from latencykit.reporters.progress import Progress
    from latencykit.session import Plan

Level = Literal["quick", "default", "rigorous"]


@click.command
@click.argument("what", nargs=-1, metavar="[all | COMPONENT ... | FILE.py ...]", shell_complete=complete_what)
@click.option("--quick", is_flag=True, help="A minute for everything; tails get few samples.")
@click.option("--rigorous", is_flag=True, help="Longer than the default, for figures to be quoted.")
@click.option("--variant", "variants", multiple=True, metavar="V", help="Only this variant; may be repeated.")
@click.option("--peers", is_flag=True, help="Also the third-party packages that are installed.")
@click.option("--json", "json_name", metavar="FILE", help="Write the run there; - is standard output.")
@click.option("--cpu", type=int, metavar="N", help="Pin what is measured to this CPU.")
@click.option("--check", is_flag=True, help="Exit with 1 if a target is missed, 3 if that cannot be told.")
@click.option(
    "--ticks",
    type=click.Path(exists=True, dir_okay=False, readable=True),
    metavar="FILE",
    help="Market data (CSV of bars, quotes or trades) instead of a synthetic market.",
)
@click.option("--quiet", is_flag=True, help="No progress and no warnings on standard error.")
def bench(
    *,
    what: tuple[str, ...],
    quick: bool,
    rigorous: bool,
    variants: tuple[str, ...],
    peers: bool,
    json_name: str | None,
    cpu: int | None,
    check: bool,
    ticks: str | None,
    quiet: bool,
) -> int:
    """Measure components, naive against optimised, and judge them against their targets.

    Without a name it measures the suites that pyproject.toml lists under [tool.latencykit], else all. All is every
    built-in component but those on request: they are measured when they are named. A name takes along the components
    that continue it after an underscore, as orders does orders_allocation, on request or not.

    The table goes to standard output, as wide as COLUMNS or the terminal (80 columns at least; 140 when piped);
    progress and warnings go to standard error.

    Exit status: 0 good; 1 a target is missed (with --check); 2 the input is wrong or an operation failed;
    3 inconclusive, or the machine is unfit (with --check); 130 interrupted.
    """
    level = _level(quick=quick, rigorous=rigorous)
    destination = None if json_name is None else Destination(json_name)
    if destination:
        destination.check()
    from latencykit.session import Plan
    from latencykit.settings import read_settings

    settings = read_settings(Path.cwd())
    plan = Plan(
        level=level or settings.level or "default",
        cpu=settings.cpu if cpu is None else cpu,
        ticks=ticks,
    )
    from latencykit import session

    sources = session.select(what or settings.suites or ("all",), variants, peers=peers)
    run = _measure(sources, plan, quiet=quiet)
    return _deliver(run, destination, check=check, quiet=quiet)


def _level(*, quick: bool, rigorous: bool) -> Level | None:
    if quick and rigorous:
        raise click.UsageError("--quick and --rigorous exclude each other; give one", click.get_current_context())
    return "quick" if quick else "rigorous" if rigorous else None


def _measure(sources: "Sequence[Source]", plan: "Plan", *, quiet: bool) -> "Run":
    from latencykit import session
    from latencykit.reporters.progress import Progress

    if quiet:
        return session.bench(sources, plan, lambda _event: None, sys.argv[1:])
    live = obeys_escapes(sys.stderr)
    with closing(Progress(sys.stderr, live=live, width=lambda: columns_of(sys.stderr))) as progress:
        return session.bench(sources, plan, _observer(progress), sys.argv[1:])


def _observer(progress: "Progress") -> "Callable[[Event], None]":
    """Return what tells the events of a run to the progress reporter, which does not know the runner."""
    from latencykit.measuring import events

    def observe(event: events.Event) -> None:
        match event:
            case events.ComponentStarted(component, operations):
                progress.component_started(component, operations)
            case events.OperationStarted(name):
                progress.operation_started(name)
            case events.OperationFinished(name):
                progress.operation_finished(name)
            case events.OperationFailed(name, failure):
                progress.operation_failed(name, failure.reason, skipped=failure.skipped)
            case events.ComponentFinished():
                progress.component_finished()
            case events.Notice(text):
                progress.notice(text)
            case _:  # a meter reading ends up in the run's validity
                pass

    return observe


def _deliver(run: "Run", destination: Destination | None, *, check: bool, quiet: bool) -> int:
    """Save the run before anything that happens while it is shown can lose it; then show and judge it."""
    from latencykit.reporters import console, jsonfile

    problem = destination.save(jsonfile.render(run)) if destination else None
    stream = sys.stderr if destination and destination.is_stdout else sys.stdout
    if not (quiet and stream is sys.stderr):
        view = view_of(stream)
        show(console.render(run, width=view.width, colour=view.colour), stream)
    status = exit_status(run, check=check, saved=problem is None)
    if not quiet:
        _tell("warning", warnings_of(run, check=check))
    _tell("error", [*errors_of(run), *([problem] if problem else [])])
    if debugging():
        _tell("detail", [failure.detail for failure in run.failures if failure.detail])
    return status


def _tell(kind: str, sentences: list[str]) -> None:
    for sentence in sentences:
        show(f"latencykit: {kind}: {sentence}", sys.stderr)

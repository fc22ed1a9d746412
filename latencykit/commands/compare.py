"""``latencykit compare``: which of two operations is faster, sampled in turns; or what two saved runs can tell."""

import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latencykit.commands.completion import complete_component, complete_contender
from latencykit.commands.failures import debugging
from latencykit.commands.outcomes import errors_of, exit_status, warnings_of
from latencykit.commands.output import Destination, columns_of, obeys_escapes, show, view_of
from latencykit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from latencykit.comparing import Observe, Rivals
    from latencykit.comparison import Report
    from latencykit.measuring.events import Event
    from latencykit.reporters.progress import Progress


@click.command
@click.argument("a", metavar="A", shell_complete=complete_contender)
@click.argument("b", metavar="B", shell_complete=complete_contender)
@click.option(
    "--component",
    "components",
    multiple=True,
    metavar="C",
    shell_complete=complete_component,
    help="Only in this component or suite file; may be repeated.",
)
@click.option("--peers", is_flag=True, help="Also where A or B needs a third-party package.")
@click.option("--json", "json_name", metavar="FILE", help="Write the comparisons there; - is standard output.")
@click.option("--cpu", type=int, metavar="N", help="Pin what is measured to this CPU.")
@click.option("--check", is_flag=True, help="Exit with 1 if B is slower, 3 if that cannot be told.")
@click.option("--force", is_flag=True, help="Compare saved runs of unlike machines too.")
@click.option("--quiet", is_flag=True, help="No progress and no warnings on standard error.")
def compare(
    *,
    a: str,
    b: str,
    components: tuple[str, ...],
    peers: bool,
    json_name: str | None,
    cpu: int | None,
    check: bool,
    force: bool,
    quiet: bool,
) -> int:
    """Tell whether B is slower or faster than A, and by what ratio b/a.

    A and B are two variants, compared in every built-in component that has both (lockfree mutex), or in those of
    --component; component/variant[key=value] names one operation alone. Or they are two functions without arguments
    (module:function, FILE.py:function), or two runs that bench saved (base.json head.json).

    Operations are sampled in turns in one process a pair, until the interval of the ratio tells enough or 104 pairs are
    taken. B is slower if the whole interval is beyond +1 %, faster if beyond -1 %, the same if within 2 %.
    Saved runs were measured one after the other, which can show large differences only.

    Exit status: 0 whatever is found; 1 B is slower (with --check); 2 the input is wrong or an operation failed;
    3 inconclusive, or the machine is unfit (with --check); 130 interrupted.
    """
    destination = None if json_name is None else Destination(json_name)
    if destination:
        destination.check()
    if _are_runs(a, b):
        _refuse(components, peers=peers, cpu=cpu)
        from latencykit.comparing import compare_saved

        report = compare_saved(a, b, sys.argv[1:], force=force)
    else:
        if force:
            raise UsageError("--force is for two saved runs; leave it out")
        report = _measure(a, b, components, peers=peers, cpu=cpu, quiet=quiet)
    return _deliver(report, destination, check=check, quiet=quiet)


def _are_runs(a: str, b: str) -> bool:
    """Tell whether both are files of runs.

    Raises:
        UsageError: Only one of them is.
    """
    files = [name.endswith(".json") or (":" not in name and not name.endswith(".py") and Path(name).is_file())
             for name in (a, b)]  # fmt: skip
    if any(files) and not all(files):
        raise UsageError(f"{a} and {b} are a saved run and something else; give two runs, or two operations")
    return all(files)


def _refuse(components: tuple[str, ...], *, peers: bool, cpu: int | None) -> None:
    """Refuse options that say how to measure where nothing is measured."""
    given = {"--component": bool(components), "--peers": peers, "--cpu": cpu is not None}
    if names := [name for name, wanted in given.items() if wanted]:
        raise UsageError(f"{', '.join(names)} cannot be used with saved runs, which are measured already; leave it out")


def _measure(a: str, b: str, components: tuple[str, ...], *, peers: bool, cpu: int | None, quiet: bool) -> "Report":
    from latencykit import comparing
    from latencykit.measuring.conditions import choose_cpu
    from latencykit.settings import read_settings

    settings = read_settings(Path.cwd())
    chosen = choose_cpu(settings.cpu if cpu is None else cpu)
    rivals = _rivals(a, b, components, components or settings.suites or ("all",), peers=peers)
    if quiet:
        return comparing.compare(rivals, chosen, lambda _pair, _event: None, sys.argv[1:])
    from latencykit.reporters.progress import Progress

    live = obeys_escapes(sys.stderr)
    width = partial(columns_of, sys.stderr)
    with closing(Progress(sys.stderr, live=live, width=width, kind="comparison")) as progress:
        progress.component_started(f"{b} against {a}", len(rivals))
        return comparing.compare(rivals, chosen, _observer(progress), sys.argv[1:])


def _rivals(a: str, b: str, components: "Sequence[str]", wanted: "Sequence[str]", *, peers: bool) -> "list[Rivals]":
    from latencykit.comparing import function_rivals, variant_rivals

    if ":" not in a + b and not a.endswith(".py") and not b.endswith(".py"):
        return variant_rivals(a, b, wanted, peers=peers)
    if components:
        raise UsageError("--component is for variants, and A and B are functions; leave it out")
    return [function_rivals(a, b)]


def _observer(progress: "Progress") -> "Observe":
    """Return what tells the events of comparisons to the progress reporter, which does not know the runner."""
    from latencykit.measuring import events

    def observe(pair: "Rivals", event: "Event") -> None:
        name = f"{pair.a.name} against {pair.b.name}"
        match event:
            case events.OperationStarted(operation):
                progress.operation_started(f"warming up {operation}")
            case events.PairSampled(pairs, most):
                progress.operation_started(f"{pair.component} {pairs} of at most {most} pairs".lstrip())
            case events.PairFinished():
                progress.operation_finished(name)
            case events.PairFailed(operation, reason, _, skipped):
                progress.operation_failed(name, f"{operation}: {reason}" if operation else reason, skipped=skipped)
            case events.Notice(text):
                progress.notice(f"{name}: {text}")
            case _:  # what was sampled ends up in the report
                pass

    return observe


def _deliver(report: "Report", destination: Destination | None, *, check: bool, quiet: bool) -> int:
    """Save the report before anything that happens while it is shown can lose it; then show and judge it."""
    from latencykit.reporters import comparison, jsonfile

    problem = destination.save(jsonfile.render(report)) if destination else None
    stream = sys.stderr if destination and destination.is_stdout else sys.stdout
    if not (quiet and stream is sys.stderr):
        view = view_of(stream)
        show(comparison.render(report, width=view.width, colour=view.colour), stream)
    if not quiet:
        for sentence in warnings_of(report, check=check):
            show(f"latencykit: warning: {sentence}", sys.stderr)
    for sentence in [*errors_of(report), *([problem] if problem else [])]:
        show(f"latencykit: error: {sentence}", sys.stderr)
    if debugging():
        for failure in report.failures:
            show(f"latencykit: detail: {failure.detail}", sys.stderr)
    return exit_status(report, check=check, saved=problem is None)

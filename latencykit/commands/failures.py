"""Exit statuses, and the sentences that go with them on standard error."""

import os
from typing import TYPE_CHECKING

import click

from latencykit.errors import LatencykitError

if TYPE_CHECKING:
    from latencykit.model import Failure, Result, Run

GOOD, CHECK_FAILED, WRONG, INCONCLUSIVE, INTERRUPTED = 0, 1, 2, 3, 130


def explain(error: Exception) -> str:
    """Return what to print for an error that ends a command: a sentence; a traceback only if asked for."""
    if isinstance(error, click.ClickException):
        text = _usage(error)
    elif isinstance(error, LatencykitError):
        text = f"latencykit: error: {error}"
    else:
        text = (
            f"latencykit: error: unexpected {type(error).__name__}: {one_line(str(error))}; "
            "set LATENCYKIT_DEBUG=1 to see where, and please report it"
        )
    if debugging():
        import traceback  # only here, for it would slow down every start

        text += "\n" + "".join(traceback.format_exception(error)).rstrip()
    return text


def debugging() -> bool:
    """Return True if LATENCYKIT_DEBUG asks for tracebacks."""
    return os.environ.get("LATENCYKIT_DEBUG", "0") not in ("", "0")


def exit_status(run: "Run", *, check: bool, saved: bool) -> int:
    """Return the exit status of a run.

    Args:
        run: What was measured.
        check: Whether targets decide; if not, they only warn.
        saved: Whether the run was written where it was asked to be, if it was.
    """
    if not run.complete:
        return INTERRUPTED
    if _errors(run) or not saved:
        return WRONG
    if not check:
        return GOOD
    verdicts = _verdicts(run)
    if "missed" in verdicts:
        return CHECK_FAILED
    if "inconclusive" in verdicts or not verdicts or run.validity.verdict == "unfit":
        return INCONCLUSIVE
    return GOOD


def errors_of(run: "Run") -> list[str]:
    """Return a sentence for each kind of thing in a run that makes its exit status 2 or 130."""
    from latencykit.reporters.rows import failure_name

    sentences = [] if run.complete else ["interrupted; what was finished is kept"]
    if errors := _errors(run):
        first, others = errors[0], len(errors) - 1
        more = f" (and {others} more, named in the report)" if others else ""
        sentences.append(f"{failure_name(first)} failed: {one_line(first.reason)}{more}")
    return sentences


def warnings_of(run: "Run", *, check: bool) -> list[str]:
    """Return a sentence for each reason to doubt a run or to be unhappy with it."""
    sentences = []
    if not run.validity.hiccups.windows:
        sentences.append("the machine was not metered, so that no target can be judged")
    elif run.validity.verdict != "fit":
        stolen = f"{100 * run.validity.stolen_ratio:.1f} % of its time was taken away"
        sentences.append(f"the machine was {run.validity.verdict} while measuring: {stolen}")
    for word in ("missed", "inconclusive"):
        names = [result.name for result in _judged(run) if result.target and result.target.verdict == word]
        if names:
            sentences.append(f"target {word}: {', '.join(names)}")
    if check and run.results and not _verdicts(run):
        sentences.append("nothing was checked: no operation that was measured has a target")
    return sentences


def one_line(text: str) -> str:
    """Return a text of several lines as one."""
    return " ".join(text.split())


def _usage(error: click.ClickException) -> str:
    message = error.format_message().strip().rstrip(".")
    text = f"latencykit: error: {message[:1].lower()}{message[1:]}"
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{text}\nlatencykit: see '{context.command_path} --help'" if context else text


def _errors(run: "Run") -> list["Failure"]:
    """Return what failed; what was skipped counts only where nothing at all was measured."""
    return [failure for failure in run.failures if not (failure.skipped and run.results)]


def _judged(run: "Run") -> list["Result"]:
    return [result for result in run.results if result.target is not None]


def _verdicts(run: "Run") -> set[str]:
    return {result.target.verdict for result in run.results if result.target is not None}

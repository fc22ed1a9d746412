"""The exit status of comparisons, and the sentences that go with it on standard error."""

from typing import TYPE_CHECKING

from latencykit.commands.failures import CHECK_FAILED, GOOD, INCONCLUSIVE, INTERRUPTED, WRONG, one_line

if TYPE_CHECKING:
    from latencykit.comparison import ComparisonFailure, Report


def exit_status(report: "Report", *, check: bool, saved: bool) -> int:
    """Return the exit status of a report.

    Args:
        report: What was compared.
        check: Whether verdicts decide.
        saved: Whether the report was written where it was asked to be, if it was.
    """
    if not report.complete:
        return INTERRUPTED
    if _errors(report) or not saved:
        return WRONG
    verdicts = {comparison.verdict for comparison in report.comparisons}
    if not check:
        return GOOD
    if "slower" in verdicts:
        return CHECK_FAILED
    return INCONCLUSIVE if "inconclusive" in verdicts or report.validity.verdict == "unfit" else GOOD


def errors_of(report: "Report") -> list[str]:
    """Return a sentence for each kind of thing in a report that makes its exit status 2 or 130."""
    from latencykit.reporters.comparison import failure_sentence

    sentences = [] if report.complete else ["interrupted; what was finished is kept"]
    if errors := _errors(report):
        more = f" (and {len(errors) - 1} more, named in the report)" if len(errors) > 1 else ""
        sentences.append(f"{one_line(failure_sentence(errors[0]))}{more}")
    return sentences


def warnings_of(report: "Report", *, check: bool) -> list[str]:
    """Return a sentence for each reason to doubt a report or to be unhappy with it."""
    from latencykit.reporters.comparison import titles_of

    sentences = list(report.warnings)
    if report.comparisons and report.validity.verdict != "fit":
        stolen = f"{100 * report.validity.stolen_ratio:.1f} % of its time was taken away"
        sentences.append(f"the machine was {report.validity.verdict} while measuring: {stolen}")
    if check:
        named = {word: titles_of(report, word) for word in ("slower", "inconclusive")}
        sentences += [f"{word}: {'; '.join(titles)}" for word, titles in named.items() if titles]
    return sentences


def _errors(report: "Report") -> "list[ComparisonFailure]":
    """Return what failed; what was skipped counts only where nothing at all was compared."""
    return [failure for failure in report.failures if not (failure.skipped and report.comparisons)]

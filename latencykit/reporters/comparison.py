"""Comparisons as text: a sentence for each, the ratio with its interval, the figures and the shapes of both."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from latencykit.comparison import Comparison, ComparisonFailure, ComparisonVerdict, Figures, Interval, Report
from latencykit.model import operation_name
from latencykit.reporters.distributions import picture_of
from latencykit.reporters.machine import facts_of
from latencykit.reporters.rows import call_figure, times
from latencykit.units import format_ns

_STYLES = {
    "bold": "1", "dim": "2", "good": "32", "doubt": "33", "bad": "1;31",
    "slower": "1;31", "faster": "32", "same": "32", "inconclusive": "33",
    "fit": "32", "noisy": "33", "unfit": "1;31",
}  # fmt: skip
_VERDICTS: tuple[ComparisonVerdict, ...] = ("slower", "faster", "same", "inconclusive")
_WIDEST = 140
_INDENT = "  "
# From this factor on a difference is told as a multiple, below it in percent.
_MULTIPLE_FROM = 1.1
_FACTS = ("cpu", "system", "fitness")


def render(report: Report, *, width: int, colour: bool) -> str:
    """Return comparisons as text, ending in a newline.

    Args:
        report: What to show.
        width: Columns to keep to, at least 80; only a name longer than that goes beyond.
        colour: Whether to add ANSI colours; the words say the same without them.
    """
    page = _Page(min(width, _WIDEST), colour=colour)
    _machine(report, page)
    for comparison in report.comparisons:
        page.blank()
        _comparison(report, comparison, page)
    if report.failures:
        page.blank()
    for failure in report.failures:
        page.labelled("skipped" if failure.skipped else "failed", failure_sentence(failure), "doubt")
    page.blank()
    if len(report.comparisons) > 1:
        _overview(report, page)
    for warning in report.warnings:
        page.labelled("warning", warning, "doubt")
    _legend(report, page)
    page.text(summary(report), "bold")
    return page.end()


def title_of(report: Report, comparison: Comparison | ComparisonFailure) -> str:
    """Return what is compared: the component with its parameters, and the two letters."""
    if report.kind == "saved":
        mode = getattr(comparison, "mode", "batched")
        special = "" if mode in ("batched", "per_call") else f" ({mode.replace('_', ' ')})"
        return f"{operation_name(comparison.component, comparison.a, comparison.parameters)}{special}"
    a, b = letters(report, comparison)
    if not comparison.component:
        return f"{a}, {b}"
    # The name of an operation without its variant: the component, and the values that both have.
    named = operation_name(comparison.component, "", comparison.parameters).replace("/", "", 1)
    return f"{named}: {a}, {b}"


def letters(report: Report, comparison: Comparison | ComparisonFailure) -> tuple[str, str]:
    """Return the names of both with their letters."""
    if report.kind == "saved":
        return "A base", "B head"
    return f"A {comparison.a}", f"B {comparison.b}"


def verdict_sentence(comparison: Comparison, a: str, b: str) -> str:
    """Say in words what a comparison found, for example ``B lockfree is 38.0 × faster than A mutex``."""
    ratio = comparison.ratio
    if comparison.verdict == "same":
        return f"{b} takes the same time as {a}, within 2 %"
    if comparison.verdict == "inconclusive" or ratio is None:
        return f"inconclusive whether {b} is slower or faster than {a}: {comparison.reason}"
    factor = max(ratio, 1 / ratio)
    if factor >= _MULTIPLE_FROM:
        return f"{b} is {times(factor)} {comparison.verdict} than {a}"
    more = "more" if ratio > 1 else "less"
    return f"{b} is {comparison.verdict} than {a}: it takes {100 * abs(ratio - 1):.1f} % {more} time"


def failure_sentence(failure: ComparisonFailure) -> str:
    """Say which pair could not be compared and why."""
    names = [operation_name(failure.component, x, failure.parameters) if failure.component else x
             for x in (failure.a, failure.b)]  # fmt: skip
    blamed = f"{failure.operation}: " if failure.operation else "one of the two: "
    return f"{names[0]} against {names[1]}: {blamed}{' '.join(failure.reason.split())}"


def summary(report: Report) -> str:
    """Count the verdicts."""
    counts = Counter(comparison.verdict for comparison in report.comparisons)
    total = len(report.comparisons)
    parts = [f"{total} comparison{'' if total == 1 else 's'}"]
    parts += [f"{counts[verdict]} {verdict}" for verdict in _VERDICTS if counts[verdict]]
    fates = Counter("skipped" if failure.skipped else "failed" for failure in report.failures)
    parts += [f"{count} {fate}" for fate, count in fates.items()]
    if not report.complete:
        parts.append("interrupted, these are those that were finished")
    return f"{parts[0]}: {', '.join(parts[1:])}" if len(parts) > 1 else parts[0]


class _Page:
    """Lines under way: wrapped, indented and painted."""

    def __init__(self, width: int, *, colour: bool) -> None:
        self.width = width
        self._colour = colour
        self._lines: list[str] = []

    def paint(self, text: str, style: str) -> str:
        """Return text in a style, if colours are wanted."""
        code = _STYLES.get(style, "")
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and code and text else text

    def blank(self) -> None:
        """Leave a line empty, but never two."""
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def line(self, text: str) -> None:
        """Add a line as it is."""
        self._lines.append(text.rstrip())

    def text(self, text: str, style: str = "", indent: str = "") -> None:
        """Add wrapped text in one style."""
        for line in self._wrapped(text, self.width - len(indent)):
            self.line(indent + self.paint(line, style))

    def labelled(self, label: str, text: str, style: str = "dim", indent: str = "", columns: int = 9) -> None:
        """Add wrapped text with a label before its first line."""
        lines = self._wrapped(text, self.width - len(indent) - columns)
        for number, line in enumerate(lines):
            head = label.ljust(columns) if number == 0 else " " * columns
            self.line(f"{indent}{self.paint(head.rstrip(), style)}{' ' * (columns - len(head.rstrip()))}{line}")

    def end(self) -> str:
        """Return all lines."""
        return "".join(f"{line}\n" for line in self._lines)

    @staticmethod
    def _wrapped(text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _machine(report: Report, page: _Page) -> None:
    for fact in facts_of(report.environment, report.validity):
        if fact.label in _FACTS:
            page.labelled(fact.label, f"{fact.text}{fact.word}{fact.more}")
    for label, run in (("base", report.base), ("head", report.head)):
        if run is not None:
            page.labelled(label, f"{run.path}, started {run.started_at}, machine {run.fingerprint}")


def _comparison(report: Report, comparison: Comparison, page: _Page) -> None:
    a, b = letters(report, comparison)
    page.text(title_of(report, comparison), "bold")
    page.text(verdict_sentence(comparison, a, b), comparison.verdict, _INDENT)
    for label, text in _ratios(comparison):
        page.labelled(label, text, "dim", _INDENT, 11)
    for remark in comparison.remarks:
        page.labelled("note", remark, "doubt", _INDENT, 11)
    page.blank()
    for number, line in enumerate(_table(comparison, a, b, page.width)):
        page.line(page.paint(line, "dim") if number == 0 else line)
    for line in _picture(comparison, a, b, page):
        page.line(line)


def _overview(report: Report, page: _Page) -> None:
    """Add a line a comparison, for those who compared many."""
    for comparison in report.comparisons:
        ratio, interval = comparison.ratio, comparison.interval
        found = f": {_number(ratio)}" if ratio is not None else ""
        bounds = f" ({_number(interval[0])} to {_number(interval[1])})" if interval is not None else ""
        page.labelled(comparison.verdict, f"{title_of(report, comparison)}{found}{bounds}", comparison.verdict, "", 14)
    page.blank()


def _ratios(comparison: Comparison) -> Iterator[tuple[str, str]]:
    if comparison.ratio is not None:
        text = f"{_number(comparison.ratio)}{_interval(comparison.interval, comparison.level)}"
        pairs = f", from {comparison.pairs} pairs" if comparison.pairs else ""
        yield f"{_statistic(comparison.statistic)} b/a", f"{text}{pairs}"
    tail = comparison.tail
    if tail is not None:
        text = f"{_number(tail.ratio)}{_interval(tail.interval, tail.level)}"
        yield f"{_statistic(tail.statistic)} b/a", f"{text}; shown, it decides nothing"


def _interval(interval: Interval | None, level: float) -> str:
    if interval is None:
        return ", no interval"
    percent = f"{100 * level:.4f}".rstrip("0").rstrip(".")
    return f", {percent} % interval {_number(interval[0])} to {_number(interval[1])}"


def _number(ratio: float) -> str:
    return f"{ratio:.3f}" if 0.5 <= ratio <= 2 else f"{ratio:,.0f}" if ratio >= 999.5 else f"{ratio:#.3g}"


def _statistic(name: str) -> str:
    return {"p999": "p99.9"}.get(name, name)


def _table(comparison: Comparison, a: str, b: str, width: int) -> list[str]:
    """Return the percentiles of both under headings; a name that leaves them no room stands above them."""
    rows = [
        ("", "p50", "p90", "p99", "p99.9", "floor", "calls"),
        (a, *_cells(comparison.a_figures)),
        (b, *_cells(comparison.b_figures)),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    stacked = len(_INDENT) + sum(widths) + 2 * (len(widths) - 1) > width
    lines = []
    for name, *cells in rows:
        figures = "  ".join(cell.rjust(size) for cell, size in zip(cells, widths[1:], strict=True))
        if not stacked:
            lines.append(f"{_INDENT}{name.ljust(widths[0])}  {figures}")
        else:
            lines += [f"{_INDENT}{name}"] * bool(name) + [f"{_INDENT * 2}{figures}"]
    return lines


def _cells(figures: Figures) -> tuple[str, ...]:
    tails = [call_figure(value, figures.resolution_ns) for value in (figures.p90_ns, figures.p99_ns, figures.p999_ns)]
    return (format_ns(figures.p50_ns), *tails, format_ns(figures.floor_ns), f"{figures.count:,}")


def _picture(comparison: Comparison, a: str, b: str, page: _Page) -> list[str]:
    names = [a, b] if max(len(a), len(b)) <= page.width // 3 else ["A", "B"]
    left = max(map(len, names)) + len(_INDENT) + 2
    drawn = picture_of(comparison.a_figures, comparison.b_figures, page.width - left)
    if drawn is None:
        return []
    rows = [f"{_INDENT}{name}".ljust(left) + line for name, line in zip(names, (drawn.a, drawn.b), strict=True)]
    axis = page.paint(f"{' ' * left}{drawn.axis}".rstrip(), "dim")
    return ["", page.paint(f"{_INDENT}{drawn.of}, each to its own scale", "dim"), *rows, axis]


def _legend(report: Report, page: _Page) -> None:
    if not report.comparisons:
        return
    live = [
        "b/a: the median over pairs of the time of B over that of A. Each pair was sampled in turns, one sample the "
        "fastest of a few batches of calls. All intervals of this command hold together with 99 %.",
        "slower, faster: the whole interval is beyond 1 %; same: it is within 2 %.",
        "p50: median over batches; p90 to p99.9: of single calls. All net of the floor, what an empty call takes.",
    ]
    saved = [
        "The two runs were measured one after the other, not in turns: what the machine changed between them, up to a "
        "factor of 1.5 by what was seen, is in each ratio and so in each interval. Slower and faster are said only "
        "beyond that, same never.",
        "p50: median over batches; p90 to p99.9: of single calls. All net of the floor, what an empty call takes.",
    ]
    for line in saved if report.kind == "saved" else live:
        page.text(line, "dim")


def titles_of(report: Report, verdict: str) -> Sequence[str]:
    """Return the titles of all comparisons of a verdict."""
    return [title_of(report, comparison) for comparison in report.comparisons if comparison.verdict == verdict]

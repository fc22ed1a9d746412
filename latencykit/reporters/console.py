"""A run as text for a terminal, a pipe or a log: the machine, the table, and what to know about it."""

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from rich.box import Box
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from latencykit.analysis.latency_cost import LatencyCost
from latencykit.model import Failure, Run
from latencykit.reporters.blocks import TextBlock, without_padding
from latencykit.reporters.growth import GrowthBlock, growth_blocks
from latencykit.reporters.latency_cost import cost_block
from latencykit.reporters.machine import facts_of
from latencykit.reporters.rows import NONE, Row, claim_sentence, failure_name, rows_of

WIDEST_PROSE = 140
_RULE_UNDER_HEAD = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
_STYLES = {
    "failed": "bold red",
    "skipped": "yellow",
    "met": "green",
    "missed": "bold red",
    "inconclusive": "yellow",
    "baseline": "dim",
    "fit": "green",
    "noisy": "yellow",
    "unfit": "bold red",
    "optimal": "green",
    "recommended": "green",
    "minimum": "",
    "below minimum": "yellow",
    "unknown": "yellow",
}


class Column(NamedTuple):
    """A column of the table: its heading, the field of a row that it shows, and its side."""

    heading: str
    field: str
    justify: Literal["left", "right"] = "right"


COLUMNS = {
    column.field: column
    for column in (
        Column("component", "component", "left"),
        Column("variant", "variant", "left"),
        Column("p50", "p50"),
        Column("p99", "p99"),
        Column("p99.9", "p999"),
        Column("floor", "floor"),
        Column("allocs/op", "allocations"),
        Column("cache hits", "cache_hits"),
        Column("× baseline", "speedup"),
        Column("claimed", "claimed"),
        Column("target", "target", "left"),
        Column("verdict", "verdict", "left"),
    )
}
_DOUBTED = ("missed", "inconclusive")
WIDE = [list(COLUMNS)]
SPLIT = [
    ["component", "variant", "p50", "p99", "p999", "speedup", "verdict"],
    ["component", "variant", "floor", "allocations", "cache_hits", "claimed", "target"],
]


def render(run: Run, *, width: int, colour: bool) -> str:
    """Return a run as text, ending in a newline.

    Args:
        run: What to show.
        width: Columns to keep to, at least 80; only a name longer than that goes beyond.
        colour: Whether to add ANSI colours; the words say the same without them.
    """
    console = _console(width, colour=colour)
    rows = rows_of(run.results)
    prose = min(width, WIDEST_PROSE)
    with console.capture() as capture:
        console.print(_machine(run), width=prose)
        console.print()
        for block in _tables(rows, console):
            console.print(block, soft_wrap=isinstance(block, Text))
            console.print()
        for growth in growth_blocks(run.growth):
            console.print(_growth(growth, width), soft_wrap=True)
            console.print(Text(growth.legend, "dim"), width=prose)
            console.print()
        for remark in (_claims(run), _notes(run, rows), _operations(run), _legend(run, rows), _summary(run, rows)):
            if remark is not None:
                console.print(remark, width=prose)
    return without_padding(capture.get())


def render_latency_cost(cost: LatencyCost, *, width: int, colour: bool) -> str:
    """Return what latency costs as text, a table and a chart; see `render_blocks`."""
    return render_blocks([cost_block(cost, width)], width=width, colour=colour)


def render_blocks(blocks: Sequence[TextBlock], *, width: int, colour: bool) -> str:
    """Return blocks of text with an empty line between two, ending in a newline.

    Args:
        blocks: What to show, laid out for the width.
        width: Columns to keep to, at least 80; only a row whose figures need more goes beyond.
        colour: Whether to add ANSI colours; the words say the same without them.
    """
    console, prose = _console(width, colour=colour), min(width, WIDEST_PROSE)
    with console.capture() as capture:
        for number, block in enumerate(blocks):
            console.print(Text("\n" * bool(number)) + Text(block.title, "bold"), width=prose)
            for headings, *lines in block.tables:
                console.print(Text(headings, "dim"), Text("\n".join(lines)), "", sep="\n", soft_wrap=True)
            if block.chart:
                console.print(Text("\n".join(block.chart)), "", sep="\n", soft_wrap=True)
            for line in (*map(Text, block.facts), *(Text(line, "dim") for line in block.legend)):
                console.print(line, width=prose)
    return without_padding(capture.get())


def _console(width: int, *, colour: bool) -> Console:
    # Everything that rich would otherwise read from the environment is said here, so that the text depends on
    # the arguments alone.
    return Console(
        file=io.StringIO(),
        width=width,
        height=100,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        force_jupyter=False,
        force_interactive=False,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )


def _machine(run: Run) -> Table:
    grid = _grid()
    for fact in facts_of(run.environment, run.validity):
        text = Text(fact.text)
        text.append(fact.word, _STYLES.get(fact.word, "")).append(fact.more, "dim" if fact.text else "")
        grid.add_row(Text(fact.label, "dim"), text)
    return grid


def _tables(rows: Sequence[Row], console: Console) -> list[RenderableType]:
    """Return the rows in the first form that fits: one table, two, or a paragraph for each operation."""
    if not rows:
        return [Text("No operation was measured.")]
    for form in (WIDE, SPLIT):
        tables = [_table(rows, fields) for fields in form]
        if all(_natural_width(table, console) <= console.width for table in tables):
            return list(tables)
    return [_paragraphs(rows, console.width)]


def _natural_width(table: Table, console: Console) -> int:
    # Asked for at the console's own width, the answer would never exceed it.
    return Measurement.get(console, console.options.update(width=1_000_000), table).maximum


def _table(rows: Sequence[Row], fields: Sequence[str]) -> Table:
    table = Table(box=_RULE_UNDER_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.show_edge = False
    for field in fields:
        column = COLUMNS[field]
        table.add_column(Text(column.heading, "bold"), justify=column.justify, no_wrap=True, overflow="crop")
    for row, next_row in zip(rows, [*rows[1:], None], strict=True):
        table.add_row(*(_cell(row, field) for field in fields))
        if next_row is not None and next_row.component != row.component:
            table.add_row()
    return table


def _cell(row: Row, field: str) -> Text:
    text = str(getattr(row, field))
    if field == "verdict":
        return Text(text, _STYLES.get(text, ""))
    return Text(text, "dim" if row.verdict == "baseline" or text in (NONE, "n/a") else "")


def _paragraphs(rows: Sequence[Row], width: int) -> Text:
    paragraphs = Text("\n\n").join(_paragraph(row, width) for row in rows)
    paragraphs.no_wrap = True
    return paragraphs


def _paragraph(row: Row, width: int) -> Text:
    text = Text(row.name, "bold")
    used = width
    for field in list(COLUMNS)[2:]:
        pair = Text(f"{COLUMNS[field].heading} ", "dim") + _cell(row, field)
        if used + 3 + len(pair) > width:
            text.append("\n  ")
            used = 2
        else:
            text.append("   ")
            used += 3
        text.append(pair)
        used += len(pair)
    return text


def _growth(block: GrowthBlock, width: int) -> Text:
    text = Text(block.title, "bold", no_wrap=True)
    for number, line in enumerate(block.layout(width)):
        text.append("\n").append(line, "" if number else "dim")
    return text


def _claims(run: Run) -> Table | None:
    return _listed((Text("claim", "bold"), Text(claim_sentence(check))) for check in run.claims)


def _operations(run: Run) -> Table | None:
    return _listed((Text(name, "dim"), Text(doc, "dim")) for name, doc in run.components.items())


def _listed(rows: Iterable[tuple[Text, Text]]) -> Table | None:
    """Return labelled lines with an empty one after them, or None if there are none."""
    grid = _grid()
    for label, text in rows:
        grid.add_row(label, text)
    grid.add_row("", "")
    return grid if grid.row_count > 1 else None


def _notes(run: Run, rows: Sequence[Row]) -> Table | None:
    failed = [(_fate(failure), " ".join(failure.reason.split()), failure_name(failure)) for failure in run.failures]
    doubted = [(row.verdict, row.reason, row.name) for row in rows if row.reason and row.verdict in _DOUBTED]
    notes = [
        (Text(word, _STYLES[word]), Text(f"{', '.join(names)}: {reason}"))
        for (word, reason), names in _grouped([*failed, *doubted]).items()
    ]
    notes += [(Text("warning", "yellow"), Text(warning)) for warning in run.environment.warnings]
    if not run.complete:
        notes.append((Text("interrupted", "yellow"), Text("these are the operations that were finished")))
    return _listed(notes)


def _fate(failure: Failure) -> str:
    return "skipped" if failure.skipped else "failed"


def _grouped(remarks: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], list[str]]:
    """Return the operations that each word and reason holds for, in the order of the remarks."""
    names: dict[tuple[str, str], list[str]] = {}
    for word, reason, name in remarks:
        names.setdefault((word, reason), []).append(name)
    return names


def _legend(run: Run, rows: Sequence[Row]) -> Text:
    figures = [text for row in rows for text in (row.p50, row.p99, row.p999, row.cache_hits, row.allocations)]
    marks = [
        ("n/a: too few samples, or not counted.", "n/a" in figures),
        ("<: under one step of the clock.", any(text.startswith("<") for text in figures)),
        ("at floor: not to be told from an empty call.", "at floor" in figures),
        ("claimed: the figure usually stated for the baseline.", any(row.claimed != NONE for row in rows)),
    ]
    lines = [
        "p50: median over batches of calls; p99, p99.9: of single calls.",
        "All net of the floor: what an empty call takes.",
    ]
    explained = [" ".join(lines), " ".join(text for text, wanted in marks if wanted)] if rows else []
    return Text("\n".join([*filter(None, explained), f"Run {run.id}, started {run.started_at}."]), "dim")


def _summary(run: Run, rows: Sequence[Row]) -> Text:
    verdicts = Counter(row.verdict for row in rows if row.target != NONE)
    judged = verdicts.total()
    style = "bold green" if judged and verdicts["met"] == judged else "bold"
    counted = f"{verdicts['met']} of {judged} target{'' if judged == 1 else 's'} met"
    text = Text(counted if judged else "No targets to judge", style)
    for word in _DOUBTED:
        if verdicts[word]:
            text.append(f", {verdicts[word]} ").append(word, _STYLES[word])
    for word, count in Counter(map(_fate, run.failures)).items():
        text.append(f"; {count} {word}", _STYLES[word])
    if not run.complete:
        text.append("; interrupted", "yellow")
    return text


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    return grid

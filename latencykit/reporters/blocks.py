"""Text that is laid out for a width, and the columns of its tables."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

_T = TypeVar("_T")
_PADDING = re.compile(r" +(?=(\x1b\[0m)?$)")


@dataclass(frozen=True, slots=True)
class TextBlock:
    """What is shown: a title, tables with headings as their first lines, a chart, facts, and what they mean."""

    title: str
    tables: tuple[tuple[str, ...], ...] = ()
    chart: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    legend: tuple[str, ...] = ()


@dataclass(frozen=True)  # slots and a subscripted class do not go together before CPython 3.12
class TextColumn(Generic[_T]):
    """A column: its heading, the text for a row, and its side."""

    heading: str
    text: Callable[[_T], str]
    left: bool = False


def text_table(rows: Sequence[_T], columns: Sequence[TextColumn[_T]]) -> tuple[str, ...]:
    """Return the lines of a table, the headings first."""
    texts = [[column.heading for column in columns], *([column.text(row) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return tuple(
        "  ".join(
            text.ljust(width) if column.left else text.rjust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in texts
    )


def without_padding(text: str) -> str:
    """Return a text without the spaces at the ends of its lines, also before the end of a colour."""
    return "".join(f"{_PADDING.sub('', line)}\n" for line in text.splitlines())

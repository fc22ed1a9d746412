"""Which line of a file each row of a feed came from, in memory that grows with the lines between that are no rows."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

# A file with more breaks than this is not worth naming lines of: what comes after is said to be after the last one.
_MOST_BREAKS: Final = 100_000


class LinePlaces:
    """Remember the lines of rows that are added in their order."""

    def __init__(self) -> None:
        self.rows = 0
        self._from_row: list[int] = []
        self._ahead: list[int] = []  # from that row on, the line minus the row
        self._lost_row: int | None = None

    def add(self, lines: Sequence[int]) -> None:
        """Add rows.

        Args:
            lines: The line of each, counted from 1.
        """
        ahead = self._ahead[-1] if self._ahead else None
        for row, line in enumerate(lines, self.rows):
            if line - row != ahead and self._lost_row is None:
                if len(self._ahead) == _MOST_BREAKS:
                    self._lost_row = row
                    break
                ahead = line - row
                self._from_row.append(row)
                self._ahead.append(ahead)
        self.rows += len(lines)

    def line_of(self, row: int) -> str:
        """Return the line of a row, counted from 0, or what is known of it.

        Raises:
            IndexError: There is no such row.
        """
        if not 0 <= row < self.rows:
            raise IndexError(f"row {row} of {self.rows}")
        known = row if self._lost_row is None else min(row, self._lost_row - 1)
        line = known + self._ahead[bisect_right(self._from_row, known) - 1]
        return str(line) if known == row else f"after {line}"

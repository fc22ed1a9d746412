"""What is going on, on standard error, while a run is made.

It is written only when something happens: a thread that redraws a spinner would run on the very cores that
are being measured.
"""

from collections.abc import Callable
from typing import TextIO

_ERASE_LINE = "\r\x1b[2K"


class Progress:
    """Shows the progress of a run on a stream.

    Args:
        stream: Where to write; when it is gone, the run goes on in silence.
        live: Whether the stream is a terminal, where one line is redrawn; else each component gets a line.
        width: Tells the columns that a live line may take.
        kind: What is counted.
    """

    def __init__(self, stream: TextIO, *, live: bool, width: Callable[[], int], kind: str = "operation") -> None:
        self._stream = stream
        self._kind = kind
        self._live = live
        self._width = width
        self._component = ""
        self._line = ""
        self._operations = 0
        self._done = 0
        self._gone = False

    def component_started(self, component: str, operations: int) -> None:
        """Say that a component of so many operations is being measured."""
        self._component, self._operations, self._done = component, operations, 0
        if self._live:
            self._redraw("")
        else:
            self._say(f"measuring {component} ({operations} {self._kind}{'' if operations == 1 else 's'})")

    def operation_started(self, name: str) -> None:
        """Say which operation is being measured."""
        self._redraw(name)

    def operation_finished(self, name: str) -> None:
        """Count an operation as done."""
        self._done += 1
        self._redraw(name)

    def operation_failed(self, name: str, reason: str, *, skipped: bool = False) -> None:
        """Say that an operation failed or was skipped, and count it."""
        self._done += 1
        self._say(f"{'skipped' if skipped else 'failed'} {name}: {' '.join(reason.split())}")

    def component_finished(self) -> None:
        """Take the live line away."""
        self._redraw("")

    def notice(self, text: str) -> None:
        """Say something that stays on the screen."""
        self._say(f"latencykit: warning: {text}")

    def close(self) -> None:
        """Take the live line away, so that the report starts on a clean one."""
        if self._line:
            self._line = ""
            self._write(_ERASE_LINE)

    def _redraw(self, name: str) -> None:
        if not self._live:
            return
        self._line = live_line(self._component, self._done, self._operations, name, self._width())
        self._write(_ERASE_LINE + self._line)

    def _say(self, text: str) -> None:
        line = f"{text}\n"
        self._write(f"{_ERASE_LINE}{line}{self._line}" if self._live else line)

    def _write(self, text: str) -> None:
        if self._gone:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._gone = True


def live_line(component: str, done: int, operations: int, name: str, width: int) -> str:
    """Return the live line in the fullest form that fits; a name that does not fit is left out, not cut."""
    count = f"{done}/{operations}"
    bar = f"[{'#' * done}{'.' * (operations - done)}]"
    for parts in ((component, bar, count, name), (component, count, name), (component, count), (count,)):
        line = "  ".join(part for part in parts if part)
        if len(line) < width:
            return line
    return ""

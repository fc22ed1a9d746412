"""What an engine is doing, on standard error, while it runs over a feed.

It is written between two chunks of a feed, by the thread that runs the engine, and when the engine's alarm speaks.
"""

import threading
import time
from collections.abc import Callable
from typing import Final, TextIO

from latencykit.units import format_ns

_ERASE_LINE: Final = "\r\x1b[2K"
_LIVE_EVERY_S: Final = 0.1
_PLAIN_EVERY_S: Final = 2.0
_SHOWN_ALERTS: Final = 3


class RunProgress:
    """Shows ticks done, their rate, alerts and whether the engine is degraded.

    Args:
        stream: Where to write; when it is gone, the run goes on in silence.
        live: Whether the stream is a terminal, where one line is redrawn; else a line comes every two seconds.
        width: Tells the columns that a live line may take.
        total: How many ticks there will be; None if nobody knows.
        now: The time in seconds.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        live: bool,
        width: Callable[[], int],
        total: int | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream, self._live, self._width, self._total, self._now = stream, live, width, total, now
        self._begun = self._shown = now()
        self._line, self._alerts, self._gone = "", 0, False
        self._lock = threading.Lock()  # alerts come from a thread of their own

    def doing(self, what: str) -> None:
        """Say what is being done from now on."""
        self._redraw(what)

    def ticks(self, done: int, *, degraded: bool) -> None:
        """Say how many ticks are done, if it is time to say something.

        Args:
            done: Ticks so far.
            degraded: Whether the engine is degraded at the moment.
        """
        now = self._now()
        if now - self._shown < (_LIVE_EVERY_S if self._live else _PLAIN_EVERY_S):
            return
        self._shown = now
        parts = [self._count(done), f"{done / max(now - self._begun, 1e-9):,.0f} a second"]
        parts += [f"{self._alerts:,} alerts"] if self._alerts else []
        parts += ["degraded"] if degraded else []
        self._redraw("  ".join(parts))

    def alert(self, mean_ns: float, limit_ns: float) -> None:
        """Count an alert, and say what the first few are."""
        self._alerts += 1
        if self._alerts > _SHOWN_ALERTS:
            return
        last = "; later ones are only counted" if self._alerts == _SHOWN_ALERTS else ""
        self.notice(f"alert: mean of a tick {format_ns(mean_ns)}, above {format_ns(limit_ns)}{last}")

    def notice(self, text: str) -> None:
        """Say something that stays on the screen."""
        line = f"latencykit: {text}\n"
        with self._lock:
            self._write(f"{_ERASE_LINE}{line}{self._line}" if self._live else line)

    def close(self) -> None:
        """Take the live line away, and say how many alerts there were."""
        if self._alerts > _SHOWN_ALERTS:
            self.notice(f"{self._alerts:,} alerts in all")
        with self._lock:
            if self._line:
                self._line = ""
                self._write(_ERASE_LINE)

    def _count(self, done: int) -> str:
        if self._total is None:
            return f"{done:,} ticks"
        return f"{done:,} of {self._total:,} ticks"

    def _redraw(self, line: str) -> None:
        with self._lock:
            if not self._live:
                self._write(f"{line}\n")
                return
            self._line = line if len(line) < self._width() else ""
            self._write(_ERASE_LINE + self._line)

    def _write(self, text: str) -> None:
        if self._gone:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._gone = True

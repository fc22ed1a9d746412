"""Ctrl-C as a wish that is looked for between events, so that none which is just being read gets lost."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class Interrupts:
    """While entered, note Ctrl-C instead of raising KeyboardInterrupt wherever the program happens to be.

    Outside the main thread, and where the program handles or ignores SIGINT in its own way, nothing is changed.
    """

    def __init__(self) -> None:
        self._ours = False
        self._writing = -1
        self.descriptor = -1

    def __enter__(self) -> Self:
        self.descriptor, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._ours = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._ours = False
        os.close(self.descriptor)
        os.close(self._writing)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        # Readable from now on, which also ends a wait for events. A full pipe has been written to before.
        try:
            os.write(self._writing, b"!")
        except BlockingIOError:
            return

import io

from latencykit.reporters.progress import Progress, live_line


def drive(progress):
    progress.component_started("orders", 2)
    progress.operation_started("orders/naive")
    progress.operation_finished("orders/naive")
    progress.notice("the clock is slow")
    progress.operation_failed("orders/arena", "ValueError:\n  no")
    progress.component_finished()
    progress.close()


def test_without_a_terminal_a_component_is_a_line():
    stream = io.StringIO()
    progress = Progress(stream, live=False, width=lambda: 80)
    drive(progress)
    progress.component_started("engine", 1)
    assert stream.getvalue().splitlines() == [
        "measuring orders (2 operations)",
        "latencykit: warning: the clock is slow",
        "failed orders/arena: ValueError: no",
        "measuring engine (1 operation)",
    ]


def test_on_a_terminal_one_line_is_redrawn_and_taken_away():
    stream = io.StringIO()
    drive(Progress(stream, live=True, width=lambda: 80))
    screen = Screen()
    screen.write(stream.getvalue())
    assert screen.lines == [
        "latencykit: warning: the clock is slow",
        "failed orders/arena: ValueError: no",
        "",
    ]
    assert "orders  [#.]  1/2  orders/naive" in stream.getvalue()


def test_a_live_line_never_wraps_and_cuts_no_name():
    full = live_line("orders", 1, 3, "orders/arena", 80)
    assert full == "orders  [#..]  1/3  orders/arena"
    for width in range(1, 60):
        line = live_line("orders", 1, 3, "orders/arena", width)
        assert len(line) < width
        assert line in (full, "orders  1/3  orders/arena", "orders  1/3", "1/3", "")


def test_a_stream_that_is_gone_does_not_stop_the_run():
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    drive(Progress(Gone(), live=True, width=lambda: 80))
    closed = io.StringIO()
    closed.close()
    drive(Progress(closed, live=False, width=lambda: 80))


class Screen:
    """As much of a terminal as a progress line needs: line feeds, and the erasure of the line it is on."""

    def __init__(self) -> None:
        self.lines = [""]

    def write(self, text: str) -> None:
        for part in text.replace("\r\x1b[2K", "\0\x01").split("\0"):
            if part.startswith("\x01"):
                self.lines[-1] = ""
            first, *more = part.removeprefix("\x01").split("\n")
            self.lines[-1] += first
            self.lines += more

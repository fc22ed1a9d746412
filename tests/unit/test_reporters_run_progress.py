import io

import pytest

from latencykit.reporters.run_progress import RunProgress

ERASE = "\r\x1b[2K"


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


def progress(stream, clock, *, live, total=None, width=80):
    return RunProgress(stream, live=live, width=lambda: width, total=total, now=clock)


def test_a_pipe_gets_a_line_every_two_seconds(clock):
    stream = io.StringIO()
    shown = progress(stream, clock, live=False, total=10_000)
    for second in range(7):
        clock.seconds = float(second)
        shown.ticks(1_000 * second, degraded=second >= 6)
    shown.close()
    assert stream.getvalue().splitlines() == [
        "2,000 of 10,000 ticks  1,000 a second",
        "4,000 of 10,000 ticks  1,000 a second",
        "6,000 of 10,000 ticks  1,000 a second  degraded",
    ]


def test_a_terminal_has_one_line_that_is_taken_away(clock):
    stream = io.StringIO()
    shown = progress(stream, clock, live=True)
    for tenth in range(1, 4):
        clock.seconds = tenth / 5
        shown.ticks(tenth, degraded=False)
    shown.notice("warning: hot")
    shown.close()
    written = stream.getvalue()
    assert written.count("ticks") == 4  # three times, and again below the notice
    assert f"{ERASE}latencykit: warning: hot\n3 ticks  5 a second" in written
    assert written.endswith(ERASE)


def test_a_line_that_does_not_fit_is_left_out(clock):
    stream = io.StringIO()
    shown = progress(stream, clock, live=True, width=10)
    clock.seconds = 1.0
    shown.ticks(1_000_000, degraded=True)
    assert stream.getvalue() == ERASE


def test_the_first_alerts_are_told_and_the_others_counted(clock):
    stream = io.StringIO()
    shown = progress(stream, clock, live=False)
    for _ in range(5):
        shown.alert(12_500.0, 10_000.0)
    clock.seconds = 2.5
    shown.ticks(10, degraded=False)
    shown.close()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "latencykit: alert: mean of a tick 12.5 µs, above 10.0 µs"
    assert lines[2].endswith("; later ones are only counted")
    assert lines[3:] == ["10 ticks  4 a second  5 alerts", "latencykit: 5 alerts in all"]


def test_what_is_being_done_is_said_at_once(clock):
    stream = io.StringIO()
    progress(stream, clock, live=False).doing("offering 10,000 ticks/s")
    assert stream.getvalue() == "offering 10,000 ticks/s\n"


def test_a_stream_that_is_gone_is_no_error(clock):
    stream = io.StringIO()
    shown = progress(stream, clock, live=True)
    stream.close()
    shown.doing("something")
    shown.close()

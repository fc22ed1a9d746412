import gc
import os
import queue
import subprocess
import sys
import textwrap
import threading
import weakref

import pytest

from latencykit._core import DurationWatch
from latencykit.engine import Alert, PerformanceStats
from latencykit.errors import InvalidTypeError, InvalidValueError

SOON = 30  # Seconds that a test waits for what comes within a millisecond; only a failing one waits so long.


class Clock:
    def now_ns(self):
        return 77


@pytest.fixture
def stats():
    return PerformanceStats("signals", clock=Clock())


@pytest.fixture
def alerts(stats):
    received = queue.Queue()
    with stats.alert(received.put, every="1ms"):
        yield received


def test_a_duration_above_the_limit_is_reported_with_its_circumstances(stats, alerts):
    stats.record_n(500, 3)
    stats.record(10_000)
    stats.record(12_345)
    alert = alerts.get(timeout=SOON)
    assert alert == Alert(
        name="signals",
        statistic="max",
        limit_ns=10_000.0,
        value_ns=12_345.0,
        count=5,
        over=1,
        worst_ns=12_345,
        at_ns=77,
    )
    assert str(alert) == "signals: max 12.3 µs is above 10.0 µs (1 above it, the longest 12.3 µs)"


def test_the_callback_runs_on_another_thread(stats):
    threads = queue.Queue()
    with stats.alert(lambda _alert: threads.put(threading.current_thread()), every="1ms"):
        stats.record(20_000)
        thread = threads.get(timeout=SOON)
    assert thread is not threading.current_thread()
    assert thread.name == "latencykit alert signals"
    assert not thread.is_alive()


def test_what_happens_while_a_callback_runs_is_one_alert(stats):
    received, entered, leave = queue.Queue(), threading.Event(), threading.Event()

    def slow(alert):
        received.put(alert)
        entered.set()
        leave.wait(SOON)

    with stats.alert(slow, every="1ms"):
        stats.record(20_000)
        assert entered.wait(SOON)
        for value in (30_000, 5, 50_000, 40_000):
            stats.record(value)
        leave.set()
        first, second = received.get(timeout=SOON), received.get(timeout=SOON)
    assert (first.value_ns, first.over) == (20_000, 1)
    assert (second.value_ns, second.over, second.count) == (50_000, 3, 4)
    assert received.empty()


def test_every_duration_above_the_limit_is_in_one_alert(stats, alerts):
    total = 0
    for _ in range(200):
        stats.record(11_000)
        stats.record(100)
    while total < 200:
        total += alerts.get(timeout=SOON).over
    assert total == 200


def test_the_mean_of_an_interval(stats):
    received = queue.Queue()
    with stats.alert(received.put, "1us", statistic="mean", every="1ms"):
        stats.record_n(3000, 2)
        alert = received.get(timeout=SOON)
    assert (alert.statistic, alert.value_ns, alert.count, alert.over) == ("mean", 3000.0, 2, 2)


def test_scarce_long_durations_do_not_raise_the_mean(stats):
    watch = DurationWatch("mean", 1000)  # looked at by hand: an alarm's thread may look in the middle of a recording
    stats.add_watch(watch)
    stats.record_n(100, 999)
    stats.record(19_000)
    assert not watch.crossed()
    stats.record_n(5000, 10)
    assert watch.crossed()
    assert watch.collect()[:2] == (5000.0, 10)


def test_an_exception_of_the_callback_is_reported_and_alerts_go_on(stats, monkeypatch):
    reported, received = queue.Queue(), queue.Queue()
    monkeypatch.setattr(threading, "excepthook", reported.put)

    def failing(alert):
        received.put(alert)
        raise ValueError("callback")

    with stats.alert(failing, every="1ms"):
        stats.record(20_000)
        error = reported.get(timeout=SOON)
        assert (error.exc_type, str(error.exc_value)) == (ValueError, "callback")
        assert error.exc_traceback is not None
        received.get(timeout=SOON)
        stats.record(30_000)
        assert received.get(timeout=SOON).value_ns == 30_000


def test_a_callback_that_ends_its_thread_ends_the_alarm(stats, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _args: None)

    def leaving(_alert):
        raise SystemExit

    alarm = stats.alert(leaving, every="1ms")
    stats.record(20_000)
    alarm._thread.join(SOON)
    assert alarm.closed


def test_a_closed_alarm_is_silent_and_closing_twice_is_fine(stats):
    received = queue.Queue()
    alarm = stats.alert(received.put, every="1ms")
    assert not alarm.closed
    alarm.close()
    alarm.close()
    assert alarm.closed
    stats.record(20_000)
    assert not alarm._thread.is_alive()
    assert received.empty()


def test_a_callback_may_close_its_own_alarm(stats):
    closed = threading.Event()

    def once(_alert):
        alarm.close()
        closed.set()

    alarm = stats.alert(once, every="1ms")
    stats.record(20_000)
    assert closed.wait(SOON)
    alarm._thread.join(SOON)
    assert not alarm._thread.is_alive()


def test_several_alarms_on_the_same_statistics(stats):
    low, high = queue.Queue(), queue.Queue()
    with stats.alert(low.put, 100, every="1ms"), stats.alert(high.put, "1ms", every="1ms"):
        stats.record(500)
        assert low.get(timeout=SOON).limit_ns == 100
        stats.record(2_000_000)
        assert high.get(timeout=SOON).value_ns == 2_000_000


def test_closing_one_alarm_leaves_the_other(stats, alerts):
    stats.alert(print, every="1ms").close()
    stats.record(20_000)
    assert alerts.get(timeout=SOON).over == 1


def test_an_armed_alarm_does_not_keep_its_statistics():
    class Owner:
        def __init__(self):
            self.stats = PerformanceStats("owned")
            self.alarm = self.stats.alert(self.on_alert, every="1ms")
            self.called = threading.Event()

        def on_alert(self, _alert):
            self.called.set()

    owner = Owner()
    owner.stats.record(20_000)
    assert owner.called.wait(SOON)
    dead, dead_stats, thread = weakref.ref(owner), weakref.ref(owner.stats), owner.alarm._thread
    del owner
    while dead() is not None and thread.is_alive():  # the thread may still be on its way out of the callback
        gc.collect()
    thread.join(SOON)
    gc.collect()
    assert not thread.is_alive()
    assert dead() is None
    assert dead_stats() is None


def test_statistics_that_go_end_an_alarm_that_is_kept():
    stats = PerformanceStats()
    alarm = stats.alert(print, every="3600s")
    del stats
    gc.collect()
    assert alarm.closed
    alarm._thread.join(SOON)
    assert not alarm._thread.is_alive()
    alarm.close()


def test_closing_does_not_wait_for_the_interval(stats):
    alarm = stats.alert(print, every="86400s")
    alarm.close()
    assert not alarm._thread.is_alive()


def test_what_cannot_be_armed(stats):
    before = threading.active_count()
    with pytest.raises(InvalidTypeError, match="the callback 'x' cannot be called"):
        stats.alert("x")
    with pytest.raises(InvalidValueError, match="an alert on 'p99' is not possible; use 'max'"):
        stats.alert(print, statistic="p99")
    with pytest.raises(InvalidValueError, match="duration 'slow'"):
        stats.alert(print, "slow")
    with pytest.raises(InvalidValueError, match="outside 1 ns to one day"):
        stats.alert(print, every="86401s")
    with pytest.raises(InvalidValueError, match="outside 1 ns to one day"):
        stats.alert(print, every=0.3)
    assert threading.active_count() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_no_alarm_but_can_arm_one():
    program = """
        import os, sys, threading
        from latencykit.engine import PerformanceStats
        stats = PerformanceStats("parent")
        called = threading.Event()
        alarm = stats.alert(lambda alert: called.set(), every="1ms")
        child = os.fork()
        if child == 0:
            good = alarm.closed
            stats.record(20_000)
            alarm.close()
            again = threading.Event()
            with stats.alert(lambda alert: again.set(), every="1ms"):
                stats.record(30_000)
                good = good and again.wait(30) and not called.is_set()
            del stats, alarm
            sys.exit(0 if good else 1)
        status = os.waitpid(child, 0)[1]
        stats.record(20_000)
        sys.exit(0 if called.wait(30) and os.waitstatus_to_exitcode(status) == 0 else 1)
    """
    assert run(program).returncode == 0


def test_the_interpreter_exits_with_armed_alarms_and_a_callback_under_way():
    program = """
        import threading
        from latencykit.engine import PerformanceStats
        entered, never = threading.Event(), threading.Event()
        def stuck(alert):
            entered.set()
            never.wait()
        stats, other = PerformanceStats(), PerformanceStats()
        stats.alert(stuck, every="1ms")
        other.alert(print, every="3600s")
        stats.record(20_000)
        entered.wait(30)
        print("end")
    """
    finished = run(program)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "end\n", "")


def run(program):
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd="/")


def test_what_no_look_has_met_is_reported_by_close(stats):
    received = queue.Queue()
    with stats.alert(received.put, every="3600s"):
        stats.record(20_000)
    alert = received.get_nowait()
    assert (alert.value_ns, alert.over) == (20_000, 1)
    assert received.empty()


def test_an_unfinished_interval_has_no_mean_to_report(stats):
    received = queue.Queue()
    with stats.alert(received.put, "1us", statistic="mean", every="3600s"):
        stats.record(20_000)
    assert received.empty()


def test_a_callback_that_closes_its_alarm_is_not_called_again(stats):
    received = queue.Queue()

    def once(alert):
        received.put(alert)
        alarm.close()
        stats.record(30_000)

    alarm = stats.alert(once, every="1ms")
    stats.record(20_000)
    alarm._thread.join(SOON)
    assert received.get_nowait().value_ns == 20_000
    assert received.empty()


def test_what_no_look_has_met_is_reported_at_exit():
    program = """
        from latencykit.engine import PerformanceStats
        stats = PerformanceStats("last")
        stats.alert(lambda alert: print(alert.value_ns), every="3600s")
        stats.record(20_000)
    """
    done = run(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "20000.0\n", "")

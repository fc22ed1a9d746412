"""What a caller may do to an engine at the wrong moment, and what a configuration must not be."""

import math
import os
import signal
import threading

import numpy as np
import pytest

from latencykit._core import EngineCore
from latencykit.engine import (
    Engine,
    EngineConfig,
    FeedRules,
    OrderArena,
    PanicDetector,
    PerformanceStats,
    RiskLimits,
    feed_of,
)
from latencykit.errors import DataError, InvalidStateError, InvalidTypeError, InvalidValueError, LatencykitError
from tests.support.engine_feeds import SignalsAt, feed


def chunk(count=100, bad=()):
    (rows,) = (rows.copy() for rows in feed_of(feed(count)).chunks())
    rows["price"][list(bad)] = math.nan
    return rows


def test_a_halt_on_the_last_row_of_a_chunk_ends_the_run_with_a_report():
    rows = chunk(100, bad=[49])
    engine = Engine(EngineConfig(feed_rules=FeedRules(bad_price="halt")))
    report = engine.run(iter([rows[:50], rows[50:]]))
    assert (report.ticks, report.stopped) == (50, (49, "bad tick"))
    with pytest.raises(InvalidStateError, match="halted at row 49"):
        engine.run(rows)


def test_a_halt_after_a_kill_says_why_it_halted():
    engine = Engine(EngineConfig(feed_rules=FeedRules(bad_price="halt")), strategy=SignalsAt(0))
    engine.kill()
    assert engine.on_tick(1, 100.0, 1.0) is None
    with pytest.raises(InvalidStateError, match=r"halted at row 1 \(bad_price\)"):
        engine.on_tick(2, -1.0, 1.0)
    assert engine.stopped == (0, "killed")


def test_a_forked_child_does_not_keep_the_journal(tmp_path):
    config = EngineConfig(journal_path=tmp_path / "day.journal", journal_replace=True)
    engine = Engine(config)
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    try:
        engine.close()
        Engine(config).close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_prometheus_writes_what_is_not_finite_its_own_way():
    engine = Engine(EngineConfig(risk=RiskLimits(price_collar=0)), strategy=SignalsAt(0, 2, profit=1e-9))
    for timestamp, price in enumerate((1.0, 1.7e308)):
        engine.on_tick(timestamp, price, 1.0)
    assert "latencykit_profit +Inf\n" in engine.prometheus()


def test_an_engine_that_runs_is_not_half_closed():
    outcome = []

    def close_it(*_):
        with pytest.raises(InvalidStateError, match="running"):
            engine.close()
        outcome.append(alarm.closed)

    engine = Engine(strategy=close_it, on_alert=print)
    alarm = engine._monitor._alarm
    engine.on_tick(1, 100.0, 1.0)
    engine.close()
    assert outcome == [False]
    assert alarm.closed


def test_a_callback_that_cannot_be_called_leaves_no_journal(tmp_path):
    path = tmp_path / "day.journal"
    with pytest.raises(InvalidTypeError, match="cannot be called"):
        Engine(EngineConfig(journal_path=path), on_alert=5)
    assert not path.exists()


@pytest.mark.parametrize("replace", [False, True])
def test_two_engines_do_not_write_one_journal(tmp_path, replace):
    path = tmp_path / "day.journal"
    with Engine(EngineConfig(journal_path=path)) as engine:
        engine.run(feed(10))
        engine.drain()
        written = path.read_bytes()
        with pytest.raises(DataError, match="an engine that is open"):
            Engine(EngineConfig(journal_path=path, journal_replace=replace))
        assert path.read_bytes() == written


def test_a_folder_is_no_journal(tmp_path):
    with pytest.raises(DataError, match="name a file in it"):
        Engine(EngineConfig(journal_path=tmp_path))


def test_a_journal_may_have_a_name_that_is_no_text(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.journal")
    with Engine(EngineConfig(journal_path=path)) as engine:
        engine.run(feed(5))
    assert path.read_bytes().count(b"\n") == 6


def test_numpy_numbers_configure_the_detector(tmp_path):
    config = EngineConfig(panic={"window": np.int64(50), "least_fall": np.float32(0.5)}, journal_path=tmp_path / "j")
    Engine(config).close()
    assert '"panic": {"least_fall": 0.5, "window": 50}' in (tmp_path / "j").read_text()


@pytest.mark.parametrize(
    "wrong",
    [
        {"update_interval": 1e10},
        {"journal_flush_interval": 1e10},
        {"cpu_cores": 5},
        {"panic": 5},
        {"risk": {"max_position": 5}},
        {"feed_rules": None},
        {"journal_path": b"day.journal"},
        {"journal_path": "a\0b"},
    ],
    ids=str,
)
def test_a_configuration_is_refused_in_our_words(wrong):
    with pytest.raises(LatencykitError, match=rf"{next(iter(wrong))} .*pass "):
        EngineConfig(**wrong)


def test_a_gap_too_long_for_the_clock():
    with pytest.raises(InvalidValueError, match="longest_gap"):
        FeedRules(longest_gap=1e30)


def test_a_configuration_of_another_kind():
    with pytest.raises(InvalidTypeError, match="no EngineConfig"):
        Engine({"symbols": 5})


class InterruptError(Exception):
    pass


@pytest.mark.parametrize("way", ["run", "on_tick", "strategy"])
def test_a_wait_for_the_journal_can_be_interrupted_and_loses_nothing(tmp_path, way):
    path, ticks, lines = tmp_path / "fifo", feed(5_000), []
    os.mkfifo(path)
    reader, rows = os.open(path, os.O_RDONLY | os.O_NONBLOCK), chunk(5_000)
    engine = Engine(
        EngineConfig(journal_path=path, journal_capacity=4), strategy=SignalsAt() if way == "strategy" else None
    )

    def interrupt(*_):
        raise InterruptError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(InterruptError):  # noqa: PT012
            signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
            if way == "on_tick":
                for row in rows:
                    engine.on_tick(int(row["timestamp_ns"]), row["price"], row["volume"])
            engine.run(ticks)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    taken = engine._counts()[0]
    assert 0 < taken < 5_000
    os.set_blocking(reader, True)
    with os.fdopen(reader, "rb") as file:
        drain = threading.Thread(target=lambda: lines.extend(file))
        drain.start()
        engine.close()
        drain.join()
    assert [int(line.split(b",")[1]) for line in lines[1:]] == list(range(taken))


def test_a_paced_run_times_more_ticks_than_its_buffer_holds():
    engine, responses = Engine(EngineConfig(sample_every=1)), PerformanceStats("responses")
    assert engine._run_paced(chunk(10_000), 0, 1.0, responses) == 10_000
    assert engine.performance_stats()["tick"].count == responses.count == 10_000


def test_a_paced_run_can_be_interrupted_while_it_waits():
    engine, before = Engine(), signal.getsignal(signal.SIGALRM)

    def interrupt(*_):
        raise InterruptError

    signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(InterruptError):  # noqa: PT012
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            engine._run_paced(chunk(3), 2**62, 1e18, PerformanceStats("responses"))
    finally:
        signal.signal(signal.SIGALRM, before)


def test_the_native_engine_refuses_to_accept_an_unknown_symbol():
    stages = tuple(PerformanceStats(str(stage)) for stage in range(7))
    arena = OrderArena(10, on_exhausted="recycle")
    settings = EngineConfig().native() | {"policies": (0,) * 9}
    with pytest.raises(InvalidValueError, match="are no policies"):
        EngineCore(settings, PanicDetector(), arena, stages)

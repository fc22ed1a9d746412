"""The script that holds the engine to its limits: what it feeds is what it says, and it runs from end to end."""

import itertools
import os

import numpy as np
import pytest
from report_scripts import report_script

from latencykit.suites._engine_runs import busy_market, engine_of


@pytest.fixture(scope="module")
def script():
    return report_script("engine_limits")


@pytest.fixture(scope="module")
def growth():
    return report_script("engine_growth")


@pytest.mark.parametrize("size", [10_000, 100_000])
def test_every_size_ends_with_the_same_ticks(growth, size):
    windows = list(growth.in_windows(busy_market(10).records(), size))
    assert [taken for taken, _ in windows] == [0, *itertools.accumulate(len(window) for _, window in windows[:-1])]
    assert sum(len(window) for _, window in windows) == size
    last = [window for _, window in windows[-growth.WINDOWS :]]
    assert {len(window) for window in last} == {growth.WINDOW}
    assert np.array_equal(np.concatenate(last)["price"], busy_market(10).price[5_000:])


@pytest.mark.parametrize("symbols", [1, 10, 1_000])
def test_symbols_take_turns_and_times_go_on(growth, symbols, tmp_path):
    windows = list(itertools.islice(growth.windows_of(symbols), 3))
    rows = np.concatenate(windows)
    assert np.array_equal(rows["symbol"], np.arange(len(rows)) % symbols)
    assert (np.diff(rows["timestamp_ns"]) >= 0).all()
    own = rows[rows["symbol"] == symbols - 1]["price"]
    assert own.tolist() == np.resize(np.roll(busy_market().price, -97 * (symbols - 1)), len(own)).tolist()
    with engine_of(tmp_path / "journal", symbols=symbols) as engine:
        assert growth.best_ns(engine, windows, engine.drain) > 0
        assert engine._counts()[0] == len(rows)


def test_refused_ticks_are_no_measurement(growth):
    records = busy_market(1).records()
    with engine_of(None) as engine, pytest.raises(RuntimeError, match="backwards"):
        growth.best_ns(engine, [records, records], lambda: None)


def test_the_best_of_the_last_windows_counts(growth, monkeypatch):
    clock = itertools.count(0, 100).__next__
    durations = iter([1, 9, 5, 7, 6, 8])  # of which the first is too early to count
    readings = itertools.chain.from_iterable((now, now + next(durations)) for now in iter(clock, None))
    monkeypatch.setattr(growth.time, "perf_counter_ns", lambda: next(readings))

    class Taker:
        def run(self, windows, on_chunk):
            for window in windows:
                on_chunk(len(window))

        def faults(self):
            return ()

    assert growth.best_ns(Taker(), [[0]] * 6, lambda: None) == 5


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this machine lends us one CPU only")
def test_it_runs_from_end_to_end(script, monkeypatch, capsys):
    for name, small in {"METER_NS": 1_000_000, "NAIVE_TICKS": 5, "CALLS": 400, "PLAIN_TICKS": 50}.items():
        monkeypatch.setattr(script, name, small)
    status = script.main(["--rounds", "6", "--growth-rounds", "6", "--ticks", "100000", "--symbols", "10"])
    printed = capsys.readouterr().out
    for part in [limit.part for limit in script.LIMITS] + ["100,000 ticks against 10,000", "10 symbols against 1"]:
        assert f"| {part} |" in printed
    assert "memory taken by the last nine tenths" in printed
    assert status in (0, 1, 3)


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--ticks", "9999"], ["--symbols", "0"]])
def test_sizes_too_small_are_refused(script, arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        script.main(arguments)
    assert "at least" in capsys.readouterr().err

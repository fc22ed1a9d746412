"""One callable in this process: its figures, what comes with them, and what cannot be measured."""

import asyncio
import gc
import os
import sys

import pytest

import latencykit as lk
from latencykit import measurement, one_call
from latencykit.environment import Clock
from latencykit.errors import InvalidTypeError, UnsupportedError, UsageError
from latencykit.measuring import effort
from latencykit.model import Hiccups, Validity
from latencykit.one_call import measure


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Measure for 20 ms an operation, on a machine that is always fit."""
    monkeypatch.setitem(effort._LEVELS, "quick", (20_000_000, None, 1_000_000))
    fit = Validity(verdict="fit", stolen_ratio=0, hiccups=Hiccups(windows=2))
    monkeypatch.setattr(measurement, "judge_machine", lambda readings: fit)
    monkeypatch.delenv("LATENCYKIT_CLOCK", raising=False)


def state():
    return gc.isenabled(), os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


def test_one_callable():
    before = state()
    found = measure(lk.call(abs, -1), name="abs")
    assert found.batched.name == found.per_call.name == "measure/abs"
    assert found.p50_ns == found.batched.p50_ns
    assert found.per_call.count > 0
    assert found.validity.hiccups.windows == 2
    assert state() == before


@pytest.mark.parametrize("gc_before", [True, False])
def test_a_statement_and_the_state_after_an_error(gc_before):
    was = gc.isenabled()
    gc.enable() if gc_before else gc.disable()
    try:
        before = state()
        assert measure("sum(values)", "values = range(10)", gc="on").p50_ns > 0
        assert state() == before
        with pytest.raises(ZeroDivisionError):
            measure("1 / zero", "zero = 0")
        assert state() == before
    finally:
        gc.enable() if was else gc.disable()


@pytest.mark.parametrize(("operation", "error"), [("1 +", UsageError), (3, InvalidTypeError)])
def test_what_cannot_be_measured(operation, error):
    with pytest.raises(error):
        measure(operation)


def test_a_measurement_shows_itself_in_one_line():
    shown = repr(measure("sum(numbers)", "numbers = [1, 2, 3]"))
    assert "\n" not in shown
    for part in ("<p50 ", " ns, p99 ", "net of floor", "allocations; machine "):
        assert part in shown


def test_no_usable_clock_is_told_with_the_remedy(monkeypatch):
    monkeypatch.setattr(one_call, "measured_clock", lambda: Clock(source="monotonic", invariant=False))
    with pytest.raises(UnsupportedError, match="set LATENCYKIT_CLOCK=monotonic"):
        measure("pass")


def test_a_call_gets_its_arguments_by_place_and_by_name():
    calls = []

    def work(x, y, *, z=0):
        calls.append((x, y, z))

    found = measure(work, 1, 2, z=3)
    assert set(calls) == {(1, 2, 3)}
    assert len(calls) > found.count
    assert found.batched.name == "measure/work"


def test_the_floor_is_that_of_a_native_call_and_a_frame_is_part_of_the_operation():
    def nothing():
        pass

    assert measure(nothing).p50_ns > 0
    assert measure("pass").floor_ns > 0


def test_the_first_call_is_kept_apart():
    found = measure(sorted, [3, 1, 2])
    assert found.first_call.result == [1, 2, 3]
    assert found.first_call.duration_ns > 0


def test_a_measurement_is_a_table_of_text_where_it_is_printed():
    found = measure(sorted, [3, 1, 2])
    lines = str(found).splitlines()
    assert lines[0].startswith("sorted, net of a floor of ")
    for name in ("p50", "p90", "p99", "p99.9", "max", "allocations"):
        assert any(line.split()[0] == name for line in lines)
    assert "95 % interval" in lines[1]
    assert "machine fit" in lines[7]
    assert not hasattr(found, "_repr_html_")
    written = []
    found._repr_pretty_(type("Printer", (), {"text": written.append}), None)
    assert written == [str(found)]


def test_figures_are_frozen():
    found = measure(abs, -1)
    with pytest.raises(AttributeError):
        found.readings = ()
    assert (found.p99_ns, found.fitness) == (found.per_call.p99_ns, "fit")
    assert found.allocations_per_op == 0


def test_an_operation_that_changes_its_input_is_told_of():
    # Where others take the CPU for most of these 20 ms the stretches may be out of order: hence several tries.
    notes = [
        note for items in ([], [], [], [], []) for note in measure(lambda items=items: items.insert(0, None)).notes
    ]
    assert any(
        note.startswith("drift: from the first calls to the last the time changed by a factor of ") for note in notes
    )


def test_a_first_call_that_does_the_work_is_told_of():
    cache = []

    def work():
        if not cache:
            cache.append(sum(range(1_000_000)))

    found = measure(work)
    assert any(note.startswith("first call: it took ") for note in found.notes)


def test_output_of_measured_calls_is_thrown_away_and_told_of(capsys):
    found = measure(print, "some words")
    assert "output: it prints; what the measured calls wrote was thrown away" in found.notes
    assert capsys.readouterr().out == "some words\n"


def test_a_generator_function_is_told_of():
    def numbers():
        yield 1

    assert any(note.startswith("generator: ") for note in measure(numbers).notes)


async def coroutine():
    return 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: measure(coroutine), InvalidTypeError, "coroutine returned a coroutine, which nothing would await"),
        (lambda: measure(divmod, 1), InvalidTypeError, "missing a required argument: 'y'"),
        (lambda: measure(coroutine, 1), InvalidTypeError, "too many positional arguments; pass its arguments after it"),
        (lambda: measure(sys.exit, 3), UsageError, r"exit called exit\(3\); measure what returns"),
        (lambda: measure(lk.call(abs, -1), 3), InvalidTypeError, "a prepared operation has its arguments"),
        (lambda: measure(int, "x"), ValueError, "invalid literal"),
    ],
)
def test_what_is_wrong_is_said(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_coroutine_can_be_measured_by_what_runs_it():
    loop = asyncio.new_event_loop()
    try:
        assert measure(lambda: loop.run_until_complete(coroutine())).p50_ns > 0
    finally:
        loop.close()


def test_an_exit_in_a_later_call_is_refused_too():
    left = iter(range(5))

    def work():
        if next(left, None) is None:
            sys.exit("enough")

    with pytest.raises(UsageError, match="called exit"):
        measure(work)

"""The machinery that holds statements against limits, and that each statement of the reports runs."""

import itertools
from dataclasses import replace

import pytest
from report_scripts import report_script

from latencykit.model import Hiccups, Validity


@pytest.fixture(scope="module")
def limits():
    return report_script("limits")


@pytest.fixture(scope="module")
def indicator_limits():
    return report_script("indicator_limits")


def validity(verdict):
    return Validity(verdict=verdict, stolen_ratio=0.0, hiccups=Hiccups())


def test_each_statement_is_timed_in_every_round_and_the_loop_taken_off(limits, monkeypatch):
    now = [0]

    def take(ns):
        now[0] += ns

    monkeypatch.setattr(limits.time, "perf_counter_ns", lambda: now[0])
    statements = {
        "loop": limits.Statement(["take(2)"]),
        "work": limits.Statement(["take(102)"], loops=3, count=4),
        "pieces": limits.Statement(["take(102)", "take(302)"], count=2, per=5),
    }
    figures = limits.measured(statements, 9, {"take": take})
    assert figures == {"work": [100.0] * 9, "pieces": [40.0] * 9}


def test_of_several_timings_the_least_counts(limits, monkeypatch):
    now, costs = [0], itertools.cycle([9, 5, 7])

    def take():
        now[0] += next(costs)

    monkeypatch.setattr(limits.time, "perf_counter_ns", lambda: now[0])
    statements = {"loop": limits.Statement(["pass"]), "work": limits.Statement(["take()"], loops=1, count=1)}
    assert limits.measured(statements, 4, {"take": take}, timings=3) == {"work": [5.0] * 4}


def test_the_lines_are_repeated_or_cut_and_made_anew_for_each_round(limits):
    seen, made = [], []
    statement = limits.Statement(["see(1)", "see(2)", "see(3)"], "made.append(0)", "x = 5", loops=2, count=5)
    timed, prepare = limits.compiled("lines", statement, {"see": seen.append, "made": made})
    assert made == [0]
    prepare()
    assert timed() > 0
    assert seen == [1, 2, 3, 1, 2] * 2
    assert made == [0, 0]


def test_a_statement_without_its_peer_is_left_out_and_its_limit_not_shown(limits, capsys):
    statements = {"loop": limits.Statement(["pass"]), "peer": limits.Statement(["pass"], once="import no_such_peer")}
    figures = limits.measured(statements, 3)
    assert figures == {}
    assert limits.judged([limits.Limit("part", "peer", 2)], figures) == ["not shown"]
    printed = capsys.readouterr().out
    assert "peer: left out, no_such_peer is not installed" in printed
    assert "| part | | | <= 2 | not shown |" in printed


@pytest.mark.parametrize(
    ("values", "at_least", "word"),
    [
        ([1.0] * 20, False, "held"),
        ([3.0] * 20, False, "MISSED"),
        ([1.0, 3.0] * 10, False, "cannot be told"),
        ([3.0] * 20, True, "held"),
        ([1.0] * 20, True, "MISSED"),
        ([1.0, 3.0] * 10, True, "cannot be told"),
    ],
)
def test_a_limit_is_judged_by_its_interval(limits, values, at_least, word):
    assert limits.row(limits.Limit("part", "of", 2, at_least=at_least), {"of": values}) == word


def test_a_limit_compares_round_by_round(limits):
    figures = {"of": [2.0, 6.0], "by": [1.0, 2.0]}
    assert limits.compared(limits.Limit("", "of", 1), figures) == [2.0, 6.0]
    assert limits.compared(limits.Limit("", "of", 1, "by"), figures) == [2.0, 3.0]
    assert limits.compared(limits.Limit("", "of", 1, "by", difference=True), figures) == [1.0, 4.0]


@pytest.mark.parametrize(
    ("words", "verdict", "status"),
    [
        (["held", "held"], "noisy", 0),
        (["held", "MISSED", "not shown"], "unfit", 1),
        (["held", "cannot be told"], "fit", 3),
        (["held", "not shown"], "fit", 3),
        (["held"], "unfit", 3),
    ],
)
def test_the_exit_status(limits, words, verdict, status):
    assert limits.exit_status(words, validity(verdict)) == status


def test_every_limit_of_the_indicators_is_told_by_a_statement(indicator_limits):
    known = indicator_limits
    short = {*known.SHORT, known.KERNEL, known.COPY}
    assert all(limit.told_by(dict.fromkeys(short)) for limit in known.SHORT_LIMITS)
    assert all(limit.told_by(known.MILLION) for limit in known.outrunning("1,000,000"))
    assert all(limit.told_by(dict.fromkeys([*known.LARGE, known.MEMORY])) for limit in known.LARGE_LIMITS)


def test_every_statement_of_the_indicators_runs(limits, indicator_limits):
    names = indicator_limits.names_of(1000)
    for statements in (indicator_limits.SHORT, indicator_limits.LARGE):
        few = {name: replace(s, count=2, loops=1) for name, s in statements.items()}
        assert all(len(values) == 1 for values in limits.measured(few, 1, names).values())


def test_a_library_computes_what_ours_does(indicator_limits):
    np, names = indicator_limits.np, indicator_limits.names_of(3000)
    for name, batch in indicator_limits.BATCHES.items():
        module = {"TA-Lib": "talib", "pandas": "pandas"}[batch.library]
        pytest.importorskip(module, reason=f"{module}, a peer, is not installed")
        exec(indicator_limits.PANDAS if module == "pandas" else "import talib", names)
        *before, last = batch.peer.split("; ")
        exec("; ".join(before), names)
        for ours, theirs in zip(outputs(eval(batch.ours, names)), outputs(eval(last, names)), strict=True):
            np.testing.assert_allclose(ours[600:], np.asarray(theirs)[600:], rtol=1e-6, atol=1e-6, err_msg=name)


def test_a_placed_array_is_a_copy_anywhere_in_a_page(indicator_limits):
    np, names = indicator_limits.np, indicator_limits.names_of(1000)
    rows = names["x"].reshape(4, 250)
    copies = [names["placed"](rows) for _ in range(50)]
    begins = {copy.ctypes.data % 4096 for copy in copies}
    assert len(begins) > 20
    assert not any(begin % 16 for begin in begins)
    for copy in copies:
        np.testing.assert_array_equal(copy, rows)
        assert not np.shares_memory(copy, rows)


def outputs(result):
    return result if isinstance(result, tuple) else (result,)


def test_nothing_is_allocated_beyond_a_result(indicator_limits):
    asked = indicator_limits.allocations()
    assert len(asked) == 13
    assert not any(asked.values()), asked


def test_an_allocation_beyond_the_result_is_counted(indicator_limits):
    assert indicator_limits.counted(lambda: bytearray(5000), [()]) >= indicator_limits.CALLS

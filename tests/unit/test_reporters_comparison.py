import os
import re
from pathlib import Path

import msgspec
import pytest
from fabricated_comparisons import (
    REPORTS,
    make_comparison,
    make_failure,
    make_figures,
    make_report,
    make_saved_report,
    make_slower,
    make_undecided,
)

from latencykit.comparison import Report
from latencykit.reporters.comparison import failure_sentence, render, summary, verdict_sentence

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
def test_looks_as_it_should(width, name, colour):
    """Set LATENCYKIT_UPDATE_GOLDEN=1 to write what it looks like now; then read the difference."""
    text = render(REPORTS[name](), width=width, colour=colour)
    path = GOLDEN / f"comparison_{name}_{width}.{'ansi' if colour else 'txt'}"
    if os.environ.get("LATENCYKIT_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", REPORTS)
def test_colours_change_no_word(width, name):
    report = REPORTS[name]()
    bare = [ANSI.sub("", line).rstrip() for line in render(report, width=width, colour=True).splitlines()]
    assert bare == render(report, width=width, colour=False).splitlines()


@pytest.mark.parametrize("width", [80, 97, 140, 200])
@pytest.mark.parametrize("name", REPORTS)
def test_keeps_to_the_width(width, name):
    assert max(map(len, render(REPORTS[name](), width=width, colour=False).splitlines())) <= width


@pytest.mark.parametrize(
    ("comparison", "sentence"),
    [
        (make_comparison(), "B is 38.0 × faster than A"),
        (make_comparison(ratio=38.0, verdict="slower"), "B is 38.0 × slower than A"),
        (make_comparison(ratio=1234.5, verdict="slower"), "B is 1,234 × slower than A"),
        (make_comparison(ratio=1.051, verdict="slower"), "B is slower than A: it takes 5.1 % more time"),
        (make_comparison(ratio=0.95, verdict="faster"), "B is faster than A: it takes 5.0 % less time"),
        (make_comparison(ratio=1.003, verdict="same"), "B takes the same time as A, within 2 %"),
        (
            make_comparison(ratio=None, verdict="inconclusive", reason="why"),
            "inconclusive whether B is slower or faster than A: why",
        ),
    ],
)
def test_verdicts_in_words(comparison, sentence):
    assert verdict_sentence(comparison, "A", "B") == sentence


def test_a_level_is_told_in_full():
    text = render(make_report(comparisons=[make_comparison(level=1 - 0.01 / 32)]), width=140, colour=False)
    assert "99.9688 % interval 0.0257 to 0.0271, from 26 pairs" in text


def test_short_operations_are_drawn_from_batches_and_long_ones_from_calls():
    short = render(make_report(comparisons=[make_comparison()]), width=140, colour=False)
    assert "samples, each to its own scale" in short
    long = render(make_report(comparisons=[make_slower()]), width=140, colour=False)
    assert "single calls, each to its own scale" in long


def test_there_is_no_picture_of_nothing():
    empty = make_figures("a", 100.0, samples_ns=[], histogram="")
    text = render(make_report(comparisons=[make_comparison(a_figures=empty)]), width=80, colour=False)
    assert "own scale" not in text


def test_a_name_that_leaves_its_figures_no_room_stands_above_them():
    name = "package.module_of_some_length:function_with_a_name_that_fills_half_a_line"
    text = render(make_report(comparisons=[make_slower(a_figures=make_figures(name, 1e6))]), width=80, colour=False)
    assert max(map(len, text.splitlines())) <= 80
    long = msgspec.structs.replace(make_slower(), a=name)
    text = render(make_report(comparisons=[long]), width=80, colour=False)
    assert f"\n  A {name}\n" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "\n  A  " in text  # the picture has room for the letter


def test_failures_and_the_summary():
    failure = make_failure()
    assert failure_sentence(failure) == ("queues/mutex against queues/broken: queues/broken: it raised ValueError: no")
    assert failure_sentence(make_failure(operation="")).endswith("one of the two: it raised ValueError: no")
    report = make_report(failures=[failure, make_failure(skipped=True)], complete=False)
    assert summary(report) == (
        "3 comparisons: 1 slower, 1 faster, 1 inconclusive, 1 failed, 1 skipped, "
        "interrupted, these are those that were finished"
    )
    assert summary(make_report(comparisons=[])) == "0 comparisons"


def test_many_comparisons_are_listed_again_in_a_line_each():
    lines = render(make_report(), width=140, colour=False).splitlines()
    listed = lines[lines.index("faster        queues: A mutex, B lockfree: 0.0263 (0.0257 to 0.0271)") :][:3]
    assert listed[1:] == [
        "slower        A mine:before, B mine:after: 1.051 (1.043 to 1.060)",
        "inconclusive  queues[size=10]: A mutex, B condition: 1.004 (0.983 to 1.031)",
    ]
    alone = render(make_report(comparisons=[make_slower()]), width=140, colour=False)
    assert "B mine:after: 1.051" not in alone


def test_a_mode_of_a_saved_run_is_named():
    report = make_saved_report()
    cold = msgspec.structs.replace(report.comparisons[0], mode="first_call")
    text = render(msgspec.structs.replace(report, comparisons=[cold]), width=140, colour=False)
    assert "\nqueues/mutex (first call)\n" in text


def test_saved_runs_say_what_they_cannot_show():
    text = " ".join(render(make_saved_report(), width=80, colour=False).split())
    assert "queues/mutex B head is 2.00 × slower than A base" in text
    assert "measured one after the other, not in turns" in text
    assert "base base.json, started 2026-01-02T03:04:05Z, machine 0123456789abcdef" in text
    assert "pairs" not in text


def test_a_report_on_file_looks_the_same_as_one_in_memory():
    for make in REPORTS.values():
        report = make()
        again = msgspec.json.decode(msgspec.json.encode(report), type=Report)
        assert render(again, width=80, colour=False) == render(report, width=80, colour=False)


def test_an_undecided_comparison_says_why_and_what_else_there_is_to_know():
    text = " ".join(render(make_report(comparisons=[make_undecided()]), width=80, colour=False).split())
    assert "queues[size=10]: A mutex, B condition inconclusive whether B condition is slower or faster" in text
    assert "note stopped after 26 pairs" in text

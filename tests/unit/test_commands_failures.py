import click
import pytest
from fabricated import make_results, make_run, make_troubled_run, make_validity

from latencykit.commands.failures import errors_of, exit_status, explain, warnings_of
from latencykit.errors import DataError
from latencykit.model import Failure, Hiccups, Validity

GOOD = make_results("orders")
MISSED = make_results("logging", "missed")
UNCLEAR = make_results("signals", "inconclusive")
UNJUDGED = GOOD[:2]
FAILURE = Failure("orders", "arena", {}, "ValueError: no")
SKIPPED = Failure("orders", "peer", {}, "it needs the package 'peer'", skipped=True)


@pytest.mark.parametrize(
    ("plain", "checked", "changes"),
    [
        (0, 0, {"results": GOOD}),
        (0, 1, {"results": GOOD + MISSED}),
        (0, 3, {"results": GOOD + UNCLEAR}),
        (0, 1, {"results": MISSED + UNCLEAR}),
        (0, 3, {"results": UNJUDGED}),
        (0, 3, {"results": []}),
        (0, 0, {"results": GOOD, "validity": make_validity("noisy", 0.1)}),
        (0, 3, {"results": GOOD, "validity": make_validity("unfit", 0.4)}),
        (0, 1, {"results": MISSED, "validity": make_validity("unfit", 0.4)}),
        (2, 2, {"results": GOOD, "failures": [FAILURE]}),
        (2, 2, {"results": GOOD, "failures": [SKIPPED, FAILURE]}),
        (0, 0, {"results": GOOD, "failures": [SKIPPED]}),
        (2, 2, {"results": [], "failures": [SKIPPED]}),
        (2, 2, {"results": MISSED, "failures": [FAILURE]}),
        (130, 130, {"results": GOOD, "complete": False}),
        (130, 130, {"results": GOOD, "complete": False, "failures": [FAILURE]}),
    ],
)
def test_exit_status(plain, checked, changes):
    run = make_run(**changes)
    assert exit_status(run, check=False, saved=True) == plain
    assert exit_status(run, check=True, saved=True) == checked


def test_a_file_that_was_not_written_is_a_failure():
    assert exit_status(make_run(results=GOOD), check=False, saved=False) == 2
    assert exit_status(make_run(results=MISSED), check=True, saved=False) == 2


def test_errors_name_the_first_failure_in_one_line():
    assert errors_of(make_run()) == []
    assert errors_of(make_run(failures=[FAILURE])) == ["orders/arena failed: ValueError: no"]
    interrupted, failed = errors_of(make_troubled_run())
    assert "interrupted" in interrupted
    assert failed == (
        "engine/production failed: ZeroDivisionError: division by zero (bench_x.py, line 12)"
        " (and 2 more, named in the report)"
    )


def test_a_peer_that_is_not_installed_is_an_error_only_where_nothing_was_measured():
    assert errors_of(make_run(failures=[SKIPPED])) == []
    assert errors_of(make_run(failures=[SKIPPED, FAILURE])) == ["orders/arena failed: ValueError: no"]
    assert "needs the package" in errors_of(make_run(results=[], failures=[SKIPPED]))[0]


def test_a_good_run_has_no_warnings():
    assert warnings_of(make_run(), check=True) == []


def test_warnings_tell_the_machine_and_each_target_that_is_not_met():
    run = make_run(results=GOOD + MISSED + UNCLEAR, validity=make_validity("unfit", 0.4))
    assert warnings_of(run, check=False) == [
        "the machine was unfit while measuring: 40.0 % of its time was taken away",
        "target missed: logging/site",
        "target inconclusive: signals/native",
    ]


def test_a_machine_that_was_not_metered_is_said_to_be_so():
    validity = Validity(verdict="unfit", stolen_ratio=1.0, hiccups=Hiccups())
    (warning,) = warnings_of(make_run(results=UNJUDGED, validity=validity), check=False)
    assert warning == "the machine was not metered, so that no target can be judged"


def test_a_check_of_nothing_is_told():
    assert warnings_of(make_run(results=UNJUDGED), check=False) == []
    assert "nothing was checked" in warnings_of(make_run(results=UNJUDGED), check=True)[0]


def test_our_own_errors_are_their_sentence(monkeypatch):
    monkeypatch.delenv("LATENCYKIT_DEBUG", raising=False)
    assert explain(DataError("ticks.csv, line 3: a price is missing")) == (
        "latencykit: error: ticks.csv, line 3: a price is missing"
    )


def test_an_unexpected_error_is_named_and_says_how_to_see_more(monkeypatch):
    monkeypatch.delenv("LATENCYKIT_DEBUG", raising=False)
    text = explain(KeyError("x\ny"))
    assert text.startswith("latencykit: error: unexpected KeyError: ")
    assert "LATENCYKIT_DEBUG=1" in text
    assert "\n" not in text


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("0", False), ("", False)])
def test_a_traceback_only_when_asked_for(monkeypatch, value, shown):
    monkeypatch.setenv("LATENCYKIT_DEBUG", value)
    assert ("DataError: no" in explain(DataError("no"))) is shown


def test_wrong_usage_points_to_the_help():
    context = click.Context(click.Command("bench"), info_name="bench")
    assert explain(click.UsageError("No such option.", context)).splitlines() == [
        "latencykit: error: no such option",
        "latencykit: see 'bench --help'",
    ]

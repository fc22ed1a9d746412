"""Pairs in real child processes: whatever an operation does, the pair is told about once."""

import pytest
from suite_files import write_suite

from latencykit.analysis.paired_tails import figures_of
from latencykit.measuring import events
from latencykit.measuring.contenders import variant_rivals
from latencykit.measuring.effort import PairEffort
from latencykit.measuring.runner import run_pair

EFFORT = PairEffort((4, 8), block_ns=0, warm_up_ns=2_000_000, meter_ns=1_000_000)
BODY = """
@c.variant
def good():
    return lk.call(abs, -1)

@c.variant
def hangs():
    return lambda: time.sleep(3600)

@c.variant
def hangs_late():
    calls = iter(range(30_000))
    return lambda: time.sleep(3600) if next(calls, None) is None else None

@c.variant
def raises_late():
    calls = iter(range(30_000))
    def operation():
        if next(calls, None) is None:
            raise LookupError("the last")
    return operation

@c.variant
def silent():
    os.closerange(3, 100)
    return lk.call(abs, -1)

@c.variant
def told():
    print("set up")
    try:
        yield lk.call(abs, -1)
    finally:
        print("cleaned up")

@c.variant
def lacking():
    from latencykit.errors import UnsupportedError
    raise UnsupportedError("this CPU cannot")
"""


def run(tmp_path, a, b, *, enough=lambda _samples: False, patience_s=30.0, effort=EFFORT):
    (rivals,) = variant_rivals(a, b, [write_suite(tmp_path, BODY)], peers=False)
    return list(run_pair(rivals.a, rivals.b, effort, None, enough, patience_s=patience_s, seed=3))


def failure(told):
    (found,) = (event for event in told if isinstance(event, events.PairFailed))
    assert not any(isinstance(event, events.PairFinished) for event in told)
    return found


def looks(told):
    return [len(event.samples.blocks) for event in told if isinstance(event, events.PairLooked)]


def test_events_come_in_order(tmp_path):
    told = run(tmp_path, "good", "told")
    names = [type(event).__name__ for event in told if not isinstance(event, events.PairSampled)]
    assert names == ["MeterRead", *["OperationStarted"] * 4, "PairStarted", *["PairLooked"] * 2, "MeterRead",
                     "PairFinished"]  # fmt: skip
    assert [event.pairs for event in told if isinstance(event, events.PairSampled)] == [2, 4, 6, 8]
    assert looks(told) == [2, 4]


def test_it_stops_when_told_that_it_is_enough(tmp_path):
    seen = []
    told = run(tmp_path, "good", "good", enough=lambda samples: bool(seen.append(samples) or True))
    assert looks(told) == [2]
    assert seen == [event.samples for event in told if isinstance(event, events.PairLooked)]


def test_both_are_cleaned_up_after_and_what_they_print_goes_to_standard_error(tmp_path, capfd):
    run(tmp_path, "told", "told")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("set up") == err.count("cleaned up") == 2


def test_samples_survive_the_pipe(tmp_path):
    told = run(tmp_path, "good", "told")
    samples = next(event.samples for event in told if isinstance(event, events.PairLooked))
    a, b = figures_of(samples)
    assert (a.name, b.name) == ("made/good", "made/told")
    assert a.count > 0
    assert b.p50_ns < 1_000_000


@pytest.mark.parametrize("order", [("good", "hangs"), ("hangs", "good")])
def test_an_operation_that_hangs_is_named(tmp_path, order):
    found = failure(run(tmp_path, *order, patience_s=2.0))
    assert found.operation == "made/hangs"
    assert found.reason == "it said nothing for 2 s and was stopped; check that the operation returns"


def test_which_of_two_hangs_later_cannot_be_told(tmp_path):
    long = PairEffort((2_000,), block_ns=0, warm_up_ns=1_000_000, meter_ns=1_000_000)
    found = failure(run(tmp_path, "good", "hangs_late", patience_s=3.0, effort=long))
    assert found.operation in ("", "made/hangs_late")  # the latter if it came to that while warming up


def test_an_operation_that_raises_later_is_named_with_its_traceback(tmp_path):
    long = PairEffort((2_000,), block_ns=0, warm_up_ns=1_000_000, meter_ns=1_000_000)
    found = failure(run(tmp_path, "good", "raises_late", effort=long))
    assert (found.operation, found.reason) == ("made/raises_late", "it raised LookupError: the last")
    assert "in operation" in found.detail


def test_what_closes_the_way_to_the_parent_is_told(tmp_path):
    found = failure(run(tmp_path, "good", "silent", patience_s=10.0))
    assert found.reason


def test_what_this_machine_cannot_do_is_skipped(tmp_path):
    found = failure(run(tmp_path, "good", "lacking"))
    assert (found.operation, found.reason, found.skipped) == ("made/lacking", "this CPU cannot", True)


def test_slow_operations_are_not_sampled_for_ever(tmp_path):
    told = run(tmp_path, "good", "good", effort=PairEffort((4, 2_000), block_ns=20_000_000, most_ns=100_000_000))
    assert looks(told) == [2]
    (notice,) = (event.text for event in told if isinstance(event, events.Notice))
    assert notice == "stopped after 4 pairs: 1996 more would go beyond 0.1 s"

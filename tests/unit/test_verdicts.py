import pytest
from sampled import batched, per_call

from latencykit.analysis.summaries import summarise
from latencykit.analysis.verdicts import fitness, judge_machine, judge_target
from latencykit.model import MeterReading, Target


def reading(lost_ns: int, *, cpu: int = 0, observed_ns: int = 1_000, longest_ns: int = 0) -> MeterReading:
    return MeterReading(
        cpu=cpu, observed_ns=observed_ns, lost_ns=lost_ns, count=1, longest_ns=longest_ns, threshold_ns=10
    )


@pytest.mark.parametrize(
    ("stolen", "word"),
    [(0, "fit"), (0.03, "fit"), (0.031, "noisy"), (0.25, "noisy"), (0.26, "unfit"), (1, "unfit")],
)
def test_fitness_by_the_time_that_is_lost(stolen, word):
    assert fitness(stolen) == word


def test_the_machine_is_judged_over_all_windows():
    validity = judge_machine([reading(10), reading(50, longest_ns=40), reading(0, cpu=1)])
    assert validity.verdict == "fit"
    assert validity.stolen_ratio == pytest.approx(0.02)
    assert validity.hiccups.per_cpu == {"0": 0.03, "1": 0.0}
    assert (validity.hiccups.windows, validity.hiccups.count, validity.hiccups.longest_ns) == (3, 3, 40)


def test_a_machine_that_was_never_metered_is_unfit():
    assert judge_machine([]).verdict == "unfit"


BATCHED = summarise(batched([57.0] * 40, floor=7.0))  # p50 = 50 ns
CALLS = summarise(per_call([130] * 10_000))  # 100 ns


@pytest.mark.parametrize(
    ("limit", "word"), [("51ns", "met"), ("49ns", "missed"), ("50ns", "missed"), ("0.05ns", "inconclusive")]
)
def test_p50_is_judged_by_its_interval_on_the_batched_row(limit, word):
    assert judge_target(Target("p50", limit), BATCHED, "fit").verdict == word
    assert judge_target(Target("p50", limit), CALLS, "fit") is None


def test_an_interval_over_the_limit_is_inconclusive():
    spread = summarise(batched([float(value) for value in range(50, 90)], floor=7.0))
    verdict = judge_target(Target("p50", "60ns"), spread, "fit")
    assert (verdict.verdict, verdict.reason) == ("inconclusive", "the 95 % interval includes the limit")


def test_too_few_batches_are_not_judged():
    verdict = judge_target(Target("p50", "1us"), summarise(batched([57.0] * 5)), "fit")
    assert (verdict.verdict, verdict.reason) == ("inconclusive", "5 batches are too few to judge p50")


def test_the_tail_is_judged_on_the_per_call_row():
    assert judge_target(Target("p99", "1us"), CALLS, "fit").verdict == "met"
    assert judge_target(Target("p99", "1us"), BATCHED, "fit") is None
    few = summarise(per_call([130] * 100))
    assert "too few" in judge_target(Target("p99", "1us"), few, "fit").reason


@pytest.mark.parametrize(
    ("machine", "statistic", "word"),
    [
        ("noisy", "p50", "met"),
        ("noisy", "p99", "met"),
        ("noisy", "p999", "inconclusive"),
        ("unfit", "p50", "inconclusive"),
        ("unfit", "p99", "inconclusive"),
    ],
)
def test_what_a_noisy_machine_may_still_say(machine, statistic, word):
    row = BATCHED if statistic == "p50" else CALLS
    assert judge_target(Target(statistic, "1us"), row, machine).verdict == word


def test_the_claimed_figure_travels_with_the_verdict():
    verdict = judge_target(Target("p50", "100ns", claimed="100us"), BATCHED, "fit")
    assert (verdict.limit_ns, verdict.claimed_ns) == (100, 100_000)

from typing import Any

import pytest
from sampled import batched

import latencykit as lk
from latencykit.analysis.claims import check_claims
from latencykit.analysis.summaries import summarise
from latencykit.errors import InvalidValueError
from latencykit.model import Claim, Result


def component(*claims: Claim, **parameters: Any) -> lk.Component:
    made = lk.Component("orders", claims=claims, parameters=parameters)
    for name in ("slow", "fast"):
        made.variant(lambda: None, name=name)  # type: ignore[call-overload]
    return made


def row(variant: str, p50: float, **parameters: Any) -> Result:
    samples = batched([p50] * 40, floor=0.0, variant=variant, parameters=parameters)
    return summarise(samples).result


SAVES = lk.Claim(text="it saves", worse="slow", better="fast", saves=("5us", "10us"))
TIMES = lk.Claim(text="it is faster by", worse="slow", better="fast", times=(10, None))


def test_what_is_saved_is_the_difference_of_the_medians():
    (check,) = check_claims([component(SAVES)], [row("slow", 700), row("fast", 100)])
    assert (check.measured, check.unit, check.low, check.high) == (600, "ns", 5_000, 10_000)
    assert (check.worse, check.better) == ("orders/slow", "orders/fast")


def test_a_practice_that_costs_saves_less_than_nothing():
    (check,) = check_claims([component(SAVES)], [row("slow", 100), row("fast", 700)])
    assert check.measured == -600


def test_a_factor_is_the_ratio_of_the_medians():
    (check,) = check_claims([component(TIMES)], [row("slow", 700), row("fast", 100)])
    assert (check.measured, check.unit, check.low, check.high) == (7, "times", 10, None)


def test_no_factor_is_claimed_over_what_an_empty_call_takes():
    (check,) = check_claims([component(TIMES)], [row("slow", 700), row("fast", 0.0)])
    assert check.measured is None


def test_what_was_not_measured_is_said_to_be_missing():
    (check,) = check_claims([component(SAVES)], [row("fast", 100)])
    assert check.measured is None
    assert check_claims([component(SAVES)], []) == []


def test_single_calls_and_other_components_do_not_count():
    other = lk.Component("other", claims=[SAVES])
    other.variant(lambda: None, name="slow")  # type: ignore[call-overload]
    assert check_claims([other], [row("slow", 700), row("fast", 100)]) == []


def test_each_combination_of_parameters_that_a_claim_is_about_is_checked():
    claim = lk.Claim(text="it saves", worse="slow", better="fast", saves=("1us", None), parameters={"size": 2})
    rows = [row(variant, p50, size=size) for size in (1, 2) for variant, p50 in (("slow", 500 * size), ("fast", 100))]
    (check,) = check_claims([component(claim, size=[1, 2])], rows)
    assert check.measured == 900
    assert check.worse == "orders/slow[size=2]"
    both = check_claims([component(SAVES, size=[1, 2])], rows)
    assert [check.measured for check in both] == [400, 900]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"saves": ("1us", None), "times": (1, 2)},
        {"saves": ("10us", "5us")},
        {"times": (8, 4)},
        {"times": (0, 4)},
        {"saves": ("many", None)},
    ],
)
def test_a_claim_that_claims_nothing_is_refused(arguments):
    with pytest.raises(InvalidValueError):
        lk.Claim(text="it saves", worse="slow", better="fast", **arguments)

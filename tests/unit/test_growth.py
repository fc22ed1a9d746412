"""How times grow with a parameter: known exponents, noise, overhead, and what is left out."""

import math
import random
from typing import Any

import pytest
from sampled import batched, per_call

import latencykit as lk
from latencykit.analysis.growth import fit_power_law, growth_of, student_t
from latencykit.analysis.summaries import summarise
from latencykit.model import Result

DECADES = [10, 100, 1000, 10_000, 100_000]


def row(variant: str, p50: float, **parameters: Any) -> Result:
    return summarise(batched([p50] * 40, floor=0.0, variant=variant, parameters=parameters)).result


def component(growth: str | None = "length", **parameters: Any) -> lk.Component:
    made = lk.Component("orders", parameters=parameters or {"length": DECADES}, growth=growth)
    made.variant(lambda: None, name="slow")  # type: ignore[call-overload]
    return made


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("values", [[1, 2, 3], DECADES, [0.001, 0.5, 7.25, 1e9]])
def test_a_power_is_found_exactly(exponent, values):
    law = fit_power_law((value, 7.5 * value**exponent) for value in reversed(values))
    assert law.exponent == pytest.approx(exponent, abs=1e-12)
    assert law.last_exponent == pytest.approx(exponent, abs=1e-12)
    assert law.interval == pytest.approx((exponent, exponent), abs=1e-10)
    assert law.holds


def test_the_interval_is_that_of_the_textbook():
    """By hand: log10 of times 0, 1.1, 1.9 over 0, 1, 2: slope 0.95, residuals 0.05, -0.1, 0.05, t = 12.706."""
    law = fit_power_law(zip([1, 10, 100], [1, 10**1.1, 10**1.9], strict=True))
    error = math.sqrt((0.05**2 + 0.1**2 + 0.05**2) / 1 / 2)
    assert law.exponent == pytest.approx(0.95)
    assert law.interval == pytest.approx((0.95 - 12.7062 * error, 0.95 + 12.7062 * error), rel=1e-4)
    assert law.last_exponent == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (5, 2.5706), (10, 2.2281), (30, 2.0423)],
)
def test_students_t_is_that_of_the_tables(freedom, quantile):
    assert student_t(freedom) == pytest.approx(quantile, abs=6e-5)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    seeded = random.Random(5)
    covered = 0
    for _ in range(2000):
        law = fit_power_law((value, value**1.2 * math.exp(seeded.gauss(0, 0.05))) for value in DECADES)
        covered += law.interval[0] <= 1.2 <= law.interval[1]
    assert 0.93 <= covered / 2000 <= 0.97  # four standard deviations around 95 %


def test_noise_of_a_few_percent_is_no_other_law():
    seeded = random.Random(5)
    for values in (DECADES, [2**k for k in range(4, 12)]):
        for _ in range(200):
            law = fit_power_law((value, value * seeded.uniform(0.97, 1.03)) for value in values)
            assert law.holds
            assert law.exponent == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize(("width", "least"), [(10, 0.285), (2, 0.482)])
@pytest.mark.parametrize("sign", [1, -1])
def test_steps_may_differ_by_a_fifth_and_what_times_off_by_five_percent_explain(width, least, sign):
    """By hand: 0.2 + 4 * log(1.05) / log(width), the doubt of either step being 2 * log(1.05) / log(width)."""
    for off, holds in ((-0.002, True), (0.002, False)):
        bend = sign * (least + off)
        law = fit_power_law([(1, 1), (width, width), (width**2, width ** (2 + bend))])
        assert law.holds is holds


def test_small_sizes_that_are_all_overhead_are_told():
    law = fit_power_law((value, 2000 + value) for value in [10, 100, 1000, 10_000, 10**5, 10**6])
    assert not law.holds
    assert law.exponent < 0.7
    assert law.last_exponent == pytest.approx(1, abs=0.01)


def test_a_step_where_a_cache_is_full_is_told():
    law = fit_power_law((value, value * (3 if value > 10_000 else 1)) for value in DECADES)
    assert not law.holds


@pytest.mark.parametrize("points", [[], [(1, 1)], [(1, 1), (2, 2)], [(1, 1), (2, 2), (2, 3), (1.0, 4)]])
def test_fewer_than_three_values_have_no_fit(points):
    assert fit_power_law(points) is None


def test_times_of_one_value_are_averaged():
    law = fit_power_law([(1, 1), (10, 5), (10.0, 20), (100, 100)])
    assert law.exponent == pytest.approx(1)
    assert law.holds


def test_each_variant_and_setting_has_its_own():
    rows = [
        row(variant, 10 * length**exponent * series, length=length, series=series)
        for series in (1, 32)
        for length in DECADES
        for variant, exponent in (("slow", 1.5), ("fast", 1.0))
    ]
    growths = growth_of([component(length=DECADES, series=[1, 32])], rows)
    assert [(growth.variant, growth.parameters) for growth in growths] == [
        ("slow", {"series": 1}), ("fast", {"series": 1}), ("slow", {"series": 32}), ("fast", {"series": 32}),
    ]  # fmt: skip
    assert [growth.exponent for growth in growths] == pytest.approx([1.5, 1.0, 1.5, 1.0])
    assert {(growth.component, growth.parameter) for growth in growths} == {("orders", "length")}
    assert {(growth.low, growth.high, growth.points) for growth in growths} == {(10, 100_000, 5)}


def test_values_of_other_parameters_that_are_equal_to_python_are_told_apart():
    rows = [row("slow", 10 * length, length=length, flag=flag) for flag in (1, True) for length in DECADES]
    assert len(growth_of([component(length=DECADES, flag=[1, True])], rows)) == 2


def test_what_is_at_the_floor_is_left_out():
    rows = [row("slow", max(0.05, length - 100), length=length) for length in DECADES]
    (growth,) = growth_of([component()], rows)
    assert (growth.low, growth.high, growth.points) == (1000, 100_000, 3)
    assert growth.exponent == pytest.approx(1.02, abs=0.01)
    unsure = [row("slow", length, length=length) for length in DECADES]
    unsure[0] = summarise(batched([0.0] * 19 + [9.0] * 21, floor=0.0, parameters={"length": 10}, variant="slow")).result
    assert unsure[0].p50_interval_ns[0] == 0 < unsure[0].p50_ns
    (growth,) = growth_of([component()], unsure)
    assert growth.low == 100


def test_too_few_points_are_told_as_missing():
    (growth,) = growth_of([component()], [row("slow", length, length=length) for length in DECADES[:2]])
    assert (growth.points, growth.low, growth.high) == (2, 10, 100)
    assert [growth.exponent, growth.interval, growth.power_law, growth.last_exponent] == [None] * 4
    (growth,) = growth_of([component()], [row("slow", 0.0, length=10)])
    assert (growth.points, growth.low, growth.high) == (0, None, None)


def test_single_calls_other_components_and_those_that_declare_none_do_not_count():
    rows = [row("slow", length, length=length) for length in DECADES]
    assert growth_of([component(growth=None)], rows) == []
    assert growth_of([component()], []) == []
    other = lk.Component("other", parameters={"length": [1]}, growth="length")
    assert growth_of([other], rows) == []
    calls = [
        summarise(per_call([length] * 400, variant="slow", parameters={"length": length})).result for length in DECADES
    ]
    assert growth_of([component()], calls) == []

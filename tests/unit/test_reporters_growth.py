import pytest
from fabricated import make_growth

from latencykit.model import Growth
from latencykit.reporters.growth import GrowthLine, growth_blocks


def line(**changes: object) -> GrowthLine:
    (block,) = growth_blocks([make_growth(**changes)])
    return block.lines[0]


def test_a_component_without_growth_has_no_block():
    assert growth_blocks([]) == []


def test_each_component_has_its_block_with_a_line_for_each_variant():
    other = Growth(component="orders", variant="arena", parameter="size", points=0)
    blocks = growth_blocks([make_growth("naive"), make_growth("simd", parameters={"series": 2}), other])
    assert [block.title for block in blocks] == ["growth of indicators with length", "growth of orders with size"]
    assert [[line.variant for line in block.lines] for block in blocks] == [["naive", "simd[series=2]"], ["arena"]]
    assert blocks[1].headings == ("variant", "time at 10 × size", "exponent (95 %)", "size")


@pytest.mark.parametrize(
    ("exponent", "step"),
    [
        (0.0, "1.00 ×"), (-0.5, "0.316 ×"), (1.0, "10.0 ×"), (2.0, "100 ×"), (3.5, "3,162 ×"), (9.0, "1.00e+09 ×"),
        (-3.0, "0.00100 ×"), (150.0, "-"), (-1e9, "-"),
    ],
)  # fmt: skip
def test_what_ten_times_the_parameter_takes(exponent, step):
    assert line(exponent=exponent).step == step
    assert line(last_exponent=exponent, power_law=False).step == f"uneven, last {step}"


def test_a_range_below_ten_is_told_by_its_double():
    (block,) = growth_blocks([make_growth(low=10, high=50, exponent=2.0)])
    assert block.headings.step == "time at 2 × length"
    assert block.lines[0].step == "4.00 ×"


def test_minus_nothing_is_nothing():
    assert line(exponent=-0.001, interval=(-0.004, 0.002)).exponent == "0.00 (0.00 to 0.00)"


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (10, 10_000_000, "10 to 10,000,000"),
        (1000, 10_000, "1000 to 10,000"),
        (0.5, 2.0, "0.5 to 2"),
        (1e-7, 1e300, "1e-07 to 1e+300"),
        (1234567.5, 2e9, "1.23457e+06 to 2,000,000,000"),
        (7, 7, "7"),
        (None, None, "-"),
    ],
)
def test_the_range_of_the_parameter(low, high, text):
    assert line(low=low, high=high).range == text


def test_the_legend_explains_what_is_shown_and_no_more():
    legends = {
        made.power_law: growth_blocks([made])[0].legend
        for made in (make_growth(), make_growth(power_law=False), make_growth(exponent=None, power_law=None))
    }
    assert all("exponent: time grows as length to this power" in legend for legend in legends.values())
    assert [("uneven:" in legends[word], "n/a:" in legends[word]) for word in (True, False, None)] == [
        (False, False),
        (True, False),
        (False, True),
    ]

import pytest

from latencykit.errors import InvalidTypeError, InvalidValueError
from latencykit.model import Target
from latencykit.targets import parse_targets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p99 < 2us", [("p99", 2000)]),
        ("p50<100ns,p99  <  2 µs", [("p50", 100), ("p99", 2000)]),
        ("P99.9 < 1ms", [("p999", 1e6)]),
        ("median < 1s", [("p50", 1e9)]),
        (["p50 < 5ns", Target("p90", "7ns")], [("p50", 5), ("p90", 7)]),
        (Target("p999", 3), [("p999", 3)]),
        (None, []),
        ((), []),
    ],
)
def test_what_can_be_read(text, expected):
    assert [(target.statistic, target.limit_ns) for target in parse_targets(text)] == expected


@pytest.mark.parametrize(
    "text",
    ["", "p99", "p99 < ", "p99 > 2us", "p99 <= 2us", "p98 < 2us", "p99 < 2us < 3us", "p99 < 2 parsecs", "p99 < -2us",
     "p99 < 0ns", "2us > p99", "mean < 3ns"],
)  # fmt: skip
def test_what_cannot_be_read_is_told_with_the_value_and_the_remedy(text):
    with pytest.raises(InvalidValueError) as caught:
        parse_targets(text)
    assert f"target {text!r} cannot be read" in str(caught.value)
    assert "write" in str(caught.value)


def test_the_part_at_fault_is_named():
    with pytest.raises(InvalidValueError, match="cannot be read at 'p98 < 2us'; write a statistic"):
        parse_targets("p50 < 1us, p98 < 2us")


def test_a_statistic_has_one_target():
    with pytest.raises(InvalidValueError, match="p99 has 2 targets; give it one"):
        parse_targets("p99 < 1us, p99 < 2us")


@pytest.mark.parametrize("what", [3, 2.5, b"p99 < 1us", {"p99": "1us"}, [3]])
def test_what_is_no_target(what):
    with pytest.raises(InvalidTypeError, match="is not text; write for example"):
        parse_targets(what)

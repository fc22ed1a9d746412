import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latencykit.errors import InvalidTypeError, InvalidValueError
from latencykit.units import format_ns, parse_duration_ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("100ns", 100),
        ("1 us", 1_000),
        ("1.5 µs", 1_500),
        ("10ms", 1e7),
        ("2 s", 2e9),
        ("7", 7),
        (12, 12),
        (0.5, 0.5),
        (np.float32(0.5), 0.5),
    ],
)
def test_durations_are_parsed(text, ns):
    assert parse_duration_ns(text) == ns


@pytest.mark.parametrize(
    "text", ["", "ns", "-1ns", "0", "1 parsec", "1e3", "1.2.3us", 0, -3, math.nan, math.inf, 10**400]
)
def test_what_is_no_duration_is_refused_with_its_value(text):
    with pytest.raises(InvalidValueError, match="duration"):
        parse_duration_ns(text)


@pytest.mark.parametrize("thing", [None, True, [1], b"1us"])
def test_what_is_neither_text_nor_a_number_is_refused(thing):
    with pytest.raises(InvalidTypeError, match="neither text nor a number; write for example '100ns'"):
        parse_duration_ns(thing)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0.00 ns"),
        (0.123, "0.12 ns"),
        (7.043, "7.04 ns"),
        (99.96, "100 ns"),
        (999.6, "1.00 µs"),
        (1234, "1.23 µs"),
        (250e6, "250 ms"),
        (3.6e12, "3600 s"),
        (None, "n/a"),
        (math.nan, "n/a"),
    ],
)
def test_durations_are_formatted_to_three_digits(ns, text):
    assert format_ns(ns) == text


@given(st.floats(1, 1e12))
def test_what_is_formatted_parses_back_to_half_a_percent(ns):
    assert parse_duration_ns(format_ns(ns)) == pytest.approx(ns, rel=0.0051)

"""Every line of JSON is one that a strict parser takes, and holds what was logged."""

import json
import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from latencykit.engine import AsyncLogger

values = st.one_of(
    st.integers(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(st.characters(), max_size=30),
    st.text(st.sampled_from('"\\/\b\f\n\r\t\x00\x1f\x7f\x85\u2028\ud800\udfff😀é'), max_size=30),
    st.binary(max_size=20),
    st.decimals(allow_nan=False, places=3, min_value=-1000, max_value=1000),
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def escaped(text):
    """Lone surrogates as they stand in a log."""
    return "".join(f"\\u{ord(c):04x}" if 0xD800 <= ord(c) <= 0xDFFF else c for c in text)


def as_json(value):
    """What an argument is in JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return escaped(str(value))


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "x.log"
    with AsyncLogger(path, capacity=1000, format="json") as logger, path.open("rb") as file:
        yield logger, file


same_log = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=1500)


@same_log
@given(parts=st.lists(st.tuples(texts, values), max_size=6), tail=texts)
@example(parts=[("", "\ud83d\ude00")], tail="")
@example(parts=[("{}\n", -0.0)], tail="\\")
@example(parts=[("", 5e-324), ("", 1e16), ("", 2**63 - 1), ("", -(2**63))], tail="")
def test_a_line_is_what_was_logged(log, parts, tail):
    logger, file = log
    template = "".join(text.replace("{", "{{").replace("}", "}}") + "{}" for text, _ in parts)
    template += tail.replace("{", "{{").replace("}", "}}")
    arguments = [value for _, value in parts]
    logger.site(template)(*arguments)
    logger.drain()
    lines = file.read().decode("utf-8").split("\n")
    assert lines[1:] == [""]
    line = json.loads(lines[0], parse_constant=refuse)
    assert line["template"] == template
    assert line["message"] == escaped(template.format(*arguments))
    assert [repr(value) for value in line["args"]] == [repr(as_json(value)) for value in arguments]


@same_log
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_comes_back_as_it_was(log, value):
    logger, file = log
    logger.site("{:.1f}")(value)
    logger.drain()
    (back,) = json.loads(file.read())["args"]
    assert (back, math.copysign(1, back)) == (value, math.copysign(1, value))
